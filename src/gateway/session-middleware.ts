/**
 * The session in somebody's own Hono app: `bff.session()` makes the gateway's checks and puts `c.var.session` there.
 * Its `fetch` calls configured upstreams with the session's token, which it never shows.
 */
import type { Context, MiddlewareHandler } from 'hono'
import { byStage } from '../config/rate-limits.ts'
import { CoatcheckError } from '../errors.ts'
import { cookieFields, ownCookies } from '../own-cookies.ts'
import { checkAddress } from '../protection/address-policy.ts'
import { checkDestination, checkSessionRef, checkSessionRequest } from '../protection/csrf.ts'
import { checkHost } from '../protection/host.ts'
import type { Services } from '../services.ts'
import type { KeepAlive, OpenSession } from '../session/sessions.ts'
import { addressCaller, sessionCallers } from './rate-limits.ts'
import { type SessionFetch, sessionFetches } from './session-fetch.ts'

export interface SessionVariable<Claims = Record<string, unknown>> {
  /** As `/bff/session` shows them. */
  readonly claims: Claims
  /**
   * Calls an upstream of a session route with the session's access token, by the rules of the route that a call from
   * outside would have to pass: its methods, addresses, scopes and limits, its rules for the path, the query, the body and
   * the header fields of both. Each call counts for the route's own rate limits; those for all routes count the request
   * that it is made for, once.
   *
   * What is about browsers does not count: `kinds`, and the list of their header fields. All of `headers` passes but
   * credentials and what names a caller or a proxy, and the hook `onUpstreamRequest` is not asked. Name what you take over
   * of the browser's: to hand on all of its fields lets pass whatever it sends beside those.
   *
   * The answer's fields are those that a browser may get, so it can be returned as it is; `Location` is left out, and
   * redirects are not followed. A body that nobody has begun to read when this request's own answer is over is let go, so
   * that it takes no place of the upstream.
   *
   * @param input an absolute URL that a configured session route reaches
   * @throws TypeError for a URL that none reaches; CoatcheckError as the gateway does
   */
  readonly fetch: SessionFetch
}

export interface SessionEnv<Claims> {
  Variables: { session: SessionVariable<Claims> }
}

const fetchOnly: ReadonlySet<'fetch'> = new Set(['fetch'])

/** @param problem turns what is refused into the answer */
export function sessionMiddleware<Claims>(
  services: Services,
  problem: (thrown: unknown, c: Context) => Response,
): MiddlewareHandler<SessionEnv<Claims>> {
  const { config, runtime, sessions, rateLimiter, watchStore } = services
  const fetchOf = sessionFetches(services)
  const { byAddress, byCaller } = byStage(config.rateLimits)
  return async (c, next) => {
    const headers = runtime.requestHeaders(c)
    const cookies = ownCookies(headers.cookie)
    const keepAlive: KeepAlive = (work) => runtime.waitUntil(c, work)
    let open: OpenSession | undefined
    const left: [string, string][] = []
    try {
      runtime.checkMessage?.(c)
      watchStore()
      checkHost(headers, config)
      const address = services.clientAddress(c)
      checkAddress(address, config.addresses)
      left.push(...(await rateLimiter.take(byAddress, addressCaller(address))))
      checkDestination(headers)
      checkSessionRequest(headers, { method: c.req.method, kinds: fetchOnly, origin: config.origin })
      open = await sessions.open(cookies, false, headers['user-agent'])
      if (!open) throw new CoatcheckError('login_required', { members: { login_url: `${config.basePath}/login` } })
      checkSessionRef(headers, open.session.ref)
      left.push(...(await rateLimiter.take(byCaller, sessionCallers(open.session))))
      c.set('session', {
        claims: open.session.claims as Claims,
        fetch: fetchOf({
          open,
          keepAlive,
          signal: once(() => runtime.clientSignal(c)),
          address,
        }),
      })
    } catch (error) {
      return problem(error, c)
    }
    await next()
    const fields = [...left, ...cookieFields(await sessions.cookies(open, cookies, true))]
    for (const [name, value] of fields) c.header(name, value, { append: true })
    c.header('cache-control', 'private, no-store')
    return undefined
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
