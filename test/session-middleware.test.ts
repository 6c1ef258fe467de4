/** `bff.session()` in somebody's own app, and what `c.var.session.fetch` may do. */
import { Hono } from 'hono'
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type RunningProvider, reportsResource, startProvider } from '../spa-example/provider/index.ts'
import { resolveConfig } from '../src/config/resolve.ts'
import type { Hooks } from '../src/config/user-config.ts'
import type { RouteConfig } from '../src/config/user-routes.ts'
import { nodeRuntime } from '../src/node/runtime.ts'
import { serve } from '../src/node/serve.ts'
import type { CoatcheckEvent } from '../src/observability/events.ts'
import { tokenHandler } from '../src/token-handler.ts'
import { UserAgent } from './support/browser.ts'
import { freePort } from './support/free-port.ts'
import { usualNames } from './support/identity-names.ts'
import { clientAt, testSecret } from './support/system.ts'
import { startUpstream, type TestUpstream } from './support/upstream.ts'

type Run = (request: Request, session: { fetch: FetchLike }) => Promise<Response>
type FetchLike = (input: string, init?: { method?: string; headers?: HeadersInit; body?: string }) => Promise<Response>

let origin: string
let provider: RunningProvider
let upstream: TestUpstream
let browser: UserAgent
let events: CoatcheckEvent[]
let hooks: Hooks
let run: Run
let aheadMs: number
let stop: () => Promise<void>

beforeAll(async () => {
  const port = await freePort()
  origin = `http://localhost:${port}`
  upstream = await startUpstream()
  provider = await startProvider({ appOrigin: origin, accessTokenSeconds: 600 })
  const routes: RouteConfig[] = [
    { path: '/api/*', upstream: `${upstream.origin}/v1`, auth: 'session', methods: ['GET', 'POST'] },
    { path: '/admin/*', upstream: `${upstream.origin}/v1/admin`, auth: 'session', scopes: ['orders:admin'] },
    { path: '/one', upstream: `${upstream.origin}/exactly/this`, auth: 'session' },
    {
      ...{ path: '/reports/*', upstream: `${upstream.origin}/reports`, auth: 'session' },
      upstreamToken: { from: 'exchange', resource: reportsResource, scopes: ['orders:read'] },
    },
    {
      ...{ path: '/limited/*', upstream: `${upstream.origin}/limited`, auth: 'session', methods: ['GET', 'POST'] },
      ...{ bodyLimitBytes: 10, contentTypes: ['application/json'] },
    },
    {
      ...{ path: '/limited/two/*', upstream: `${upstream.origin}/limited/two`, auth: 'session' },
      rateLimits: [{ per: 'session', requests: 2, window: '1h' }],
    },
    {
      ...{ path: '/limited/few', upstream: `${upstream.origin}/limited/few`, auth: 'session' },
      rateLimits: [{ per: 'address', requests: 1, window: '1h' }],
    },
    {
      ...{ path: '/inside/*', upstream: `${upstream.origin}/limited/inside`, auth: 'session' },
      addresses: { allow: ['10.0.0.0/8'] },
    },
    { path: '/rooms/:id/log', upstream: `${upstream.origin}/rooms/:id/log`, auth: 'session' },
    {
      path: '/rooms-live/:room/log',
      upstream: `${upstream.origin}/rooms/:room/log`,
      auth: 'session',
      kinds: ['eventsource'],
    },
    { path: '/open/*', upstream: `${upstream.origin}/open`, auth: 'none', reason: 'a test' },
  ]
  const config = resolveConfig(
    {
      baseUrl: origin,
      provider: clientAt(provider),
      session: { secrets: [testSecret] },
      routes,
      rateLimits: [{ per: 'session', requests: 500, window: '1h' }],
      hooks: {
        onSessionEnd: (event) => hooks.onSessionEnd?.(event),
      },
    },
    {},
  )
  const runtime = nodeRuntime({ clock: { now: () => Date.now() + aheadMs } })
  const handler = tokenHandler(config, { runtime, report: (event) => events.push(event) })
  const app = new Hono()
  app.all('/own', handler.session<{ sub: string }>(), (c) => run(c.req.raw, c.var.session as { fetch: FetchLike }))
  app.route('/', handler.routes)
  const server = await serve(app, { port, host: 'localhost', runtime })
  stop = async () => {
    await server.close()
    await Promise.all([provider.stop(), upstream.stop()])
  }
})
afterAll(() => stop())
beforeEach(async () => {
  upstream.reset()
  events = []
  aheadMs = 0
  provider.token.forget()
  hooks = {}
  browser = new UserAgent()
  await browser.signIn(`${origin}/bff/login`, { username: 'ada', password: 'ada-demo' })
})

