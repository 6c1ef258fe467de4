/** The cookies that we own, and what a change to one looks like. Writing them is `protection/cookies.ts`. */

/**
 * `__Host-`: Secure, no Domain, Path=/, so a sibling subdomain cannot plant one. `__Host-Http-`: set by HTTP, not by
 * script (RFC 10017 §6.1.3.2).
 */
export const sessionCookieName = '__Host-Http-coatcheck'
export const markerCookieName = '__Host-Http-coatcheck-id'
export const loginCookiePrefix = '__Host-Http-coatcheck-login-'
export const logoutCookieName = '__Host-Http-coatcheck-logout'

/** For reading a `Cookie` field; cookies of others are none of our business. */
export function isOwnCookieName(name: string): boolean {
  return name.startsWith(sessionCookieName)
}

export interface CookieChange {
  readonly name: string
  /** Undefined clears the cookie. */
  readonly value: string | undefined
  readonly sameSite: 'Strict' | 'Lax'
  /** Absent: until the browser closes. */
  readonly maxAgeSeconds?: number
}

export type RequestCookies = ReadonlyMap<string, string>
