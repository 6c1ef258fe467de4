/** What answers without a policy in Express, kept back for each call, and what a policy lets out. */
import type { OutgoingHttpHeader, OutgoingHttpHeaders } from 'node:http'
import { setImmediate as turn } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import express from 'express'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  anyCaller,
  expressErrors,
  expressGuard,
  GuardError,
  openToEveryone,
  type Policy,
} from '../../src/resource-server/index.ts'
import { ask } from './call-express.ts'
import { guardedApi } from './guarded-api.ts'

const { issuer, refusals, guard } = await guardedApi()

describe('an answer that no policy has let out', () => {
  const ways: [string, (app: express.Express) => unknown][] = [
    ['a route', (app) => app.get('/x', (_req, res) => void res.json({ secret: 's' }))],
    ['app.use(…)', (app) => app.use('/x', (_req: express.Request, res: express.Response) => void res.send('secret'))],
    ['a router in a function', (app) => app.use((req, res, next) => router()(req, res, next))],
    ['an app in an app', (app) => app.use(express().use(router()))],
    ['express.static', (app) => app.use(express.static(fileURLToPath(new URL('.', import.meta.url))))],
    [
      'a handler of a parameter',
      (app) => app.param('id', (_req, res) => void res.send('s')).get('/:id', (_req, res) => void res.send('s')),
    ],
    [
      'in pieces',
      (app) =>
        app.get('/x', (_req, res) => {
          res.write('se')
          res.write('cret', () => res.end('!'))
        }),
    ],
    [
      'Node’s own writeHead',
      (app) => app.get('/x', (_req, res) => void res.writeHead(200, { 'X-Secret': 's' }).end('secret')),
    ],
    [
      'Node’s other name for that',
      (app) =>
        app.get('/x', (_req, res) => {
          ;(res as unknown as { writeHeader: typeof res.writeHead }).writeHeader(200, { 'X-Secret': 's' })
          res.end('secret')
        }),
    ],
    [
      'a head alone',
      (app) =>
        app.get('/x', (_req, res) => {
          res.setHeader('X-Secret', 's')
          res.flushHeaders()
          setImmediate(() => res.end('secret'))
        }),
    ],
    ['a redirect', (app) => app.get('/x', (_req, res) => res.redirect('https://secret.example/'))],
    [
      'what goes on to a policy afterwards',
      (app) =>
        app.get(
          '/x',
          (_req, res, next) => {
            res.send('secret')
            next()
          },
          expressGuard(express(), guard())(anyCaller()),
        ),
    ],
  ]

  it.each(ways)('by %s is 403, and nothing of it is sent', async (way, declare) => {
    for (const token of [undefined, await issuer.sign()]) {
      const app = express()
      app.use((_req, res, next) => {
        res.setHeader('Strict-Transport-Security', 'max-age=1')
        next()
      })
      expressGuard(app, guard())
      app.use((_req, res, next) => {
        res.cookie('a', 'secret').set('ETag', '"secret"')
        next()
      })
      declare(app)
      const path = way === 'express.static' ? '/issuer.ts' : '/x'
      const { status, headers, body } = await ask(app, path, token)
      expect([status, JSON.parse(body)]).toMatchObject([403, { code: 'forbidden', status: 403 }])
      expect(headers).toMatchObject({ 'content-type': 'application/problem+json', 'cache-control': 'no-store' })
      expect(headers['strict-transport-security']).toBe('max-age=1')
      for (const name of ['set-cookie', 'x-secret', 'etag', 'location']) expect(headers[name]).toBeUndefined()
      expect(refusals.splice(0)[0]).toMatchObject({ reason: 'policy_bypassed', method: 'GET', path })
    }
  })

  it('is Express’s own 404: a problem of that status, and no refusal', async () => {
    const app = express()
    expressGuard(app, guard())
    const { status, headers, body } = await ask(app, '/nowhere')
    expect([status, headers['content-type']]).toEqual([404, 'application/problem+json'])
    expect(JSON.parse(body)).toMatchObject({ status: 404, code: 'not_found' })
    expect((await ask(app, '/nowhere', undefined, 'HEAD')).body).toBe('')
    expect(refusals).toEqual([])
  })

  it.each([400, 429, 500, 503, 799])(
    'is an error of status %i before the policy: the status and when to come back',
    async (status) => {
      const app = express()
      const allow = expressGuard(app, guard())
      app.use((_req, _res, next) => next(Object.assign(new Error('password of the database'), { status })))
      app.get('/x', allow(anyCaller()), (_req, res) => void res.send('x'))
      app.use(((error, _req, res, _next) => {
        res.status(error.status).set({ 'Retry-After': '7', 'X-Secret': 's' }).json({ secret: error.message })
      }) as express.ErrorRequestHandler)
      const answer = await ask(app, '/x')
      const expected = status > 599 ? 500 : status
      expect([answer.status, answer.body]).toEqual([expected, `{"type":"about:blank","status":${expected}}`])
      expect([answer.headers['retry-after'], answer.headers['x-secret']]).toEqual(['7', undefined])
    },
  )

  it.each<[string, OutgoingHttpHeaders | OutgoingHttpHeader[]]>([
    ['an object', { 'Retry-After': '7', 'X-Secret': 's' }],
    ['names and values in turn', ['Retry-After', '7', 'X-Secret', 's']],
    ['pairs', [['Retry-After', '7'] as never, ['X-Secret', 's'] as never]],
  ])(
    'is an error whose head has its fields as %s: they come in the place of what was set before',
    async (_, fields) => {
      const app = express()
      expressGuard(app, guard())
      app.get('/x', (_req, res) => void res.set('retry-after', '1').writeHead(429, fields).end('secret'))
      const { status, headers, body } = await ask(app, '/x')
      expect([status, headers['retry-after'], headers['x-secret']]).toEqual([429, '7', undefined])
      expect(body).toBe('{"type":"about:blank","status":429}')
    },
  )

  it('is what the app says of a policy that fails', async () => {
    const app = express()
    const allow = expressGuard(app, guard())
    const broken: Policy = { name: 'broken', check: () => Promise.reject(new Error('password of the database')) }
    app.get('/x', allow(broken), (_req, res) => void res.send('x'))
    expect(await ask(app, '/x', await issuer.sign())).toMatchObject({
      status: 500,
      body: '{"type":"about:blank","status":500}',
    })
  })
})

