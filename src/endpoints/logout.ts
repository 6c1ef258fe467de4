/** `POST /bff/logout`: ends the session here, revokes its tokens, and says where the browser goes on (E1). */
import type { Handler } from 'hono'
import { endSessionUrl } from '../oauth/end-session.ts'
import type { BffEnv, Services } from '../services.ts'
import { type CookieChange, logoutCookieName } from '../session/cookie-names.ts'
import type { Session } from '../session/session.ts'
import { openForPage } from './open-for-page.ts'

const logoutLifetimeSeconds = 120
/** An ID token may be too long for a cookie; then the hint is the subject. */
const maxCookieLength = 3900

export function logout(services: Services): Handler<BffEnv> {
  const { config, runtime, sessions, reply } = services
  return async (c) => {
    // A page that speaks of an older session still means "sign me out": only what the cookie holds can be ended.
    const { open, cookies } = await openForPage(services, c, { isForLogout: true })
    const changes: CookieChange[] = sessions.clearedCookies(cookies)
    const ended = open && (await sessions.end(open))
    const last = await sessions.endLast(cookies, open?.session.id)
    const signedOut = last ?? ended
    if (signedOut) changes.push(...(await continueCookie(services, signedOut)))
    return reply({
      status: 200,
      json: { logout_url: `${config.basePath}/logout/continue` },
      cookies: changes,
      headers: { 'Clear-Site-Data': '"cache"' },
    })
  }
  async function continueCookie(
    services: Services,
    session: Pick<Session, 'idToken' | 'sub'>,
  ): Promise<CookieChange[]> {
    const { server, logoutSealer, report } = services
    try {
      for (const idToken of [session.idToken, undefined]) {
        const url = await endSessionUrl(server, { idToken, sub: session.sub }, `${config.origin}/`)
        if (url === undefined) return []
        const content = { url, until: Math.floor(runtime.clock.now() / 1000) + logoutLifetimeSeconds }
        const value = await logoutSealer.seal(JSON.stringify(content))
        if (value.length > maxCookieLength) continue
        return [{ name: logoutCookieName, value, sameSite: 'Strict', maxAgeSeconds: logoutLifetimeSeconds }]
      }
    } catch (cause) {
      // Signed out here all the same; only the server's own session goes on.
      report({ event: 'request_failed', code: 'provider_unavailable', cause })
    }
    return []
  }
}
