/** `auth: 'session'`: the browser's own cookie, and a request that shows that a page of ours made it. */
import { CoatcheckError } from '../../errors.ts'
import { cookieFields, ownCookies } from '../../own-cookies.ts'
import { isTokenScheme } from '../../protection/bearer.ts'
import { checkSessionRef, checkSessionRequest } from '../../protection/csrf.ts'
import type { HeaderList, UpstreamResponse } from '../../runtime.ts'
import type { Services } from '../../services.ts'
import type { CookieChange, RequestCookies } from '../../session/cookie-names.ts'
import type { OpenSession, Sessions } from '../../session/sessions.ts'
import { sessionCallers } from '../rate-limits.ts'
import { requireScopes, resendWithNewToken } from '../session-call.ts'
import { sessionTokenFor } from '../session-token.ts'
import type { Admission, Call } from './admission.ts'

/** A caller with usable tokens, or an answer instead. */
export async function admitSession(services: Services, call: Call): Promise<Admission | Response> {
  const { config, sessions, reply } = services
  const { method, route, headers, keepAlive } = call
  // Before the checks on what browsers send: who brings a token, and no cookie of ours, is none.
  const bringsToken = isTokenScheme(headers.authorization)
  if (bringsToken && ownCookies(headers.cookie).size === 0) throw wrongCredential()
  const kind = checkSessionRequest(headers, { method, kinds: route.kinds, origin: config.origin })
  const loginUrl = `${config.basePath}/login`
  const cookies = ownCookies(headers.cookie)
  try {
    const open = await sessions.open(cookies, false, headers['user-agent'])
    if (!open) {
      if (bringsToken) throw wrongCredential()
      // A person who follows a link to a download gets to sign in, not JSON.
      if (kind === 'download') return reply({ status: 303, location: `${config.origin}${loginUrl}?return_to=/` })
      throw new CoatcheckError('login_required')
    }
    checkSessionRef(headers, open.session.ref)
    // Mostly there is nothing to wait for, here and below; waiting for nothing takes a turn of the queue each.
    const refreshing = sessions.refresh(open, keepAlive)
    if (refreshing) await refreshing
    requireScopes(route.scopes, open.session.tokens.scope)
    const tokenNow = () => sessionTokenFor(services, open, route, keepAlive)
    const obtained = tokenNow()
    let token = typeof obtained === 'string' ? obtained : await obtained
    const sentWith = open.session
    const renewToken = async () => {
      try {
        token = await tokenNow()
      } catch (error) {
        throw sayWhere(error, loginUrl)
      }
    }
    return {
      authorization: () => `Bearer ${token}`,
      caller: sessionCallers(open.session),
      claims: open.session.claims,
      open,
      resend: (rejected, send, isReplayable) =>
        resendWithNewToken(sessions, open, () => renewToken().then(send), {
          rejected,
          sentWith,
          upstream: route.upstream.origin,
          isReplayable,
          keepAlive,
        }),
      finish: (answer) => cookiesOf(sessions, open, cookies, answer),
    }
  } catch (error) {
    throw sayWhere(error, loginUrl)
  }
}

/** Where to sign in, for whoever has to. */
function sayWhere(error: unknown, loginUrl: string): unknown {
  if (!(error instanceof CoatcheckError) || error.code !== 'login_required') return error
  return new CoatcheckError('login_required', { members: { ...error.members, login_url: loginUrl } })
}

function wrongCredential(): CoatcheckError {
  return new CoatcheckError('wrong_credential', { members: { accepts: 'the session cookie' } })
}

/** Whatever sets a cookie is private and not stored (SEC-12). A stream and a WebSocket are not activity (C5). */
function cookiesOf(
  sessions: Sessions,
  open: OpenSession,
  cookies: RequestCookies,
  answer: UpstreamResponse,
): HeaderList | Promise<HeaderList> {
  const type = answer.headers.find(([name]) => name === 'content-type')?.[1] ?? ''
  const isActivity = answer.status !== 101 && !type.startsWith('text/event-stream')
  const changes = sessions.cookies(open, cookies, isActivity)
  return changes instanceof Promise ? changes.then(withCookies) : withCookies(changes)
}

function withCookies(changes: readonly CookieChange[]): HeaderList {
  return changes.length === 0 ? [] : [['cache-control', 'private, no-store'], ...cookieFields(changes)]
}
