/**
 * A proxied call, from the matched route to the answer that goes out: the session's token is attached on the way
 * in, its newest cookie on the way out.
 */
import type { Context } from 'hono'
import type { Route } from '../config/types.ts'
import { CoatcheckError } from '../errors.ts'
import { cookieFields, ownCookies } from '../own-cookies.ts'
import { checkDestination, checkSessionRef, checkSessionRequest } from '../protection/csrf.ts'
import type { HeaderList, IncomingHeaders, UpstreamRequest, UpstreamResponse } from '../runtime.ts'
import type { Services } from '../services.ts'
import type { RequestCookies } from '../session/cookie-names.ts'
import type { KeepAlive, OpenSession } from '../session/sessions.ts'
import { type OutgoingBody, outgoingBody } from './body.ts'
import { isFieldValue, isPlainName } from './fields.ts'
import { upstreamTarget } from './match.ts'
import { isNeverForwarded, upstreamRequestHeaders } from './request-headers.ts'
import { clientResponseHeaders } from './response-headers.ts'
import { requireScopes, sendWithFreshToken } from './session-call.ts'
import { assertRouteTakes, type Target } from './target.ts'

/** How long an answer's body may be silent. */
const bodyTimeoutMs = 60_000

/** The session of a call, and the cookies that it came in. */
interface Caller {
  readonly open: OpenSession
  readonly cookies: RequestCookies
}

/** @throws CoatcheckError for everything that is refused, or goes wrong before the head */
export async function proxy(
  services: Services,
  c: Context,
  route: Route,
  rest: string,
  target: Target,
): Promise<Response> {
  const { runtime } = services
  assertRouteTakes(target, route)
  const headers = runtime.requestHeaders(c)
  checkDestination(headers, route.content)
  const keepAlive: KeepAlive = (work) => runtime.waitUntil(c, work)

  const caller = route.auth === 'session' ? await authenticate(services, c, route, headers, keepAlive) : undefined
  if (caller instanceof Response) return caller

  const outgoing = await outgoingBody(runtime.requestBody(c), headers, route.bodyLimitBytes, caller !== undefined)
  const sent = upstreamTarget(route, rest, target.query)
  const send = () => runtime.transport.send(upstreamRequest(services, c, route, sent, headers, outgoing, caller?.open))
  const answer = caller
    ? await sendWithFreshToken(services.sessions, caller.open, send, { isReplayable: outgoing.isReplayable, keepAlive })
    : await send()

  try {
    const context = { upstream: route.upstream, route, requestTarget: sent, publicOrigin: services.config.origin }
    const head = {
      status: answer.status,
      headers: clientResponseHeaders(answer.headers, answer.status, route, context),
    }
    return await runtime.respond(c, head, answer.body, () => (caller ? cookiesOf(services, caller, answer) : []))
  } catch (error) {
    answer.body?.cancel()
    throw error
  }
}

/** A caller with usable tokens, or an answer instead. */
async function authenticate(
  { config, sessions, reply }: Services,
  c: Context,
  route: Route,
  headers: IncomingHeaders,
  keepAlive: KeepAlive,
): Promise<Caller | Response> {
  const kind = checkSessionRequest(headers, { method: c.req.method, kinds: route.kinds, origin: config.origin })
  const loginUrl = `${config.basePath}/login`
  const cookies = ownCookies(headers.cookie)
  const open = await sessions.open(cookies)
  if (!open) {
    // A person who follows a link to a download gets to sign in, not JSON.
    if (kind === 'download') return reply({ status: 303, location: `${config.origin}${loginUrl}?return_to=/` })
    throw new CoatcheckError('login_required', { members: { login_url: loginUrl } })
  }
  checkSessionRef(headers, open.session.ref)
  try {
    await sessions.refresh(open, keepAlive)
  } catch (error) {
    if (!(error instanceof CoatcheckError) || error.code !== 'login_required') throw error
    throw new CoatcheckError('login_required', { members: { ...error.members, login_url: loginUrl } })
  }
  requireScopes(route.scopes, open.session.tokens.scope)
  return { open, cookies }
}

function upstreamRequest(
  services: Services,
  c: Context,
  route: Route,
  target: string,
  headers: IncomingHeaders,
  { body }: OutgoingBody,
  open: OpenSession | undefined,
): UpstreamRequest {
  const { runtime } = services
  return {
    origin: route.upstream.origin,
    target,
    method: c.req.method,
    headers: upstreamRequestHeaders(headers, route, ownFields(services, c, route, target, open)),
    body,
    signal: runtime.clientSignal(c),
    headersTimeoutMs: route.timeoutMs,
    bodyTimeoutMs,
    binding: route.upstream.binding,
  }
}

/** What we say to the upstream ourselves. Who the user is stands in the token and nowhere else (API-13). */
function ownFields(
  { config, runtime }: Services,
  c: Context,
  route: Route,
  target: string,
  open: OpenSession | undefined,
): HeaderList {
  const fields: [string, string][] = []
  if (open) fields.push(['authorization', `Bearer ${open.session.tokens.accessToken}`])
  const peer = runtime.peerAddress(c)
  if (peer !== undefined) fields.push(['x-forwarded-for', peer])
  fields.push(['x-forwarded-host', config.host], ['x-forwarded-proto', config.isSecureOrigin ? 'https' : 'http'])
  const hook = config.hooks.onUpstreamRequest
  const added = hook?.({ route: route.path, method: c.req.method, target, claims: open?.session.claims })
  if (added instanceof Promise) throw internalError('hooks.onUpstreamRequest gave a promise: it may not be async')
  for (const [name, value] of Object.entries(added ?? {})) fields.push(checkedField(name.toLowerCase(), value))
  return fields
}

function checkedField(name: string, value: string): [string, string] {
  if (isPlainName(name) && isFieldValue(value) && !isNeverForwarded(name)) return [name, value]
  throw internalError(`hooks.onUpstreamRequest may not set ${name}`)
}

function internalError(message: string): CoatcheckError {
  return new CoatcheckError('internal_error', { cause: new Error(message) })
}

/** Whatever sets a cookie is private and not stored (SEC-12). A stream is not activity (C5). */
async function cookiesOf(
  { sessions }: Services,
  { open, cookies }: Caller,
  answer: UpstreamResponse,
): Promise<HeaderList> {
  const type = answer.headers.find(([name]) => name.toLowerCase() === 'content-type')?.[1] ?? ''
  const changes = await sessions.cookies(open, cookies, !type.startsWith('text/event-stream'))
  return changes.length === 0 ? [] : [['cache-control', 'private, no-store'], ...cookieFields(changes)]
}
