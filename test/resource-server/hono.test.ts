import { Hono } from 'hono'
import { cors } from 'hono/cors'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  allow,
  anyCaller,
  assertGuarded,
  type GuardedEnv,
  guardedObject,
  honoGuard,
  jwtGuard,
  openToEveryone,
  ownerOf,
  type Refusal,
  requireClaims,
  requireScopes,
  unguardedRoutes,
} from '../../src/resource-server/index.ts'
import { audience, requestWith, startIssuer, type TestIssuer } from './issuer.ts'

let issuer: TestIssuer
const refusals: Refusal[] = []

beforeAll(async () => {
  issuer = await startIssuer()
})
afterEach(() => {
  refusals.length = 0
})
afterAll(() => issuer.stop())

interface Tenant {
  tenant?: string
}

function guardedApp() {
  const guard = jwtGuard<Tenant>({
    issuer: issuer.url,
    audience,
    onRefused: (refusal) => refusals.push(refusal),
  })
  const app = new Hono<GuardedEnv<Tenant>>()
  app.use(honoGuard(guard))
  return app
}

// biome-ignore lint/suspicious/noExplicitAny: any app will do
async function get(app: Hono<any>, path: string, token?: string, init: RequestInit = {}) {
  const response = await app.fetch(requestWith(token, { url: audience + path, ...init }))
  return [response.status, await response.text()] as const
}

describe('a guarded app', () => {
  const orderFor = guardedObject(
    (id: string) => [{ id: '1', owner: 'ada' }].find((order) => order.id === id),
    ownerOf<{ id: string; owner: string }>('owner'),
  )
  function shop() {
    const app = guardedApp()
    app.get('/orders', allow(requireScopes('orders:read')), (c) => c.json({ of: c.var.access.sub }))
    app.get('/orders/:id', allow(requireScopes('orders:read')), async (c) =>
      c.json(await orderFor(c.var.access, c.req.param('id'))),
    )
    app.get('/tenant', allow(requireClaims<Tenant>('tenant', ({ tenant }) => tenant !== undefined)), (c) =>
      c.text(c.var.access.claims.tenant ?? ''),
    )
    app.get('/prices', allow(openToEveryone('no personal data')), (c) => c.text('prices'))
    return assertGuarded(app)
  }

  it('answers who may, and nobody else', async () => {
    const app = shop()
    const token = await issuer.sign({ tenant: 'north' })
    expect(await get(app, '/orders', token)).toEqual([200, '{"of":"ada"}'])
    expect(await get(app, '/tenant', token)).toEqual([200, 'north'])
    expect((await get(app, '/orders'))[0]).toBe(401)
    expect((await get(app, '/orders', await issuer.sign({ scope: '' })))[0]).toBe(403)
    expect((await get(app, '/tenant', await issuer.sign()))[0]).toBe(403)
  })

  it('asks for no token where it is open, and for one where nothing is', async () => {
    const app = shop()
    expect(await get(app, '/prices')).toEqual([200, 'prices'])
    expect(await get(app, '/prices', 'nonsense')).toEqual([200, 'prices'])
    expect((await get(app, '/nowhere'))[0]).toBe(401)
    expect((await get(app, '/nowhere', await issuer.sign()))[0]).toBe(404)
    expect((await get(app, '/prices', undefined, { method: 'POST' }))[0]).toBe(401)
  })

  it('gives 404 for what is somebody else’s, whatever the app does with errors', async () => {
    for (const app of [shop(), shop().onError((error, c) => c.text(error.message, 500))]) {
      expect((await get(app, '/orders/1', await issuer.sign()))[0]).toBe(200)
      const stranger = await issuer.sign({ sub: 'grace' })
      const [status, body] = await get(app, '/orders/1', stranger)
      expect([status, JSON.parse(body).code]).toEqual([404, 'not_found'])
      expect(await get(app, '/orders/9', stranger)).toEqual([404, body])
    }
    expect(refusals.map(({ reason, sub }) => `${reason} ${sub}`)).toEqual([
      'object_refused grace',
      'object_absent grace',
      'object_refused grace',
      'object_absent grace',
    ])
  })

  it('answers HEAD as GET', async () => {
    const app = shop()
    expect((await get(app, '/orders', undefined, { method: 'HEAD' }))[0]).toBe(401)
    expect((await get(app, '/orders', await issuer.sign(), { method: 'HEAD' }))[0]).toBe(200)
  })

  it('lets other errors be, and middleware before it answer', async () => {
    const app = new Hono()
    app.use(cors({ origin: 'https://app.example.com' }))
    app.route(
      '/',
      shop().get('/crash', allow(anyCaller()), () => Promise.reject(new Error('mine'))),
    )
    app.onError((error, c) => c.text(error.message, 500))
    expect(await get(app, '/crash', await issuer.sign())).toEqual([500, 'mine'])
    const preflight = { method: 'OPTIONS', headers: { Origin: 'https://app.example.com' } }
    expect((await get(app, '/orders', undefined, preflight))[0]).toBe(204)
  })
})

