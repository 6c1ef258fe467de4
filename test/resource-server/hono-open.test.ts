/** What an open policy opens in Hono, and that nothing else is open. */
import { type Context, Hono } from 'hono'
import { LinearRouter } from 'hono/router/linear-router'
import { PatternRouter } from 'hono/router/pattern-router'
import { RegExpRouter } from 'hono/router/reg-exp-router'
import { SmartRouter } from 'hono/router/smart-router'
import { TrieRouter } from 'hono/router/trie-router'
import { serveStatic } from 'hono/serve-static'
import { describe, expect, it } from 'vitest'
import {
  allow,
  anyCaller,
  assertGuarded,
  type GuardedEnv,
  honoGuard,
  openToEveryone,
  requireScopes,
  unguardedRoutes,
} from '../../src/resource-server/index.ts'
import { get, guardedApi, type Tenant } from './guarded-api.ts'
import { audience } from './issuer.ts'

const { issuer, refusals, guard, guardedApp } = await guardedApi()

type Declare = (app: Hono<GuardedEnv<Tenant>>, answer: (c: Context) => Response) => unknown

describe('an open policy', () => {
  const open = allow(openToEveryone('a test'))

  it.each<[string, Declare]>([
    ['of a route', (app, answer) => app.get('/x', open, answer)],
    ['with middleware between', (app, answer) => app.get('/x', open, noop, answer)],
    ['of all methods', (app, answer) => app.all('/x', open, answer)],
    ['of several paths', (app, answer) => app.on(['PUT', 'GET'], ['/y', '/x'], open, answer)],
    ['of middleware that answers', (app, answer) => app.use('/x/*', open, async (c, _next) => answer(c))],
    ['of the handler that is declared next', (app, answer) => app.get('/x', open).get(answer)],
    ['before a route that another one takes over', (app, answer) => app.get('/x', open, answer).get('/:id', open, ok)],
    [
      'in an app with an error handler of its own',
      (app, answer) => app.route('/x', new Hono().onError((_error, c) => c.text('')).get('/', open, answer)),
    ],
  ])('%s opens what stands beside it', async (_, declare) => {
    const app = guardedApp()
    declare(app, (c) => c.text('prices'))
    expect(unguardedRoutes(app)).toEqual([])
    expect(await get(app, '/x')).toEqual([200, 'prices'])
  })

  it.each<[string, Declare]>([
    ['for all', (app, answer) => app.use(open).get('/x', answer)],
    ['for all, with middleware beside it', (app, answer) => app.use('*', open, noop).get('/x', answer)],
    ['for its folder', (app, answer) => app.use('/x/*', open).get('/x', answer)],
    ['for its path', (app, answer) => app.use('/x', open).get('/x', answer)],
    ['of the app that it is in', (app, answer) => app.route('/x', new Hono().use(open).get('/', answer))],
    ['of another route, which hands the call on', (app, answer) => app.get('/:id', open, noop).get('/x', answer)],
    ['of its own, with something between', (app, answer) => app.get('/x', open).use('/x', noop).get('/x', answer)],
    ['before a guard of its own', (app, answer) => app.use('/x', open, honoGuard(guard())).all('/x', answer)],
  ])('%s does not open a route that only follows: it is named, and does not run', async (_, declare) => {
    const app = guardedApp()
    let runs = 0
    declare(app, (c) => c.text(`secret ${++runs}`))
    expect(unguardedRoutes(app).map((route) => route.split(' ')[1])).toEqual(['/x'])
    expect(() => assertGuarded(app)).toThrow('opens the handlers beside it alone')
    expect((await get(app, '/x'))[0]).toBe(401)
    expect((await get(app, '/x', await issuer.sign()))[0]).toBe(403)
    expect([runs, refusals.at(-1)?.reason]).toEqual([0, 'policy_missing'])
  })

  it('with nothing beside it opens nothing: where no route is a token is wanted', async () => {
    const app = guardedApp().use(open)
    expect((await get(app, '/x'))[0]).toBe(401)
    expect((await get(app, '/x', await issuer.sign()))[0]).toBe(404)
  })

  it('takes nothing from the policies that follow', async () => {
    const app = guardedApp().use(open, noop)
    app.get('/x', allow(requireScopes('orders:read')), (c) => c.text('x'))
    expect(unguardedRoutes(app)).toEqual([])
    expect((await get(app, '/x'))[0]).toBe(401)
    expect((await get(app, '/x', await issuer.sign({ scope: 'other' })))[0]).toBe(403)
    expect(await get(app, '/x', await issuer.sign())).toEqual([200, 'x'])
  })

  it('holds before a policy of another route that never gets the call', async () => {
    const app = assertGuarded(guardedApp().get('/orders/prices', open, ok).get('/orders/:id', allow(anyCaller()), ok))
    expect(await get(app, '/orders/prices')).toEqual([200, 'ok'])
    expect((await get(app, '/orders/1'))[0]).toBe(401)
  })

  it('whose handler goes on all the same, though it seems to take no next, leaves the caller to the next policy', async () => {
    const app = guardedApp()
    app.use(open, (c, ...rest) => noop(c, ...rest))
    app.use('/x/*', honoGuard(guard({ audience: 'urn:inner' })))
    app.get('/x/y', allow(requireScopes('inner')), (c) => c.text(c.var.access.sub))
    app.get('/z', allow(anyCaller()), (c) => c.text(c.var.access.sub))
    assertGuarded(app)
    expect((await get(app, '/z'))[0]).toBe(401)
    expect(await get(app, '/z', await issuer.sign())).toEqual([200, 'ada'])
    expect((await get(app, '/x/y', await issuer.sign({ scope: 'inner' })))[0]).toBe(401)
    expect((await get(app, '/x/y', await issuer.sign({ scope: 'inner', aud: 'urn:inner' })))[0]).toBe(401)
    expect(await get(app, '/x/y', await issuer.sign({ scope: 'inner', aud: ['urn:inner', audience] }))).toEqual([
      200,
      'ada',
    ])
  })

  it.each<[string, typeof open, string | undefined]>([
    ['open', open, undefined],
    ['closed', allow(requireScopes('none')), 'orders:read'],
  ])('lets out no answer of what lies between it and the next one, which is %s', async (_, policy, scope) => {
    const app = guardedApp().use(open, noop)
    app.use('/x', async (c, _next) => c.text('from the cache'))
    assertGuarded(app.get('/x', policy, (c) => c.text('x')))
    const [status, body] = await get(app, '/x', scope && (await issuer.sign({ scope })))
    expect([status, JSON.parse(body).code]).toEqual([403, 'forbidden'])
    expect(refusals.map(({ reason }) => reason)).toEqual(['policy_bypassed'])
  })

  it('holds before a route without a policy that never gets the call; that one is named', async () => {
    const app = guardedApp().get('/x', open, (c) => c.text('x'))
    app.get('/:id', ok)
    expect(unguardedRoutes(app)).toEqual(['GET /:id'])
    expect(await get(app, '/x')).toEqual([200, 'x'])
  })

  it('lets out the 404 of what stands beside it', async () => {
    const app = guardedApp().notFound((c) => c.text('no such file', 404))
    assertGuarded(app.use('/files/*', open, noop))
    expect(await get(app, '/files/x')).toEqual([404, 'no such file'])
  })

  it.each<[string, string, string, Declare]>([
    [
      'for all, with a route between',
      'ALL /*',
      '/nowhere',
      (app, answer) =>
        app
          .use(open, noop)
          .get('/y', allow(anyCaller()), ok)
          .use(async (c, _next) => answer(c)),
    ],
    [
      'of a route, with another between',
      'GET /x',
      '/x',
      (app, answer) => app.get('/x', open, noop).get('/y', allow(anyCaller()), ok).get('/x', answer),
    ],
    [
      'of a route with nothing beside it, with another between',
      'GET /x',
      '/x',
      (app, answer) => app.get('/x', open).get('/y', allow(anyCaller()), ok).get('/x', answer),
    ],
    [
      'for a folder, with a route between',
      'ALL /files/*',
      '/files/a',
      (app, answer) => app.use('/files/*', open, noop).get('/orders', allow(anyCaller()), ok).all('/files/*', answer),
    ],
    [
      'for all, with one handler between and no route',
      'ALL /*',
      '/nowhere',
      (app, answer) => app.use(open, noop).mount('/', () => answer({} as Context)),
    ],
    [
      'for a folder, with one handler between and no route',
      'ALL /files/*',
      '/files/a',
      (app, answer) => app.use('/files/*', open, noop).all('/files/*', answer),
    ],
    [
      'of an app around it',
      'GET /x/y',
      '/x/y',
      (app, answer) => app.get('/x/y', open, noop).route('/x', new Hono().get('/y', answer)),
    ],
    [
      'for all, with a handler whose arguments are not counted',
      'GET /x',
      '/x',
      (app, answer) => app.use(open, (...args) => noop(...args)).get('/x', answer),
    ],
  ])('%s does not reach what has its path and is declared later', async (_, named, path, declare) => {
    for (const router of routers()) {
      const app = guardedApp({ router })
      let runs = 0
      declare(app, () => new Response(`secret ${++runs}`))
      expect(unguardedRoutes(app)).toEqual([named])
      for (const method of ['GET', 'HEAD']) {
        expect((await get(app, path, undefined, { method }))[0]).toBe(401)
        expect((await get(app, path, await issuer.sign(), { method }))[0]).toBe(403)
      }
      expect(runs).toBe(0)
    }
  })

  it('opens what stands beside it in every router of Hono, in an app that is taken in later, too', async () => {
    for (const router of routers()) {
      const sub = guardedApp()
      sub.use('/files/*', open, serveStatic({ root: '', getContent: async (path) => path, join }))
      sub.get('/files/list', allow(anyCaller()), ok).get('/prices', open, noop, ok).get('/', open, ok)
      assertGuarded(sub)
      const app = new Hono({ router })
      app.route('/api', sub)
      expect(await get(app, '/api/prices')).toEqual([200, 'ok'])
      expect(await get(app, '/api')).toEqual([200, 'ok'])
      expect(await get(app, '/api/files/a.txt')).toEqual([200, 'api/files/a.txt'])
      expect((await get(app, '/api/files/list'))[0]).toBe(401)
      expect((await get(app, '/api/prices', undefined, { method: 'HEAD' }))[0]).toBe(200)
      expect((await get(app, '/prices'))[0]).toBe(404)
    }
  })

  it('does not open another route that has the handlers of one that is open', async () => {
    const app = guardedApp().get('/x', open, noop, ok).get('/y', open, noop).get('/z', allow(anyCaller()), ok)
    app.get('/y', ok)
    expect(unguardedRoutes(app)).toEqual(['GET /y'])
    expect(await get(app, '/x')).toEqual([200, 'ok'])
    expect((await get(app, '/y'))[0]).toBe(401)
  })

  it('opens nothing where nobody has read what stands beside it, and says what to do', async () => {
    const app = guardedApp().onError((error, c) => c.text(error.message, 500))
    const unread = allow(openToEveryone('a test of its own'))
    let runs = 0
    app.get('/x', unread, (c) => c.text(`${++runs}`)).get('/y', allow(anyCaller()), ok)
    app.use('/closed/*', allow(anyCaller())).get('/closed/x', unread, ok)
    for (const token of [undefined, await issuer.sign()]) {
      expect(await get(app, '/x', token)).toEqual([500, expect.stringContaining('call that when all routes are')])
    }
    expect(runs).toBe(0)
    expect(await get(app, '/y', await issuer.sign())).toEqual([200, 'ok'])
    expect((await get(app, '/closed/x'))[0]).toBe(401)
    const late = assertGuarded(guardedApp()).get('/x', unread, ok)
    expect((await get(late, '/x'))[0]).toBe(500)
  })
})

function routers() {
  const smart = new SmartRouter({ routers: [new RegExpRouter(), new TrieRouter()] })
  return [smart, new RegExpRouter(), new TrieRouter(), new LinearRouter(), new PatternRouter()] as never[]
}

function join(...parts: string[]) {
  return parts
    .filter((part) => part !== '')
    .join('/')
    .replace(/^\//, '')
}

async function noop(_c: unknown, next: () => Promise<void>): Promise<void> {
  await next()
}

function ok(c: Context) {
  return c.text('ok')
}