const own = (init: Parameters<UserAgent['fetch']>[1] = {}) =>
  browser.fetch(`${origin}/own`, { ...init, headers: { 'X-CSRF': '1', ...init.headers } })

describe('session.fetch', () => {
  it('attaches the token that the route asks for, and not the session’s own', async () => {
    run = (_request, session) => session.fetch(`${upstream.origin}/reports/1`)
    expect((await own()).status).toBe(200)
    const [, token = ''] = upstream.requests[0]?.headers.authorization?.split(' ') ?? []
    expect(decodeJwt(token)).toMatchObject({ aud: reportsResource, scope: 'orders:read' })
  })

  it('attaches the token, and nothing that the browser brought to us', async () => {
    run = (request, session) => session.fetch(`${upstream.origin}/v1/x?y=1`, { headers: request.headers })
    const answer = await own({
      headers: { Authorization: 'Bearer theirs', 'X-Forwarded-For': '1.2.3.4', Accept: 'a/b' },
    })
    expect(answer.status).toBe(200)
    const [request] = upstream.requests
    expect(request?.target).toBe('/v1/x?y=1')
    expect(request?.headers.authorization).toMatch(/^Bearer ey/)
    expect(request?.headers.accept).toBe('a/b')
    expect(request?.headers.host).toBe(new URL(upstream.origin).host)
    for (const name of ['cookie', 'x-forwarded-for', 'x-csrf', 'origin', 'referer']) {
      expect(request?.headers).not.toHaveProperty(name)
    }
  })

  it('sends what the handler says, but never a field that tells an API who calls', async () => {
    const names = Object.fromEntries(usualNames.map((name) => [name, 'admin@example.com']))
    run = (_request, session) => session.fetch(`${upstream.origin}/v1/x`, { headers: { ...names, 'X-Own': 'mine' } })
    expect((await own()).status).toBe(200)
    expect(upstream.requests[0]?.headers).toMatchObject({ 'x-own': 'mine' })
    expect(Object.values(upstream.requests[0]?.headers ?? {})).not.toContain('admin@example.com')
  })

  it("hands back what a browser may get, whatever the API's answer says", async () => {
    upstream.on('/v1/x', (_incoming, outgoing) => {
      outgoing.setHeader('set-cookie', '__Host-Http-coatcheck=evil')
      outgoing.setHeader('clear-site-data', '"*"')
      outgoing.setHeader('www-authenticate', 'Bearer error="invalid_token"')
      outgoing.setHeader('content-type', 'text/html')
      outgoing.end('<script>1</script>')
    })
    run = (_request, session) => session.fetch(`${upstream.origin}/v1/x`)
    const answer = await own()
    expect(answer.headers.getSetCookie().join()).not.toContain('evil')
    expect(answer.headers.get('clear-site-data')).toBeNull()
    expect(answer.headers.get('www-authenticate')).toBeNull()
    expect(answer.headers.get('content-disposition')).toBe('attachment')
    expect(answer.headers.get('content-security-policy')).toContain('sandbox')
  })

  it.each([
    ['another origin', 'https://evil.example/v1/x', 'GET'],
    ['a path beside the route', '/v10/x', 'GET'],
    ['a path above the route', '/v1', 'GET'],
    ['dots that lead out', '/v1/../secret', 'GET'],
    ['encoded dots that lead out', '/v1/%2e%2e/secret', 'GET'],
    ['below an exact route', '/exactly/this/x', 'GET'],
    ['a method that the route does not take', '/exactly/this', 'POST'],
    ['a route without a session', '/open/x', 'GET'],
  ])('does not send the token to %s', async (_name, path, method) => {
    run = async (_request, session) => {
      await expect(session.fetch(new URL(path, upstream.origin).href, { method })).rejects.toBeInstanceOf(TypeError)
      return new Response('refused')
    }
    expect(await (await own()).text()).toBe('refused')
    expect(upstream.requests).toEqual([])
  })

  it.each(['/v1/admin/x', '/v1/%252e%252e/secret', '/v1/a%2Fb'])(
    'asks for what the gateway asks for: %s',
    async (path) => {
      run = async (_request, session) => {
        await expect(session.fetch(upstream.origin + path)).rejects.toMatchObject({ name: 'CoatcheckError' })
        return new Response('refused')
      }
      expect(await (await own()).text()).toBe('refused')
      expect(upstream.requests).toEqual([])
    },
  )

  it('that is refused, and caught by nobody, is the answer', async () => {
    run = (_request, session) => session.fetch(`${upstream.origin}/v1/admin/x`)
    const answer = await own()
    expect(answer.status).toBe(403)
    expect(answer.headers.get('content-type')).toBe('application/problem+json')
    expect(answer.headers.get('cache-control')).toBe('private, no-store')
    expect(await answer.json()).toMatchObject({ type: 'urn:coatcheck:problem:insufficient_scope', status: 403 })
  })

  it('gives an event stream that ends with the session', async () => {
    upstream.on('/v1/events', (_incoming, outgoing) => {
      outgoing.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
    })
    run = (_request, session) => session.fetch(`${upstream.origin}/v1/events`)
    const reader = (await own()).body?.getReader()
    expect((await reader?.read())?.done).toBe(false)
    const logout = await browser.fetch(`${origin}/bff/logout`, { method: 'POST', headers: { 'X-CSRF': '1' } })
    expect(logout.status).toBe(200)
    expect((await reader?.read())?.done).toBe(true)
  })

  const refusalOf = async (path: string, init: Parameters<FetchLike>[1] = {}) => {
    run = async (_request, session) => {
      const error = await session.fetch(upstream.origin + path, init).then(
        ({ status }) => ({ code: status }),
        (error: { code: string }) => error,
      )
      return new Response(String(error.code))
    }
    return (await own()).text()
  }

  it.each([
    '/v1/ADMIN/x',
    '/v1/Admin/',
    '/v1/admin',
    '/limited/INSIDE/x',
    '/limited/two',
    '/limited/Few',
    '/limited/few/',
  ])('does not reach a narrower route by another spelling: %s', async (path) => {
    expect(await refusalOf(path)).toBe('path_not_canonical')
    expect(upstream.requests).toEqual([])
  })

  it('that an API refuses the token of is sent once more with a newer one, and two at once cost one refresh (R11)', async () => {
    const tokens: (string | undefined)[] = []
    const renewed = Promise.withResolvers<void>()
    upstream.on('/v1/strict', async (incoming, outgoing) => {
      const { authorization } = incoming.headers
      tokens.push(authorization)
      const isRefused = authorization === tokens[0]
      if (!isRefused) renewed.resolve()
      // The second to be refused is told when the first has its newer token.
      else if (tokens.length > 1) await renewed.promise
      outgoing.writeHead(isRefused ? 401 : 200).end()
    })
    run = async (_request, session) => {
      const call = () => session.fetch(`${upstream.origin}/v1/strict`, { method: 'POST', body: 'a body' })
      const answers = await Promise.all([call(), call()])
      return Response.json(answers.map(({ status }) => status))
    }
    aheadMs = 61_000
    expect(await (await own()).json()).toEqual([200, 200])
    expect(tokens).toHaveLength(4)
    expect(new Set(tokens).size).toBe(2)
    expect(provider.token.count({ grantType: 'refresh_token' })).toBe(1)
  })

  it('that an API serves refreshes nothing, however old its token', async () => {
    run = (_request, session) => session.fetch(`${upstream.origin}/v1/x`)
    aheadMs = 61_000
    expect((await own()).status).toBe(200)
    expect(upstream.requests).toHaveLength(1)
    expect(provider.token.count({ grantType: 'refresh_token' })).toBe(0)
  })

  it('keeps out the addresses that the route keeps out', async () => {
    expect(await refusalOf('/limited/inside/x')).toBe('address_refused')
  })

  it("counts for the route's own limits, by session and by address", async () => {
    expect(await refusalOf('/limited/two/x')).toBe('200')
    expect(await refusalOf('/limited/two/x')).toBe('200')
    expect(await refusalOf('/limited/two/x')).toBe('rate_limited')
    expect(await refusalOf('/limited/few')).toBe('200')
    expect(await refusalOf('/limited/few')).toBe('rate_limited')
    expect(upstream.requests).toHaveLength(3)
  })

  it('counts once for the limits of all routes, however many calls a request makes', async () => {
    run = async (_request, session) => {
      for (let call = 0; call < 3; call++) await session.fetch(`${upstream.origin}/v1/x`)
      return new Response(null)
    }
    const left = async () => Number(/r=(\d+)/.exec((await own()).headers.get('ratelimit') ?? '')?.[1])
    expect((await left()) - (await left())).toBe(1)
  })

  it.each<[string, NonNullable<Parameters<FetchLike>[1]>, string]>([
    [
      'of another type',
      { method: 'POST', body: '{}', headers: { 'content-type': 'text/html' } },
      'unsupported_media_type',
    ],
    ['of no type', { method: 'POST', body: '{}' }, 'unsupported_media_type'],
    [
      'that is too long',
      { method: 'POST', body: '"12345678é"', headers: { 'content-type': 'application/json' } },
      'payload_too_large',
    ],
    ['of a GET', { body: '{}', headers: { 'content-type': 'application/json' } }, 'invalid_request'],
    ['as the route has it', { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } }, '200'],
  ])('holds a body to the rules of the route, one %s', async (_name, init, code) => {
    expect(await refusalOf('/limited/x', init)).toBe(code)
    expect(upstream.requests).toHaveLength(code === '200' ? 1 : 0)
  })

  it('reaches a route with a parameter, and one of two that lead to one place', async () => {
    expect(await refusalOf('/rooms/7/log')).toBe('200')
    expect(upstream.requests[0]?.target).toBe('/rooms/7/log')
  })

  it('reaches an exact route', async () => {
    run = (_request, session) => session.fetch(`${upstream.origin}/exactly/this`)
    expect((await own()).status).toBe(200)
  })
})