describe('a route without a policy', () => {
  it('does not answer, whatever the token', async () => {
    const app = guardedApp()
    let calls = 0
    app.get('/forgotten', (c) => c.text(`${++calls}`))
    expect((await get(app, '/forgotten'))[0]).toBe(401)
    expect((await get(app, '/forgotten', await issuer.sign()))[0]).toBe(403)
    expect(calls).toBe(0)
    expect(refusals.at(-1)).toMatchObject({ code: 'forbidden', reason: 'policy_missing', path: '/forgotten' })
  })

  it('stops the start, and every one is named', () => {
    const app = guardedApp()
    app.get('/good', allow(anyCaller()), (c) => c.text(''))
    app.get('/one', (c) => c.text(''))
    app.on(['PUT', 'DELETE'], '/two/:id', (c) => c.text(''))
    app.all('/three', (c) => c.text(''))
    app.route(
      '/sub',
      new Hono().get('/four', (c) => c.text('')),
    )
    app.route(
      '/own',
      new Hono().onError((_error, c) => c.text('')).get('/five', (c) => c.text('')),
    )
    const unguarded = ['GET /one', 'PUT /two/:id', 'DELETE /two/:id', 'ALL /three', 'GET /sub/four', 'GET /own/five']
    expect(unguardedRoutes(app)).toEqual(unguarded)
    expect(() => assertGuarded(app)).toThrow(/no policy[\s\S]+ {2}GET \/one\n[\s\S]+allow\(anyCaller\(\)\)/)
  })

  it.each<[string, (app: Hono<GuardedEnv<Tenant>>) => unknown]>([
    ['a policy that comes after it', (app) => app.get('/x', (c) => c.text('x')).use('/x', allow(anyCaller()))],
    ['a policy after its own middleware', (app) => app.get('/x', noop, allow(anyCaller()), (c) => c.text('x'))],
    ['a policy of another method', (app) => app.post('/x', allow(anyCaller()), noop).get('/x', (c) => c.text('x'))],
    ['a policy of another path', (app) => app.use('/x/*/y', allow(anyCaller())).get('/x', (c) => c.text('x'))],
    ['a policy of a sibling', (app) => app.use('/xx/*', allow(anyCaller())).get('/x', (c) => c.text('x'))],
  ])('is also one with %s', async (_, declare) => {
    const app = guardedApp()
    declare(app)
    expect(unguardedRoutes(app)).toContain('GET /x')
    expect((await get(app, '/x', await issuer.sign()))[0]).toBe(403)
  })

  it.each<[string, (app: Hono<GuardedEnv<Tenant>>) => unknown]>([
    ['for all', (app) => app.use(allow(anyCaller())).get('/x', (c) => c.text('x'))],
    ['for its folder', (app) => app.use('/x/*', allow(anyCaller())).get('/x', (c) => c.text('x'))],
    ['for its path', (app) => app.use('/x', allow(anyCaller())).get('/x', noop, (c) => c.text('x'))],
    ['of the app that it is mounted in', (app) => app.use('/*', allow(anyCaller())).route('/x', sub())],
    [
      'in an app with an error handler of its own',
      (app) =>
        app.route(
          '/x',
          new Hono().onError((_error, c) => c.text('')).get('/', allow(anyCaller()), (c) => c.text('x')),
        ),
    ],
  ])('is not one with a policy %s', async (_, declare) => {
    const app = guardedApp()
    declare(app)
    expect(unguardedRoutes(app)).toEqual([])
    expect(await get(app, '/x', await issuer.sign())).toEqual([200, 'x'])
    expect((await get(app, '/x'))[0]).toBe(401)
  })

  it('that some middleware answers in its place gives nothing away', async () => {
    const app = guardedApp()
    app.use('/cached/*', async (c, next) => (c.req.query('hit') ? c.text('from the cache') : next()))
    app.get('/cached/x', allow(requireScopes('none')), (c) => c.text('x'))
    app.mount('/mounted', () => new Response('another framework'))
    const token = await issuer.sign()
    expect((await get(app, '/cached/x?hit=1', token))[0]).toBe(403)
    expect((await get(app, '/mounted/x', token))[0]).toBe(403)
    expect(refusals.map(({ reason }) => reason)).toEqual(['policy_bypassed', 'policy_bypassed'])
  })

  it('policies of several levels all hold, and one that is open opens nothing that another closes', async () => {
    const app = guardedApp()
    app.use('/api/*', allow(requireScopes('api')))
    app.get('/api/x', allow(requireScopes('orders:read')), (c) => c.text('x'))
    app.get('/api/open', allow(openToEveryone('a mistake')), (c) => c.text('open'))
    expect((await get(app, '/api/x', await issuer.sign({ scope: 'orders:read' })))[0]).toBe(403)
    expect((await get(app, '/api/x', await issuer.sign({ scope: 'api' })))[0]).toBe(403)
    expect((await get(app, '/api/x', await issuer.sign({ scope: 'api orders:read' })))[0]).toBe(200)
    expect((await get(app, '/api/open'))[0]).toBe(401)
  })
})

