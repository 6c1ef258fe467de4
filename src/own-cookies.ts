/** Our cookies on the wire, as `session/` speaks of them: read from a request, written for an answer. */
import { readCookies, serializeCookie } from './protection/cookies.ts'
import { type CookieChange, isOwnCookieName, type RequestCookies } from './session/cookie-names.ts'

export function ownCookies(header: string | undefined): RequestCookies {
  return readCookies(header, isOwnCookieName)
}

export function cookieFields(changes: readonly CookieChange[]): [name: string, value: string][] {
  return changes.map(({ name, value, sameSite, maxAgeSeconds }) => {
    const lifetime = value === undefined ? { maxAgeSeconds: 0 } : maxAgeSeconds === undefined ? {} : { maxAgeSeconds }
    return ['set-cookie', serializeCookie(name, value ?? '', { sameSite, ...lifetime })]
  })
}
