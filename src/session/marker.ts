/**
 * The marker: a small Lax cookie that names, authenticated, the session that this browser holds (C3). The session
 * cookie itself is Strict, so it may be missing when the browser comes back from the authorization server.
 */
import { type CookieChange, markerCookieName, type RequestCookies } from './cookie-names.ts'
import type { Sealer } from './seal.ts'

export async function markerCookie(sealer: Sealer, sessionId: string): Promise<CookieChange> {
  return { name: markerCookieName, value: await sealer.seal(sessionId), sameSite: 'Lax' }
}

export async function markedSessionId(sealer: Sealer, cookies: RequestCookies): Promise<string | undefined> {
  const value = cookies.get(markerCookieName)
  return value === undefined ? undefined : sealer.open(value)
}
