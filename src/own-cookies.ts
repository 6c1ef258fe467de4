/** Our cookies on the wire, as `session/` speaks of them: read from a request, written for an answer. */
import { readCookies, serializeCookie } from './protection/cookies.ts'
import { type CookieChange, isOwnCookieName, type RequestCookies } from './session/cookie-names.ts'

/** Fields that were read lately. */
const recent = new Map<string, { readonly header: string; readonly cookies: RequestCookies }>()
const remembered = 1000
/** Longer than a session, its marker and what an app has beside them. What is longer is read each time. */
const longestRemembered = 8192
const keyLength = 32

/**
 * A page sends one field with all of its calls, and to read the thousands of characters of a session takes 3 µs, ten times
 * as long as to find it here. It is found by a few characters of its middle, where the seal is, and compared whole: to hash
 * all of it would take as long as to read it.
 */
export function ownCookies(header: string | undefined): RequestCookies {
  if (header === undefined || header.length > longestRemembered) return readCookies(header, isOwnCookieName)
  const middle = header.length >> 1
  const key = header.slice(middle, middle + keyLength)
  const known = recent.get(key)
  if (known?.header === header) return known.cookies
  const cookies = readCookies(header, isOwnCookieName)
  if (cookies.size > 0) {
    if (recent.size >= remembered) recent.clear()
    recent.set(key, { header, cookies })
  }
  return cookies
}

export function cookieFields(changes: readonly CookieChange[]): [name: string, value: string][] {
  return changes.map(({ name, value, sameSite, maxAgeSeconds }) => {
    const lifetime = value === undefined ? { maxAgeSeconds: 0 } : maxAgeSeconds === undefined ? {} : { maxAgeSeconds }
    return ['set-cookie', serializeCookie(name, value ?? '', { sameSite, ...lifetime })]
  })
}