it('policies without a guard are a mistake that is told at start, and let nobody in', async () => {
  const app = new Hono()
    .get('/x', allow(anyCaller()), (c) => c.text('x'))
    .onError((error, c) => c.text(error.message, 500))
  app.get('/open', allow(openToEveryone('no personal data')), (c) => c.text('open'))
  expect(unguardedRoutes(app)).toEqual(['GET /x', 'GET /open'])
  expect(await get(app, '/x', await issuer.sign())).toEqual([500, expect.stringContaining('honoGuard(guard)')])
  expect((allow as () => unknown).bind(undefined)).toThrow(TypeError)
})

it('on Workers the keys are renewed under waitUntil', async () => {
  let nowMs = Date.now()
  const guard = jwtGuard({ issuer: issuer.url, audience, now: () => nowMs, clockToleranceSeconds: 300 })
  const app = new Hono<GuardedEnv>().use(honoGuard(guard)).get('/x', allow(anyCaller()), (c) => c.text('x'))
  const behind: Promise<unknown>[] = []
  const context = {
    waitUntil: (promise: Promise<unknown>) => behind.push(promise),
    passThroughOnException() {},
    props: {},
  }
  const request = async () =>
    requestWith(await issuer.sign({ exp: Math.floor(nowMs / 1000) + 900 }), { url: `${audience}/x` })
  expect((await app.fetch(await request(), {}, context)).status).toBe(200)
  nowMs += 601_000
  expect((await app.fetch(await request(), {}, context)).status).toBe(200)
  expect(behind).toHaveLength(1)
  await Promise.all(behind)
})

async function noop(_c: unknown, next: () => Promise<void>): Promise<void> {
  await next()
}

function sub() {
  return new Hono().get('/', (c) => c.text('x'))
}
