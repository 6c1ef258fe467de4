/**
 * `c.var.session.fetch`: a call of the operator's own code with a session's token, by the rules of the route that reaches
 * the API.
 */
import { isNeverForwarded } from '../config/header-names.ts'
import type { RateLimit, Route } from '../config/types.ts'
import { CoatcheckError } from '../errors.ts'
import { checkAddress } from '../protection/address-policy.ts'
import type { ClientSignal, HeaderList } from '../runtime.ts'
import type { Services } from '../services.ts'
import type { KeepAlive, OpenSession } from '../session/sessions.ts'
import { bodyTimeoutOf, checkContentType, checkHasNoContent } from './body.ts'
import { applyFieldRules } from './field-rules.ts'
import { rewriteQuery } from './query.ts'
import { addressCaller, sessionCallers } from './rate-limits.ts'
import { clientResponseHeaders } from './response-headers.ts'
import { requireScopes, resendWithNewToken } from './session-call.ts'
import { sessionTokenFor } from './session-token.ts'
import { assertRouteTakes, checkTarget } from './target.ts'
import { sessionRoutesByUpstream } from './upstream-routes.ts'

export interface SessionFetchInit {
  method?: string
  headers?: HeadersInit
  body?: string | Uint8Array<ArrayBuffer>
}

export type SessionFetch = (input: string | URL, init?: SessionFetchInit) => Promise<Response>

/** The request on whose behalf calls are made. */
export interface SessionCaller {
  readonly open: OpenSession
  readonly keepAlive: KeepAlive
  readonly signal: () => ClientSignal
  readonly address: string | undefined
}

/** Gives what makes the `fetch` of one request. */
export function sessionFetches(services: Services): (caller: SessionCaller) => SessionFetch {
  const { config, runtime, sessions, live, rateLimiter } = services
  const routeTo = sessionRoutesByUpstream(config.routes)
  // Those for all routes were counted for the request itself.
  const forAll = new Set(config.rateLimits)
  const own = (limits: readonly RateLimit[]) => limits.filter((limit) => !forAll.has(limit))

  return ({ open, keepAlive, signal, address }) =>
    async (input, init = {}) => {
      const url = new URL(input)
      const method = (init.method ?? 'GET').toUpperCase()
      const target = checkTarget(url.pathname + url.search)
      const route = routeTo(url, method)
      assertRouteTakes(target, route)
      checkAddress(address, route.addresses)
      const left: HeaderList[number][] = await rateLimiter.take(own(route.rateLimits.byAddress), addressCaller(address))
      await sessions.refresh(open, keepAlive)
      requireScopes(route.scopes, open.session.tokens.scope)
      left.push(...(await rateLimiter.take(own(route.rateLimits.byCaller), sessionCallers(open.session))))
      const given = new Headers(init.headers)
      const body = bodyOf(init.body, given, method, route)
      const headers = [...given].filter(([name]) => !isNeverForwarded(name))
      const send = async () =>
        runtime.transport.send({
          origin: route.upstream.origin,
          target: target.path + rewriteQuery(target.query, route.query),
          method,
          headers: applyFieldRules(
            [...headers, ['authorization', `Bearer ${await sessionTokenFor(services, open, route, keepAlive)}`]],
            route.headers.request,
          ),
          body,
          signal: signal(),
          headersTimeoutMs: route.timeoutMs,
          bodyTimeoutMs: bodyTimeoutOf(route),
          upstream: route.upstream.settings,
          binding: route.upstream.binding,
        })
      // Another call for the same request may have newer tokens by the time that this one is answered.
      const sentWith = open.session
      let answer = await send()
      if (answer.status === 401) {
        answer = await resendWithNewToken(sessions, open, send, {
          rejected: answer,
          sentWith,
          upstream: route.upstream.origin,
          isReplayable: true,
          keepAlive,
        })
      }
      try {
        if (answer.stream) live.enter(open).fill(answer.stream, keepAlive)
      } catch (error) {
        answer.body?.cancel()
        throw error
      }
      const fields = clientResponseHeaders(answer.headers, answer.status, route)
      return new Response(answer.body?.stream() ?? null, {
        status: answer.status,
        headers: [...fields, ...left] as [string, string][],
      })
    }
}

/** @throws CoatcheckError `invalid_request`, `unsupported_media_type`, `payload_too_large` */
function bodyOf(
  given: SessionFetchInit['body'],
  headers: Headers,
  method: string,
  route: Route,
): Uint8Array<ArrayBuffer> | null {
  if (given === undefined) return null
  const body = typeof given === 'string' ? new TextEncoder().encode(given) : given
  checkHasNoContent(method, body)
  checkContentType(body, { 'content-type': headers.get('content-type') ?? undefined }, route)
  if (body.byteLength <= route.bodyLimitBytes) return body
  throw new CoatcheckError('payload_too_large', { members: { limit_bytes: route.bodyLimitBytes } })
}
