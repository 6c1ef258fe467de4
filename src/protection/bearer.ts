/** The one way in which a token may come: `Authorization: Bearer` (RFC 6750 §2.1), never a form, a query or a cookie. */
import type { IncomingHeaders } from '../runtime.ts'

export type BearerCredential =
  | { readonly kind: 'none' }
  /** Something that is no bearer token: another scheme, a cookie. */
  | { readonly kind: 'other' }
  /** A bearer token that cannot be one, as it is too long or not of the characters that tokens have. */
  | { readonly kind: 'malformed' }
  | { readonly kind: 'token'; readonly token: string }

/** RFC 6750 §2.1 `b64token`. Two fields, which runtimes join by a comma, are none. */
const form = /^bearer +([A-Za-z0-9\-._~+/]+=*)$/i

export function bearerOf(headers: IncomingHeaders, maxLength: number): BearerCredential {
  const { authorization } = headers
  if (authorization === undefined) return { kind: headers.cookie === undefined ? 'none' : 'other' }
  if (!/^bearer(?: |$)/i.test(authorization)) return { kind: 'other' }
  // Before it is looked at: the scheme and a space are seven.
  if (authorization.length > maxLength + 7) return { kind: 'malformed' }
  const token = form.exec(authorization)?.[1]
  return token === undefined ? { kind: 'malformed' } : { kind: 'token', token }
}

/** Whether somebody brings an access token. A browser may bring a name and password, for a proxy in front of us. */
export function isTokenScheme(authorization: string | undefined): boolean {
  return authorization !== undefined && /^(?:bearer|dpop)(?: |$)/i.test(authorization)
}

/** Whether a token is one that its holder could read: three parts, the first of them a JSON object (RFC 7519 §3). */
export function looksLikeJwt(token: string): boolean {
  return /^ey[\w-]*\.[\w-]*\.[\w-]*(?:\.[\w-]*){0,2}$/.test(token)
}
