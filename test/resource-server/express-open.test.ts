/** What an open policy opens in Express, and that nothing else is open. */
import { fileURLToPath } from 'node:url'
import express from 'express'
import { describe, expect, it } from 'vitest'
import {
  anyCaller,
  assertExpressGuarded,
  expressGuard,
  openToEveryone,
  requireScopes,
} from '../../src/resource-server/index.ts'
import { ask } from './call-express.ts'
import { guardedApi } from './guarded-api.ts'

const { issuer, refusals, guard } = await guardedApi()

const folder = fileURLToPath(new URL('.', import.meta.url))
const nowhere = fileURLToPath(new URL('./nowhere', import.meta.url))

/** An app with its guard, and what makes an open policy for it. */
function guardedExpress() {
  const app = express()
  const allow = expressGuard(app, guard())
  return { app, allow, open: () => allow(openToEveryone('a test')) }
}

describe('an open policy', () => {
  it.each<[string, string, (app: express.Express, open: express.RequestHandler) => unknown]>([
    [
      'for all, before a folder of files',
      '/docs/issuer.ts',
      (app, open) => app.use(open, express.static(nowhere)).use('/docs', express.static(folder)),
    ],
    [
      'for all, before a router in a function',
      '/x',
      (app, open) => app.use(open, goOn).use((req, res, next) => router()(req, res, next)),
    ],
    [
      'for all, with nothing beside it',
      '/docs/issuer.ts',
      (app, open) => app.use(open).use('/docs', express.static(folder)),
    ],
    [
      'for a folder, before another handler of its own',
      '/docs/issuer.ts',
      (app, open) => app.use('/docs', open, goOn, express.static(folder)),
    ],
    ['of a route that goes on', '/x', (app, open) => app.get('/x', open, goOn).use('/x', secret)],
    [
      'of a route that leaves',
      '/x',
      (app, open) => app.get('/x', open, (_req, _res, next) => next('route')).use('/x', secret),
    ],
    [
      'of all methods of a route',
      '/x',
      (app, open) => {
        app.route('/x').all(open).put(goOn)
        app.use('/x', secret)
      },
    ],
    [
      'of a router that goes on to what is outside of it',
      '/x',
      (app, open) => app.use(express.Router().use(open, goOn)).use('/x', secret),
    ],
    [
      'of a router that is left',
      '/x',
      (app, open) => app.use(express.Router().use(open, (_req, _res, next) => next('router'))).use('/x', secret),
    ],
    [
      'whose handler goes on by Express’s own hand',
      '/docs',
      (app, open) =>
        app.use('/docs', open, (_req, res, _next) => res.sendFile(folder.slice(0, -1))).use('/docs', secret),
    ],
    [
      'whose failure is passed over',
      '/x',
      (app, open) =>
        app
          .use('/x', open, (_req, _res, next) => next(new Error('mine')))
          .use(((_error, _req, _res, next) => next()) as express.ErrorRequestHandler)
          .use('/x', secret),
    ],
  ])('%s does not open what only follows', async (_, path, declare) => {
    const { app, open } = guardedExpress()
    declare(app, open())
    assertExpressGuarded(app)
    for (const token of [undefined, await issuer.sign()]) {
      for (const method of ['GET', 'HEAD']) {
        const { status, headers } = await ask(app, path, token, method)
        expect([status, headers['content-type']]).toEqual([403, 'application/problem+json'])
        expect(refusals.splice(0)).toMatchObject([{ reason: 'policy_bypassed' }])
      }
    }
  })

  it.each<[string, string, (app: express.Express, open: express.RequestHandler) => unknown]>([
    ['of a route', '/x', (app, open) => app.get('/x', open, goOn, (_req, res) => void res.send('open'))],
    ['for a folder', '/x', (app, open) => app.use('/x', open, (_req, res) => void res.send('open'))],
    ['for several', '/y', (app, open) => app.use(['/x', '/y'], open, (_req, res, _next) => void res.send('open'))],
    ['beside another one', '/x', (app, open) => app.use('/x', open, open, (_req, res, _next) => void res.send('open'))],
    [
      'in a router',
      '/x',
      (app, open) =>
        app.use(
          '/x',
          express.Router().use(open, (_req, res, _next) => void res.send('open')),
        ),
    ],
    [
      'of a failure that the app answers',
      '/x',
      (app, open) =>
        app
          .use('/x', open, (_req, _res, next) => next(new Error('open')))
          .use(((error, _req, res, _next) => res.send(error.message)) as express.ErrorRequestHandler),
    ],
  ])('%s opens what stands beside it', async (_, path, declare) => {
    const { app, open } = guardedExpress()
    declare(app, open())
    // The second reading finds what the first one has changed.
    assertExpressGuarded(assertExpressGuarded(app))
    expect(await ask(app, path)).toMatchObject({ status: 200, body: 'open' })
    expect((await ask(app, path, undefined, 'HEAD')).status).toBe(200)
  })

  it('serves files to everybody, and leaves what is no file to the policies that follow', async () => {
    const { app, allow, open } = guardedExpress()
    app.use(open(), express.static(folder))
    app.get('/x', allow(requireScopes('orders:read')), (_req, res) => void res.send('x'))
    assertExpressGuarded(app)
    expect((await ask(app, '/issuer.ts')).status).toBe(200)
    expect((await ask(app, '/x')).status).toBe(401)
    expect(await ask(app, '/x', await issuer.sign())).toMatchObject({ status: 200, body: 'x' })
  })

  it('takes nothing from a policy that has let the caller in before', async () => {
    const { app, allow, open } = guardedExpress()
    app.use('/x', allow(anyCaller()))
    app.use('/x', open(), goOn)
    app.use('/x', secret)
    assertExpressGuarded(app)
    expect((await ask(app, '/x')).status).toBe(401)
    expect(await ask(app, '/x', await issuer.sign())).toMatchObject({ status: 200, body: 'secret' })
  })

  it('of an app within an app opens nothing of the outer one', async () => {
    const [outer, inner] = [guardedExpress(), guardedExpress()]
    inner.app.use(inner.open(), (req, res, next) => (req.path === '/x' ? void res.send('open') : next()))
    outer.app.use(assertExpressGuarded(inner.app))
    outer.app.use(secret)
    expect(await ask(outer.app, '/x')).toMatchObject({ status: 200, body: 'open' })
    expect((await ask(outer.app, '/y')).status).toBe(403)
  })

  it('lets an answer that has begun go on to its end', async () => {
    const { app, open } = guardedExpress()
    app.use(open(), (_req, res, next) => {
      res.write('op')
      next()
    })
    app.use((_req: express.Request, res: express.Response, _next: express.NextFunction) => void res.end('en'))
    assertExpressGuarded(app)
    expect(await ask(app, '/x')).toMatchObject({ status: 200, body: 'open' })
  })

  it('is one behind which a route without a policy stops the start', () => {
    const { app, open } = guardedExpress()
    app.use(open(), express.static('public'))
    app.get('/secret', secret)
    expect(() => assertExpressGuarded(app)).toThrow('would not answer:\n  GET /secret\nexpressGuard')
  })

  it('opens nothing where nobody has read what stands beside it, and says what to do', async () => {
    for (const declare of [
      (app: express.Express, open: express.RequestHandler) => app.get('/x', open, secret),
      (app: express.Express, open: express.RequestHandler) => assertExpressGuarded(app).use('/x', open, secret),
      (app: express.Express, open: express.RequestHandler) =>
        assertExpressGuarded(app.use((req, res, next) => express.Router().get('/x', open, secret)(req, res, next))),
    ]) {
      const { app, open } = guardedExpress()
      const said: string[] = []
      declare(app, open())
      app.use(((error, _req, _res, next) => {
        said.push(error.message)
        next(error)
      }) as express.ErrorRequestHandler)
      app.set('env', 'test')
      expect((await ask(app, '/x')).status).toBe(500)
      expect(said).toEqual([expect.stringContaining('before assertExpressGuarded(app) has read')])
    }
  })
})

function goOn(_req: express.Request, _res: express.Response, next: express.NextFunction): void {
  next()
}

function secret(_req: express.Request, res: express.Response, _next: express.NextFunction): void {
  res.send('secret')
}

function router(): express.Router {
  return express.Router().get('/x', (_req, res) => void res.send('secret'))
}
