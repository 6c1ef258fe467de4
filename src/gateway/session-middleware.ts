/**
 * The session in somebody's own Hono app: `bff.session()` makes the gateway's checks and puts `c.var.session` there.
 * Its `fetch` calls configured upstreams with the session's token, which it never shows.
 */
import type { MiddlewareHandler } from 'hono'
import type { Route } from '../config/types.ts'
import { CoatcheckError } from '../errors.ts'
import { cookieFields, ownCookies } from '../own-cookies.ts'
import { toCoatcheckError } from '../problem.ts'
import { checkDestination, checkSessionRef, checkSessionRequest } from '../protection/csrf.ts'
import type { HeaderList, RequestBody } from '../runtime.ts'
import type { Services } from '../services.ts'
import type { KeepAlive, OpenSession } from '../session/sessions.ts'

export interface SessionVariable<Claims = Record<string, unknown>> {
  /** As `/bff/session` shows them. */
  readonly claims: Claims
  /**
   * Calls an upstream of a session route with the session's access token.
   *
   * @param input an absolute URL below the upstream of a configured session route
   * @throws TypeError for any other URL; CoatcheckError as the gateway does
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
  const { config, runtime, sessions } = services
  return async (c, next) => {
    const headers = runtime.requestHeaders(c)
    const cookies = ownCookies(headers.cookie)
    const keepAlive: KeepAlive = (work) => runtime.waitUntil(c, work)
    let open: OpenSession | undefined
    try {
      checkDestination(headers)
      checkSessionRequest(headers, { method: c.req.method, kinds: fetchOnly, origin: config.origin })
      open = await sessions.open(cookies)
      if (!open) throw new CoatcheckError('login_required', { members: { login_url: `${config.basePath}/login` } })
      checkSessionRef(headers, open.session.ref)
      c.set(
        'session',
        sessionVariable(services, open, keepAlive, () => runtime.clientSignal(c)),
      )
    } catch (error) {
      return problem(toCoatcheckError(error))
    }
    await next()
    const fields = cookieFields(await sessions.cookies(open, cookies, true))
    for (const [name, value] of fields) c.header(name, value, { append: true })
    c.header('cache-control', 'private, no-store')
    return undefined
  }
}

function sessionVariable<Claims>(
  { config, runtime, sessions }: Services,
  open: OpenSession,
  keepAlive: KeepAlive,
  signal: () => AbortSignal,
): SessionVariable<Claims> {
  return {
    claims: open.session.claims as Claims,
    async fetch(input, init = {}) {
      const url = new URL(input)
      const route = routeTo(config.routes, url)
      await sessions.refresh(open, keepAlive)
      const headers = new Headers(init.headers)
      headers.set('authorization', `Bearer ${open.session.tokens.accessToken}`)
      const answer = await runtime.transport.send({
        origin: route.upstream.origin,
        target: url.pathname + url.search,
        method: (init.method ?? 'GET').toUpperCase(),
        headers: [...headers] as HeaderList,
        body: bytesOf(init.body),
        signal: signal(),
        headersTimeoutMs: route.timeoutMs,
        bodyTimeoutMs: route.timeoutMs,
        binding: route.upstream.binding,
      })
      return new Response(answer.body?.stream() ?? null, {
        status: answer.status,
        headers: answer.headers as [string, string][],
      })
    },
  }
}

/** A token goes only to the resource that it is for (RFC 9700 §4.9.1). */
function routeTo(routes: readonly Route[], url: URL): Route {
  const route = routes.find(
    ({ auth, upstream }) =>
      auth === 'session' &&
      upstream.origin === url.origin &&
      (url.pathname === upstream.basePath || url.pathname.startsWith(`${upstream.basePath}/`)),
  )
  if (!route) throw new TypeError(`session.fetch takes upstreams of session routes only, and ${url.origin} is none`)
  return route
}

function bytesOf(body: string | Uint8Array<ArrayBuffer> | undefined): RequestBody | null {
  if (body === undefined) return null
  return typeof body === 'string' ? new TextEncoder().encode(body) : body
}
