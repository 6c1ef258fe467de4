/** `auth: 'session'`: the browser's own cookie, and a request that shows that a page of ours made it. */
import { CoatcheckError } from '../../errors.ts'
import { cookieFields, ownCookies } from '../../own-cookies.ts'
import { checkSessionRef, checkSessionRequest } from '../../protection/csrf.ts'
import type { HeaderList, UpstreamResponse } from '../../runtime.ts'
import type { Services } from '../../services.ts'
import type { RequestCookies } from '../../session/cookie-names.ts'
import type { OpenSession, Sessions } from '../../session/sessions.ts'
import { sessionCallers } from '../rate-limits.ts'
import { requireScopes, sendWithFreshToken } from '../session-call.ts'
import type { Admission, Call } from './admission.ts'

/** A caller with usable tokens, or an answer instead. */
export async function admitSession(services: Services, call: Call): Promise<Admission | Response> {
  const { config, sessions, reply } = services
  const { method, route, headers, keepAlive } = call
  const kind = checkSessionRequest(headers, { method, kinds: route.kinds, origin: config.origin })
  const loginUrl = `${config.basePath}/login`
  const cookies = ownCookies(headers.cookie)
  const open = await sessions.open(cookies, false, headers['user-agent']).catch(sayWhere(loginUrl))
  if (!open) {
    // A person who follows a link to a download gets to sign in, not JSON.
    if (kind === 'download') return reply({ status: 303, location: `${config.origin}${loginUrl}?return_to=/` })
    throw new CoatcheckError('login_required', { members: { login_url: loginUrl } })
  }
  checkSessionRef(headers, open.session.ref)
  await sessions.refresh(open, keepAlive).catch(sayWhere(loginUrl))
  requireScopes(route.scopes, open.session.tokens.scope)
  return {
    authorization: () => `Bearer ${open.session.tokens.accessToken}`,
    caller: sessionCallers(open.session),
    claims: open.session.claims,
    open,
    mayReplay: true,
    send: (once, isReplayable) =>
      sendWithFreshToken(sessions, open, once, { upstream: route.upstream.origin, isReplayable, keepAlive }),
    finish: (answer) => cookiesOf(sessions, open, cookies, answer),
  }
}

/** Where to sign in, for whoever has to. */
function sayWhere(loginUrl: string): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof CoatcheckError) || error.code !== 'login_required') throw error
    throw new CoatcheckError('login_required', { members: { ...error.members, login_url: loginUrl } })
  }
}

/** Whatever sets a cookie is private and not stored (SEC-12). A stream and a WebSocket are not activity (C5). */
async function cookiesOf(
  sessions: Sessions,
  open: OpenSession,
  cookies: RequestCookies,
  answer: UpstreamResponse,
): Promise<HeaderList> {
  const type = answer.headers.find(([name]) => name.toLowerCase() === 'content-type')?.[1] ?? ''
  const isActivity = answer.status !== 101 && !type.startsWith('text/event-stream')
  const changes = await sessions.cookies(open, cookies, isActivity)
  return changes.length === 0 ? [] : [['cache-control', 'private, no-store'], ...cookieFields(changes)]
}