describe('bff.session()', () => {
  it('answers for its own host alone', async () => {
    run = async () => new Response('here')
    expect((await own({ headers: { Host: 'evil.example' } })).status).toBe(421)
    expect((await own()).status).toBe(200)
  })
})

describe('hooks.onSessionEnd', () => {
  const logout = () => browser.fetch(`${origin}/bff/logout`, { method: 'POST', headers: { 'X-CSRF': '1' } })

  it.each<[string, NonNullable<Hooks['onSessionEnd']>]>([
    [
      'throws',
      () => {
        throw new Error('out of order')
      },
    ],
    ['rejects', () => Promise.reject(new Error('out of order'))],
  ])('that %s is reported, and the session ends all the same', async (_name, onSessionEnd) => {
    hooks = { onSessionEnd }
    const cookie = browser.cookies.header(origin) ?? ''
    expect((await logout()).status).toBe(200)
    expect(events).toContainEqual(expect.objectContaining({ event: 'hook_failed', hook: 'onSessionEnd' }))
    expect(events).not.toContainEqual(expect.objectContaining({ event: 'revocation_failed' }))
    const after = await browser.fetch(`${origin}/api/x`, {
      withCookies: false,
      headers: { 'X-CSRF': '1', Cookie: cookie },
    })
    expect(after.status).toBe(401)
  })

  it('is not waited for', async () => {
    hooks = { onSessionEnd: () => new Promise(() => undefined) }
    expect((await logout()).status).toBe(200)
  })
})