describe('an answer that stands', () => {
  it('is that of a route behind its policy, in pieces too, and its errors', async () => {
    const app = express()
    const allow = expressGuard(app, guard())
    app.get('/pieces', allow(anyCaller()), (_req, res) => {
      res.flushHeaders()
      res.write('a', () => res.end('b'))
    })
    app.get('/crash', allow(anyCaller()), (_req, res) => void res.status(418).send('mine'))
    const token = await issuer.sign()
    expect(await ask(app, '/pieces', token)).toMatchObject({ status: 200, body: 'ab' })
    expect(await ask(app, '/crash', token)).toMatchObject({ status: 418, body: 'mine' })
  })

  it('is a refusal, whoever throws it', async () => {
    const app = express()
    const own = guard()
    expressGuard(app, own)
    app.use((_req, _res, next) => next(new GuardError('insufficient_scope', { reason: 'own', scope: ['x'] })))
    app.use(expressErrors(own))
    const { status, headers } = await ask(app, '/x')
    expect([status, headers['www-authenticate']]).toEqual([403, expect.stringContaining('scope="x"')])
  })

  it('is what an app within an app lets out that has a guard, too', async () => {
    const [app, inner] = [express(), express()]
    expressGuard(app, guard())
    const allow = expressGuard(inner, guard())
    inner.get('/x', allow(anyCaller()), (_req, res) => void res.send('inner'))
    inner.get('/y', (_req, res) => void res.send('secret'))
    app.use('/inner', inner)
    expect(await ask(app, '/inner/x', await issuer.sign())).toMatchObject({ status: 200, body: 'inner' })
    expect((await ask(app, '/inner/y', await issuer.sign())).status).toBe(403)
  })

  it('is that of a time limit in front, while the keys are on their way and never come', async () => {
    const unhandled: unknown[] = []
    const note = (error: unknown) => unhandled.push(error)
    process.on('unhandledRejection', note)
    onTestFinished(() => {
      process.off('unhandledRejection', note)
      issuer.answer = undefined
    })
    const timeOut = Promise.withResolvers<void>()
    const isAnswered = Promise.withResolvers<void>()
    issuer.answer = async (_request, response) => {
      timeOut.resolve()
      await isAnswered.promise
      response.writeHead(500).end()
    }
    const refused = Promise.withResolvers<void>()
    const app = express()
    app.use((_req, _res, next) => {
      timeOut.promise.then(() => next(Object.assign(new Error('too slow'), { status: 503 })))
      next()
    })
    const allow = expressGuard(app, guard({ onRefused: () => refused.resolve() }))
    app.get('/x', allow(anyCaller()), (_req, res) => void res.send('x'))
    expect((await ask(app, '/x', await issuer.sign())).status).toBe(503)
    isAnswered.resolve()
    await refused.promise
    // Node tells of a rejection once the microtasks of this turn are done.
    await turn()
    await turn()
    expect(unhandled).toEqual([])
  })

  it('is none of a policy that has no guard in front', async () => {
    const app = express()
    const allow = expressGuard(express(), guard())
    app.get('/x', allow(openToEveryone('a test')), (_req, res) => void res.send('x'))
    const { status, body } = await ask(app, '/x')
    expect([status, body]).toEqual([500, expect.stringContaining('call that first, with this app')])
  })
})

function router(): express.Router {
  return express.Router().get('/x', (_req, res) => void res.send('secret'))
}
