/** The session behind a page's own `fetch`: with the checks that every endpoint makes that reads it. */
import type { Context } from 'hono'
import { ownCookies } from '../own-cookies.ts'
import { checkSessionRef, checkSessionRequest } from '../protection/csrf.ts'
import type { Services } from '../services.ts'
import type { RequestCookies } from '../session/cookie-names.ts'
import type { OpenSession } from '../session/sessions.ts'

const fetchOnly: ReadonlySet<'fetch'> = new Set(['fetch'])

/** @throws CoatcheckError `csrf`; `session_changed` where the page speaks of another session than the cookie does */
export async function openForPage(
  { config, runtime, sessions }: Services,
  c: Context,
  { isForLogout = false }: { isForLogout?: boolean } = {},
): Promise<{ open: OpenSession | undefined; cookies: RequestCookies }> {
  const headers = runtime.requestHeaders(c)
  checkSessionRequest(headers, { method: c.req.method, kinds: fetchOnly, origin: config.origin })
  const cookies = ownCookies(headers.cookie)
  const open = await sessions.open(cookies, isForLogout, headers['user-agent'])
  if (open && !isForLogout) checkSessionRef(headers, open.session.ref)
  return { open, cookies }
}
