/**
 * A proxied call, from the matched route to the answer that goes out: who calls is the admission's business, which gives
 * the token on the way in, and the newest cookie on the way out.
 */
import type { Context } from 'hono'
import type { Route } from '../config/types.ts'
import { CoatcheckError } from '../errors.ts'
import { checkAddress } from '../protection/address-policy.ts'
import { checkDestination } from '../protection/csrf.ts'
import type { HeaderList, IncomingHeaders, UpstreamRequest } from '../runtime.ts'
import type { Services } from '../services.ts'
import type { KeepAlive } from '../session/sessions.ts'
import type { Admission, Admit } from './admission/admission.ts'
import { admitAnyone } from './admission/open.ts'
import { admitSession } from './admission/session.ts'
import { checkContentType, type OutgoingBody, outgoingBody } from './body.ts'
import { applyFieldRules } from './field-rules.ts'
import { isFieldValue, isPlainName } from './fields.ts'
import { upstreamTarget } from './match.ts'
import { rewriteQuery } from './query.ts'
import { addressCaller } from './rate-limits.ts'
import { isNeverForwarded, upstreamRequestHeaders } from './request-headers.ts'
import { clientInformationalHeaders, clientResponseHeaders, clientTrailers } from './response-headers.ts'
import { assertRouteTakes, type Target } from './target.ts'

/** How long an answer's body may be silent. */
const bodyTimeoutMs = 60_000

const admissions: Readonly<Record<Route['auth'], Admit>> = {
  session: admitSession,
  none: admitAnyone,
}

/** @throws CoatcheckError for everything that is refused, or goes wrong before the head */
export async function proxy(
  services: Services,
  c: Context,
  route: Route,
  rest: string,
  target: Target,
): Promise<Response> {
  const { runtime, rateLimiter } = services
  assertRouteTakes(target, route)
  const headers = runtime.requestHeaders(c)
  const address = services.clientAddress(c)
  checkAddress(address, route.addresses)
  const { byAddress, byCaller } = route.rateLimits
  const left = byAddress.length === 0 ? [] : await rateLimiter.take(byAddress, addressCaller(address))
  checkDestination(headers, route.content)
  const keepAlive: KeepAlive = (work) => runtime.waitUntil(c, work)

  const admission = await admissions[route.auth](services, { c, route, headers, keepAlive })
  if (admission instanceof Response) return admission
  if (byCaller.length > 0) left.push(...(await rateLimiter.take(byCaller, admission.caller)))

  const body = runtime.requestBody(c)
  checkContentType(body, headers, route)
  const outgoing = await outgoingBody(body, headers, route.bodyLimitBytes, admission.mayReplay)
  const sent = upstreamTarget(route, rest, rewriteQuery(target.query, route.query))
  const send = () => runtime.transport.send(upstreamRequest(services, c, route, sent, headers, outgoing, admission))
  const answer = await admission.send(send, outgoing.isReplayable)

  try {
    const context = { upstream: route.upstream, route, requestTarget: sent, publicOrigin: services.config.origin }
    const head = {
      status: answer.status,
      headers: [
        ...clientResponseHeaders(
          applyFieldRules(answer.headers, route.headers.response),
          answer.status,
          route,
          context,
        ),
        ...left,
      ],
      trailers: route.trailers.size > 0 ? clientTrailers(answer.headers, route) : undefined,
    }
    return await runtime.respond(c, head, answer.body, () => admission.finish(answer))
  } catch (error) {
    answer.body?.cancel()
    throw error
  }
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
    bodyTimeoutMs: route.upstream.settings?.timeouts.bodyMs ?? bodyTimeoutMs,
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
  const added = hook?.({ route: route.path, method: c.req.method, target, claims: admission.claims })
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
