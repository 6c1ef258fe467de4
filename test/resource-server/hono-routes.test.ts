/** What answers without a policy in Hono: found at start where it can be, kept back for each call where it cannot. */
import { type Context, Hono } from 'hono'
import { describe, expect, it } from 'vitest'
import {
  allow,
  anyCaller,
  assertGuarded,
  type GuardedEnv,
  openToEveryone,
  requireScopes,
  unguardedRoutes,
} from '../../src/resource-server/index.ts'
import { get, guardedApi, type Tenant } from './guarded-api.ts'
import { audience, requestWith } from './issuer.ts'

const { issuer, refusals, guardedApp } = await guardedApi()

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
    const [status, body] = await get(app, '/cached/x?hit=1', await issuer.sign())
    expect([status, JSON.parse(body).code]).toEqual([403, 'forbidden'])
    expect(refusals.map(({ reason }) => reason)).toEqual(['policy_bypassed'])
  })

  it.each<[string, string, (app: Hono<GuardedEnv<Tenant>>, answer: () => Response) => unknown]>([
    ['app.all(…) with next', 'ALL /x', (app, answer) => app.all('/x', async (_c, _next) => answer())],
    ['app.use(…) for a folder', 'ALL /x/*', (app, answer) => app.use('/x/*', async (_c, _next) => answer())],
    ['app.mount(…)', 'ALL /x/*', (app, answer) => app.mount('/x', answer)],
    ['what stands after all routes', 'ALL /*', (app, answer) => app.use(async (_c, _next) => answer())],
    ['what is beside a route', 'ALL /x', (app, answer) => app.all('/x', async (_c, _next) => answer()).get('/x/y', ok)],
  ])('is also %s: it is named, and does not run', async (_, named, declare) => {
    const app = guardedApp()
    let runs = 0
    app.get('/before', allow(anyCaller()), (c) => c.text(''))
    declare(app, () => new Response(`secret ${++runs}`))
    expect(unguardedRoutes(app)).toContain(named)
    const [status, body] = await get(app, '/x', await issuer.sign())
    expect([status, body, runs]).toEqual([404, '404 Not Found', 0])
    expect((await get(app, '/x'))[0]).toBe(401)
  })

  it('is not middleware before a route, whatever their patterns', () => {
    const app = guardedApp()
    for (const path of ['*', '/a/*', '/a/:id', '/:kind/1', '/a/1', '/*/1', '/a/:id{\\d+}']) app.use(path, noop)
    app.get('/a/1', allow(anyCaller()), (c) => c.text(''))
    app.use('/b/:id?', noop).use('/c/*', noop).use('/d/*', noop)
    app.get('/b', allow(anyCaller()), (c) => c.text(''))
    app.use('/c', allow(anyCaller())).get('/:any/late', allow(anyCaller()), (c) => c.text(''))
    expect(unguardedRoutes(app)).toEqual([])
  })

  it('the app’s own 404 stands, and what it answers otherwise where nothing is does not', async () => {
    const token = await issuer.sign()
    const own = guardedApp().notFound((c) => c.text('nothing here', 404))
    expect(await get(own, '/nowhere', token)).toEqual([404, 'nothing here'])
    for (const status of [200, 500] as const) {
      const app = guardedApp().notFound((c) => c.text('secret', status))
      const answer = await get(app, '/nowhere', token)
      expect(answer[0]).toBe(status === 200 ? 403 : 500)
      expect(answer[1]).not.toContain('secret')
    }
  })

  it.each([401, 404, 429, 500, 503] as const)('keeps the status %i of an error, and not its text', async (status) => {
    const app = guardedApp()
    app.use(async (c, _next) => {
      const fields = { 'Retry-After': '7', 'X-Secret': 's', 'Set-Cookie': 'a=s', 'Access-Control-Allow-Origin': '*' }
      return c.json({ secret: 's' }, status, fields)
    })
    app.get('/x', allow(anyCaller()), (c) => c.text('x'))
    const response = await app.fetch(requestWith(await issuer.sign(), { url: `${audience}/x` }))
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    expect([response.headers.get('retry-after'), response.headers.get('access-control-allow-origin')]).toEqual([
      '7',
      '*',
    ])
    expect([response.headers.get('x-secret'), response.headers.get('set-cookie')]).toEqual([null, null])
    const body = (await response.json()) as Record<string, unknown>
    expect([response.status, body.status, body.secret]).toEqual([status, status, undefined])
  })

  it('keeps the text of an error back that is thrown before the policy', async () => {
    const app = guardedApp().onError((error, c) => c.text(error.message, 500))
    app.use('/x', (_c, _next) => Promise.reject(new Error('password of the database')))
    app.get('/x', allow(anyCaller()), (c) => c.text('x'))
    expect(await get(app, '/x', await issuer.sign())).toEqual([500, '{"type":"about:blank","status":500}'])
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

async function noop(_c: unknown, next: () => Promise<void>): Promise<void> {
  await next()
}

function ok(c: Context) {
  return c.text('ok')
}

function sub() {
  return new Hono().get('/', (c) => c.text('x'))
}
