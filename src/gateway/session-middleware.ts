/**
 * The session in somebody's own Hono app: `bff.session()` makes the gateway's checks and puts `c.var.session` there.
 * Its `fetch` calls configured upstreams with the session's token, which it never shows.
 */
import type { MiddlewareHandler } from 'hono'
import { isNeverForwarded } from '../config/header-names.ts'
import { takes } from '../config/path-patterns.ts'
import { byStage } from '../config/rate-limits.ts'
import type { Route } from '../config/types.ts'
import { CoatcheckError } from '../errors.ts'
import { cookieFields, ownCookies } from '../own-cookies.ts'
import { toCoatcheckError } from '../problem.ts'
import { checkAddress } from '../protection/address-policy.ts'
import { checkDestination, checkSessionRef, checkSessionRequest } from '../protection/csrf.ts'
import { checkHost } from '../protection/host.ts'
import type { ClientSignal, RequestBody } from '../runtime.ts'
import type { Services } from '../services.ts'
import type { KeepAlive, OpenSession } from '../session/sessions.ts'
import { bodyTimeoutOf } from './body.ts'
import { applyFieldRules } from './field-rules.ts'
import { rewriteQuery } from './query.ts'
import { addressCaller, sessionCallers } from './rate-limits.ts'
import { clientResponseHeaders } from './response-headers.ts'
import { requireScopes, sendWithFreshToken } from './session-call.ts'
import { sessionTokenFor } from './session-token.ts'
import { assertRouteTakes, checkTarget } from './target.ts'

export interface SessionVariable<Claims = Record<string, unknown>> {
  /** As `/bff/session` shows them. */
  readonly claims: Claims
  /**
   * Calls an upstream of a session route with the session's access token, by the gateway's rules: the route's methods
   * and scopes hold, and the answer's fields are those that a browser may get, so it can be returned as it is. `headers`
   * are the handler's own word, which no `requestHeaders` has to name; credentials, who calls, names of proxies and what
   * frames the message never pass all the same. Name what you take over of the browser's: to hand on all of its fields
   * lets pass whatever it sends beside those. Redirects are not followed. A body that nobody has begun to read
   * when this request's own answer is over is let go, so that it takes no place of the upstream.
   *
   * @param input an absolute URL that a configured session route reaches
   * @throws TypeError for a URL that none reaches; CoatcheckError as the gateway does
   */
  fetch(
    input: string | URL,
    init?: { method?: string; headers?: HeadersInit; body?: string | Uint8Array<ArrayBuffer> },
  ): Promise<Response>
}

export interface SessionEnv<Claims> {
  Variables: { session: SessionVariable<Claims> }
}

const fetchOnly: ReadonlySet<'fetch'> = new Set(['fetch'])

/** @param problem turns what is refused into the answer */
export function sessionMiddleware<Claims>(
  services: Services,
  problem: (error: CoatcheckError) => Response,
): MiddlewareHandler<SessionEnv<Claims>> {
  const { config, runtime, sessions, rateLimiter } = services
  return async (c, next) => {
    const headers = runtime.requestHeaders(c)
    const cookies = ownCookies(headers.cookie)
    const keepAlive: KeepAlive = (work) => runtime.waitUntil(c, work)
    let open: OpenSession | undefined
    const left: [string, string][] = []
    try {
      checkHost(headers, config)
      checkAddress(services.clientAddress(c), config.addresses)
      const { byAddress, byCaller } = byStage(config.rateLimits)
      left.push(...(await rateLimiter.take(byAddress, addressCaller(services.clientAddress(c)))))
      checkDestination(headers)
      checkSessionRequest(headers, { method: c.req.method, kinds: fetchOnly, origin: config.origin })
      open = await sessions.open(cookies, false, headers['user-agent'])
      if (!open) throw new CoatcheckError('login_required', { members: { login_url: `${config.basePath}/login` } })
      checkSessionRef(headers, open.session.ref)
      left.push(...(await rateLimiter.take(byCaller, sessionCallers(open.session))))
      c.set(
        'session',
        sessionVariable(
          services,
          open,
          keepAlive,
          once(() => runtime.clientSignal(c)),
        ),
      )
    } catch (error) {
      return problem(toCoatcheckError(error))
    }
    await next()
    const fields = [...left, ...cookieFields(await sessions.cookies(open, cookies, true))]
    for (const [name, value] of fields) c.header(name, value, { append: true })
    c.header('cache-control', 'private, no-store')
    return undefined
  }
}

function sessionVariable<Claims>(
  services: Services,
  open: OpenSession,
  keepAlive: KeepAlive,
  signal: () => ClientSignal,
): SessionVariable<Claims> {
  const { config, runtime, sessions, live } = services
  return {
    claims: open.session.claims as Claims,
    async fetch(input, init = {}) {
      const url = new URL(input)
      const method = (init.method ?? 'GET').toUpperCase()
      const target = checkTarget(url.pathname + url.search)
      const route = routeTo(config.routes, url, method)
      assertRouteTakes(target, route)
      await sessions.refresh(open, keepAlive)
      requireScopes(route.scopes, open.session.tokens.scope)
      const headers = [...new Headers(init.headers)].filter(([name]) => !isNeverForwarded(name))
      const send = async () =>
        runtime.transport.send({
          origin: route.upstream.origin,
          target: target.path + rewriteQuery(target.query, route.query),
          method,
          headers: applyFieldRules(
            [...headers, ['authorization', `Bearer ${await sessionTokenFor(services, open, route, keepAlive)}`]],
            route.headers.request,
          ),
          body: bytesOf(init.body),
          signal: signal(),
          headersTimeoutMs: route.timeoutMs,
          bodyTimeoutMs: bodyTimeoutOf(route),
          upstream: route.upstream.settings,
          binding: route.upstream.binding,
        })
      const answer = await sendWithFreshToken(sessions, open, send, {
        upstream: route.upstream.origin,
        isReplayable: true,
        keepAlive,
      })
      try {
        if (answer.stream) live.enter(open).fill(answer.stream, keepAlive)
      } catch (error) {
        answer.body?.cancel()
        throw error
      }
      return new Response(answer.body?.stream() ?? null, {
        status: answer.status,
        headers: clientResponseHeaders(
          applyFieldRules(answer.headers, route.headers.response),
          answer.status,
          route,
        ) as [string, string][],
      })
    },
  }
}

/** Made when it is first asked for: a handler that makes many calls listens to its client once. */
function once<Value>(make: () => Value): () => Value {
  let made: { value: Value } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}

/** The most specific one. A token goes only to the resource that it is for (RFC 9700 §4.9.1). */
function routeTo(routes: readonly Route[], url: URL, method: string): Route {
  const reaches = ({ upstream, isExact }: Route) =>
    takes(isExact ? upstream.basePath || '/' : `${upstream.basePath}/*`, url.pathname)
  const [route] = routes
    .filter(
      ({ auth, upstream, methods }) => auth === 'session' && upstream.origin === url.origin && methods.has(method),
    )
    .filter(reaches)
    .sort((one, other) => specificity(other) - specificity(one))
  if (!route) throw new TypeError(`no session route takes ${method} ${url.origin}${url.pathname}`)
  return route
}

function specificity({ upstream, isExact }: Route): number {
  return isExact ? Number.POSITIVE_INFINITY : upstream.basePath.length
}

function bytesOf(body: string | Uint8Array<ArrayBuffer> | undefined): RequestBody | null {
  if (body === undefined) return null
  return typeof body === 'string' ? new TextEncoder().encode(body) : body
}
