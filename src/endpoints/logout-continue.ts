/** `GET /bff/logout/continue`: once, to the server's end-session endpoint; otherwise to the app. */
import type { Handler } from 'hono'
import { ownCookies } from '../own-cookies.ts'
import type { BffEnv, Services } from '../services.ts'
import { logoutCookieName } from '../session/cookie-names.ts'

export function logoutContinue({ config, runtime, logoutSealer, reply }: Services): Handler<BffEnv> {
  return async (c) => {
    const value = ownCookies(runtime.requestHeaders(c).cookie).get(logoutCookieName)
    if (value === undefined) return reply({ status: 303, location: `${config.origin}/` })
    const text = await logoutSealer.open(value)
    const { url, until } =
      text === undefined ? { url: '', until: 0 } : (JSON.parse(text) as { url: string; until: number })
    const isFresh = runtime.clock.now() / 1000 < until
    return reply({
      status: 303,
      location: isFresh ? url : `${config.origin}/`,
      cookies: [{ name: logoutCookieName, value: undefined, sameSite: 'Strict' }],
    })
  }
}
