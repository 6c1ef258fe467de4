/**
 * A proxied call, from the matched route to the answer that goes out: who calls is the admission's business, which gives
 * the token on the way in, and the newest cookie on the way out.
 */
import type { Context } from 'hono'
import type { Route } from '../config/types.ts'
import type { HeaderList, IncomingHeaders, UpstreamRequest, UpstreamResponse } from '../runtime.ts'
import type { Services } from '../services.ts'
import type { KeepAlive } from '../session/sessions.ts'
import type { Admission } from './admission/admission.ts'
import { admit } from './admission/admit.ts'
import { bodyTimeoutOf, checkContentType, checkHasNoContent, noBody, type OutgoingBody, outgoingBody } from './body.ts'
import { applyFieldRules } from './field-rules.ts'
import { hookFields } from './hook-fields.ts'
import type { Place } from './live-streams.ts'
import { upstreamTarget } from './match.ts'
import { rewriteQuery } from './query.ts'
import { addressCaller } from './rate-limits.ts'
import { upstreamRequestHeaders } from './request-headers.ts'
import { clientInformationalHeaders, clientResponseHeaders, clientTrailers } from './response-headers.ts'
import type { Target } from './target.ts'
import { checkHandshake, isWebSocketCall, openWebSocket } from './websocket.ts'

/** @throws CoatcheckError for everything that is refused, or goes wrong before the head */
export async function proxy(
  services: Services,
  c: Context,
  route: Route,
  rest: string,
  target: Target,
): Promise<Response> {
  const { runtime } = services
  const headers = runtime.requestHeaders(c)
  const { method } = c.req
  const isWebSocket = isWebSocketCall(method, headers, route)
  if (isWebSocket) checkHandshake(services, c, headers)
  const keepAlive: KeepAlive = (work) => runtime.waitUntil(c, work)

  // An open route's is there at once.
  const admitting = admit(services, { c, method, route, headers, keepAlive }, target)
  const admission = admitting instanceof Promise ? await admitting : admitting
  if (admission instanceof Response) return admission

  const body = runtime.requestBody(c)
  checkHasNoContent(c.req.method, body)
  checkContentType(body, headers, route)
  const mayBeResent = admission.resend !== undefined
  const outgoing = body === null ? noBody : await outgoingBody(body, headers, route.bodyLimitBytes, mayBeResent)
  const sent = upstreamTarget(route, rest, rewriteQuery(target.query, route.query))
  const request = () => upstreamRequest(services, c, route, sent, headers, outgoing, admission)
  const answerWith = (answer: UpstreamResponse) => respond(services, { c, route, sent, admission, keepAlive }, answer)
  if (isWebSocket) {
    return openWebSocket(services, {
      c,
      headers,
      admission,
      keepAlive,
      answer: answerWith,
      request(more) {
        const plain = request()
        return { ...plain, headers: [...plain.headers, ...more] }
      },
    })
  }
  const send = () => runtime.transport.send(request())
  let answer = await send()
  if (answer.status === 401 && admission.resend) answer = await admission.resend(answer, send, outgoing.isReplayable)
  return answerWith(answer)
}

interface SentCall {
  readonly c: Context
  readonly route: Route
  /** The target at the upstream. */
  readonly sent: string
  readonly admission: Admission
  readonly keepAlive: KeepAlive
}

function respond(
  services: Services,
  { c, route, sent, admission, keepAlive }: SentCall,
  answer: UpstreamResponse,
): Response | Promise<Response> {
  try {
    const context = { upstream: route.upstream, route, requestTarget: sent, publicOrigin: services.config.origin }
    const fields = clientResponseHeaders(answer.headers, answer.status, route, context)
    const head = {
      status: answer.status,
      headers: admission.left === undefined ? fields : [...fields, ...admission.left],
      trailers: route.trailers.size > 0 ? clientTrailers(answer.headers, route) : undefined,
    }
    if (answer.stream) enterLive(services, c, admission).fill(answer.stream, keepAlive)
    return services.runtime.respond(c, head, answer.body, () => admission.finish(answer))
  } catch (error) {
    answer.body?.cancel()
    throw error
  }
}

function enterLive({ live, clientAddress }: Services, c: Context, { open, caller }: Admission): Place {
  return live.enter(open, open ? caller : { ...addressCaller(clientAddress(c)), ...caller })
}

function upstreamRequest(
  services: Services,
  c: Context,
  route: Route,
  target: string,
  headers: IncomingHeaders,
  { body }: OutgoingBody,
  admission: Admission,
): UpstreamRequest {
  const { runtime } = services
  return {
    origin: route.upstream.origin,
    target,
    method: c.req.method,
    headers: applyFieldRules(
      upstreamRequestHeaders(headers, route, ownFields(services, c, route, target, admission)),
      route.headers.request,
    ),
    body,
    signal: runtime.clientSignal(c),
    headersTimeoutMs: route.timeoutMs,
    bodyTimeoutMs: bodyTimeoutOf(route),
    upstream: route.upstream.settings,
    onEarlyHints: route.earlyHints
      ? (fields) => runtime.earlyHints(c, clientInformationalHeaders(fields, route))
      : undefined,
    binding: route.upstream.binding,
  }
}

/** What we say to the upstream ourselves. Who the user is stands in the token and nowhere else (API-13). */
function ownFields(
  { config, clientAddress }: Services,
  c: Context,
  route: Route,
  target: string,
  admission: Admission,
): HeaderList {
  const fields: [string, string][] = []
  const authorization = admission.authorization()
  if (authorization !== undefined) fields.push(['authorization', authorization])
  const address = clientAddress(c)
  if (address !== undefined) fields.push(['x-forwarded-for', address])
  fields.push(['x-forwarded-host', config.host], ['x-forwarded-proto', config.isSecureOrigin ? 'https' : 'http'])
  const hook = config.hooks.onUpstreamRequest
  if (!hook) return fields
  // A copy: these serve the session's or the token's later calls as well.
  const claims = structuredClone(admission.claims)
  return [...fields, ...hookFields(hook, { route: route.path, method: c.req.method, target, claims })]
}
