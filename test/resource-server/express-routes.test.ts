/** Which routes of an Express app stop the start. */
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

const { issuer, guard } = await guardedApi()

describe('a route without a policy', () => {
  it('stops the start, in routers too', () => {
    const app = express()
    const allow = expressGuard(app, guard())
    app.get('/good', allow(anyCaller()), (_req, res) => void res.end())
    app.get('/bad', (_req, res) => void res.end())
    app.post('/late', (_req, _res, next) => next(), allow(anyCaller()))
    app.use(
      '/orders',
      express.Router().delete('/:id', (_req, res) => void res.end()),
    )
    expect(() => assertExpressGuarded(app)).toThrow(/GET \/bad\n {2}POST \/late\n {2}DELETE \/:id\n/)
    expect(() => (allow as () => unknown)()).toThrow(TypeError)
  })

  it('stops the start by each of the methods that one path declares', () => {
    const app = express()
    const allow = expressGuard(app, guard())
    const answer = (_req: express.Request, res: express.Response) => void res.send('')
    app.route('/chained').get(allow(anyCaller()), answer).post(answer).delete(answer)
    app.route('/late').post(answer).all(allow(anyCaller()))
    app.route('/all').all(answer).get(allow(anyCaller()), answer)
    app.route('/good').all(allow(anyCaller())).get(answer).post(answer)
    expect(() => assertExpressGuarded(app)).toThrow(
      'would not answer:\n  POST /chained\n  DELETE /chained\n  POST /late\n  ALL /all\nexpressGuard',
    )
    expect(() => assertExpressGuarded(app)).toThrow(/any valid token .*openToEveryone/)
  })

  it('stops the start where it cannot be seen: in an app that another mounts', () => {
    const app = express()
    expressGuard(app, guard())
    const inner = express()
    inner.get('/orders', (_req, res) => void res.send('everybody’s'))
    app.use('/inner', inner)
    expect(() => assertExpressGuarded(app)).toThrow('an app that app.use(…) mounts: use a Router')
  })

  it('stops the start where a policy comes too late, or its guard does', () => {
    const app = express()
    app.get('/health', (_req, res) => void res.send('ok'))
    const other = express()
    const foreign = expressGuard(other, guard())
    app.get('/early', foreign(anyCaller()), (_req, res) => void res.send(''))
    app.use('/open', foreign(openToEveryone('a test')), function early(_req: express.Request, res: express.Response) {
      res.send('')
    })
    const allow = expressGuard(app, guard())
    app.get('/good', allow(anyCaller()), (_req, res) => void res.send(''))
    expect(() => assertExpressGuarded(app)).toThrow(
      'would not answer:\n  GET /health\n  GET /early\n  app.use(…) of early at /open, which takes no next\nexpressGuard',
    )
  })

  it('stops the start where it is a handler of app.use(…) that takes no next', () => {
    const app = express()
    const allow = expressGuard(app, guard())
    app.use('/admin', function reset(_req: express.Request, res: express.Response) {
      res.json({ secret: 's' })
    })
    app.use(
      '/open',
      allow(openToEveryone('a test')),
      (_req: express.Request, res: express.Response) => void res.send(''),
    )
    expect(() => assertExpressGuarded(app)).toThrow(
      /answer:\n {2}app\.use\(…\) of reset at \/admin, which takes.+\nexpressGuard/,
    )
  })

  it('is not one with a policy for its folder', async () => {
    const app = express()
    const allow = expressGuard(app, guard())
    app.use('/orders', allow(requireScopes('orders:read')))
    app.use(
      '/orders',
      express.Router().get('/:id', (_req, res) => void res.send('order')),
    )
    app.get('/ordersx', (_req, res) => void res.send(''))
    expect(() => assertExpressGuarded(app)).toThrow('would not answer:\n  GET /ordersx\nexpressGuard')
    expect(await ask(app, '/orders/1', await issuer.sign())).toMatchObject({ status: 200, body: 'order' })
    expect((await ask(app, '/orders/1')).status).toBe(401)
  })

  it.each<[string, () => unknown, RegExp]>([
    ['a Router', () => express.Router().get('/x', (_req, res) => void res.send('')), /takes an app/],
    ['nothing', () => undefined, /takes an app|undefined/],
    ['an app that no guard was given', () => express(), /No guard stands before these routes/],
  ])('is not looked for in %s: that is a mistake', (_, make, message) => {
    expect(() => assertExpressGuarded(make() as express.Express)).toThrow(message)
  })
})
