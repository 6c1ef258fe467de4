import { Hono } from 'hono'
import { cors } from 'hono/cors'
import { describe, expect, it } from 'vitest'
import {
  allow,
  anyCaller,
  assertGuarded,
  GuardError,
  type GuardedEnv,
  guarded,
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
import { get, guardedApi, type Tenant } from './guarded-api.ts'
import { audience, requestWith } from './issuer.ts'

const { issuer, refusals, guard, guardedApp } = await guardedApi()

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

  it('gives a route the type of its caller by its policy, and none where it is open', async () => {
    const app = new Hono()
    app.use(honoGuard(guard<Tenant>()))
    app.get('/tenant', allow<Tenant>(anyCaller()), (c) => c.text(c.var.access.claims.tenant ?? ''))
    app.get('/open', allow(openToEveryone('a test')), (c) => {
      // @ts-expect-error: nobody is known here
      return c.text(typeof c.var.access)
    })
    assertGuarded(app)
    expect(await get(app, '/tenant', await issuer.sign({ tenant: 'north' }))).toEqual([200, 'north'])
    expect(await get(app, '/open', await issuer.sign())).toEqual([200, 'undefined'])
  })

  it('knows the claims that one of several policies has stated, wherever that stands among them', async () => {
    const isOfTenant = requireClaims<Tenant>('has a tenant', ({ tenant }) => tenant !== undefined)
    const app = new Hono()
    app.use(honoGuard(guard<Tenant>()))
    app.get('/last', allow(requireScopes('orders:read'), isOfTenant), (c) => c.text(c.var.access.claims.tenant ?? ''))
    app.get('/first', allow(isOfTenant, requireScopes('orders:read')), (c) => c.text(c.var.access.claims.tenant ?? ''))
    const plain = guarded(guard<Tenant>(), [requireScopes('orders:read'), isOfTenant], (_request, access) => {
      return new Response(access.claims.tenant ?? '')
    })
    assertGuarded(app)
    const token = await issuer.sign({ tenant: 'north' })
    expect(await get(app, '/last', token)).toEqual([200, 'north'])
    expect(await get(app, '/first', token)).toEqual([200, 'north'])
    expect(await (await plain(requestWith(token))).text()).toBe('north')
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

describe('a guard within a guard', () => {
  function nested() {
    const refused = (refusal: Refusal) => refusals.push(refusal)
    const strict = jwtGuard<Tenant>({ issuer: issuer.url, audience: 'urn:admin', realm: 'admin', onRefused: refused })
    const app = guardedApp()
    app.get('/x', allow(anyCaller()), (c) => c.text('x'))
    app.use('/admin/*', honoGuard(strict))
    app.get('/admin/x', allow(requireScopes('admin')), (c) => c.text(`admin ${c.var.access.sub}`))
    app.get('/admin/mine', allow(anyCaller()), () => {
      throw new GuardError('not_found', { reason: 'object_refused' })
    })
    return app
  }

  it('lets in whom both do, and refuses in the words of whichever does not', async () => {
    const app = assertGuarded(nested())
    const both = { aud: [audience, 'urn:admin'] }
    expect(await get(app, '/admin/x', await issuer.sign({ ...both, scope: 'admin' }))).toEqual([200, 'admin ada'])
    expect(await get(app, '/x', await issuer.sign())).toEqual([200, 'x'])
    for (const [claims, status, challenge] of [
      [{}, 401, 'Bearer realm="admin", error="invalid_token"'],
      [{ aud: 'urn:admin', scope: 'admin' }, 401, 'Bearer realm="api", error="invalid_token"'],
      [both, 403, 'Bearer realm="admin", error="insufficient_scope"'],
    ] as const) {
      const response = await app.fetch(requestWith(await issuer.sign(claims), { url: `${audience}/admin/x` }))
      expect(response.status).toBe(status)
      expect(response.headers.get('www-authenticate')).toContain(challenge)
    }
    expect((await get(app, '/admin/mine', await issuer.sign(both)))[0]).toBe(404)
    expect(refusals.map(({ reason }) => reason)).toEqual(['aud', 'aud', 'scope', 'object_refused'])
  })

  it('wants a policy of its own, at start and for each call', async () => {
    const app = guardedApp()
    app.use(allow(anyCaller()))
    app.use('/admin/*', honoGuard(jwtGuard({ issuer: issuer.url, audience })))
    app.get('/admin/x', (c) => c.text('x'))
    expect(unguardedRoutes(app)).toEqual(['GET /admin/x'])
    expect((await get(app, '/admin/x', await issuer.sign()))[0]).toBe(403)
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
