/** Express and Fastify themselves, over HTTP: the same routes, the same calls, the same answers. */
import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import express from 'express'
import Fastify from 'fastify'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  accessOf,
  anyCaller,
  assertExpressGuarded,
  expressErrors,
  expressGuard,
  fastifyErrors,
  fastifyGuard,
  guardedObject,
  jwtGuard,
  openToEveryone,
  ownerOf,
  type Refusal,
  requireScopes,
} from '../../src/resource-server/index.ts'
import { audience, startIssuer, type TestIssuer } from './issuer.ts'

let issuer: TestIssuer
const refusals: Refusal[] = []
const running: { close(): Promise<unknown> }[] = []

beforeAll(async () => {
  issuer = await startIssuer()
})
afterEach(async () => {
  refusals.length = 0
  for (const server of running.splice(0)) await server.close()
})
afterAll(() => issuer.stop())

const guard = () =>
  jwtGuard({ issuer: issuer.url, audience, realm: 'shop', onRefused: (refusal) => refusals.push(refusal) })
const orderFor = guardedObject(
  async (id: string) => [{ id: '1', owner: 'ada' }].find((order) => order.id === id),
  ownerOf<{ id: string; owner: string }>('owner'),
)

async function listen(handler: RequestListener): Promise<string> {
  const server: Server = createServer(handler).listen(0, '127.0.0.1')
  await once(server, 'listening')
  running.push({
    close: async () => {
      server.close()
      server.closeAllConnections()
    },
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function startExpress(): Promise<string> {
  const app = express()
  const own = guard()
  const allow = expressGuard(app, own)
  app.get('/me', allow(anyCaller()), (req, res) => void res.json({ sub: accessOf(req).sub }))
  app.get('/prices', allow(openToEveryone('no personal data')), (_req, res) => void res.send('prices'))
  const orders = express.Router()
  orders.get('/:id', allow(requireScopes('orders:read')), async (req, res) => {
    res.json(await orderFor(accessOf(req), req.params.id as string))
  })
  app.use('/orders', orders)
  app.use(expressErrors(own))
  return listen(assertExpressGuarded(app))
}

async function startFastify(): Promise<string> {
  const app = Fastify()
  const own = guard()
  const allow = fastifyGuard(app, own)
  app.setErrorHandler(fastifyErrors(own))
  app.get('/me', allow(anyCaller()), async (request) => ({ sub: accessOf(request).sub }))
  app.get('/prices', allow(openToEveryone('no personal data')), async () => 'prices')
  app.register(
    async (orders) => {
      orders.get<{ Params: { id: string } }>(
        '/:id',
        { ...allow(requireScopes('orders:read')), schema: { params: { type: 'object' } } },
        async (request) => orderFor(accessOf(request), request.params.id),
      )
    },
    { prefix: '/orders' },
  )
  running.push(app)
  return app.listen({ port: 0, host: '127.0.0.1' })
}

async function get(url: string, token?: string, headers: Record<string, string> = {}) {
  const authorization = token === undefined ? {} : { Authorization: `Bearer ${token}` }
  const response = await fetch(url, { headers: { ...authorization, ...headers } })
  return { status: response.status, body: await response.text(), challenge: response.headers.get('www-authenticate') }
}

describe.each([
  ['Express', startExpress],
  ['Fastify', startFastify],
])('the guard in %s', (_, start) => {
  it('lets in who may', async () => {
    const url = await start()
    const token = await issuer.sign()
    expect(await get(`${url}/me`, token)).toMatchObject({ status: 200, body: '{"sub":"ada"}' })
    expect(await get(`${url}/orders/1`, token)).toMatchObject({ status: 200, body: '{"id":"1","owner":"ada"}' })
    expect(await get(`${url}/prices`)).toMatchObject({ status: 200, body: 'prices' })
  })

  it('answers as everywhere: challenge and problem', async () => {
    const url = await start()
    const without = await get(`${url}/me?page=1`)
    expect(without).toMatchObject({ status: 401, challenge: 'Bearer realm="shop"' })
    expect(JSON.parse(without.body)).toMatchObject({ code: 'unauthenticated', status: 401 })
    const unscoped = await get(`${url}/orders/1`, await issuer.sign({ scope: 'x' }))
    expect(unscoped).toMatchObject({
      status: 403,
      challenge: 'Bearer realm="shop", error="insufficient_scope", scope="orders:read"',
    })
    expect((await get(`${url}/me`, 'nonsense')).status).toBe(401)
    expect(refusals.map(({ method, path }) => `${method} ${path}`)).toEqual(['GET /me', 'GET /orders/1', 'GET /me'])
  })

  it('gives 404 for what is somebody else’s and for what is not there', async () => {
    const url = await start()
    const stranger = await issuer.sign({ sub: 'grace' })
    const [theirs, nobodys] = [await get(`${url}/orders/1`, stranger), await get(`${url}/orders/9`, stranger)]
    expect(theirs.status).toBe(404)
    expect(nobodys).toEqual(theirs)
    expect(JSON.parse(theirs.body).code).toBe('not_found')
    expect(refusals.map(({ reason, sub }) => `${reason} ${sub}`)).toEqual([
      'object_refused grace',
      'object_absent grace',
    ])
  })

  it('sees two Authorization fields, of which Node shows the first', async () => {
    const url = await start()
    const fields = [`Authorization: Bearer ${await issuer.sign()}`, 'Authorization: Bearer other']
    expect(await rawStatus(url, ['GET /me HTTP/1.1', ...fields])).toBe(400)
    expect(await rawStatus(url, ['GET /me HTTP/1.1', ...fields.reverse()])).toBe(400)
    expect(refusals).toMatchObject([{ reason: 'repeated_authorization' }, { reason: 'repeated_authorization' }])
  })

  it('takes the path for what it is, also one that looks like a host', async () => {
    const url = await start()
    await rawStatus(url, ['GET //elsewhere.example/me HTTP/1.1'])
    await rawStatus(url, ['GET http://elsewhere.example/me HTTP/1.1'])
    for (const { path } of refusals) expect(path).toMatch(/\/me$/)
  })
})

describe('a route without a policy', () => {
  it('stops the start of Fastify', async () => {
    const app = Fastify()
    const allow = fastifyGuard(app, guard())
    app.get('/good', allow(anyCaller()), async () => '')
    expect(() => app.get('/bad', async () => '')).toThrow(
      /^The route GET \/bad has no policy: .*anyCaller.*openToEveryone/,
    )
    app.register(async (orders) => orders.delete('/:id', async () => ''), { prefix: '/orders' })
    await expect(app.ready()).rejects.toThrow('The route DELETE /orders/:id has no policy')
  })

  it('that Fastify was given before the guard does not answer; what is not there is 404 for who has a token', async () => {
    const app = Fastify()
    app.get('/early', async () => 'early')
    fastifyGuard(app, guard())
    running.push(app)
    const url = await app.listen({ port: 0, host: '127.0.0.1' })
    expect((await get(`${url}/early`, await issuer.sign())).status).toBe(403)
    expect((await get(`${url}/nowhere`)).status).toBe(401)
    expect((await get(`${url}/nowhere`, await issuer.sign())).status).toBe(404)
  })

  it('has hooks of Fastify, which run behind the guard and give nothing away where no route is', async () => {
    const app = Fastify()
    const allow = fastifyGuard(app, guard())
    let runs = 0
    app.addHook('onRequest', async (request, reply) => {
      runs += 1
      if (request.url === '/hooked') return reply.send('secret')
      if (!request.is404) return
      reply.hijack()
      reply.raw.writeHead(200, { 'X-Secret': 's' }).end('secret')
    })
    app.get('/hooked', allow(requireScopes('orders:read')), async () => '')
    running.push(app)
    const url = await app.listen({ port: 0, host: '127.0.0.1' })
    for (const path of ['/hooked', '/nowhere']) expect((await get(url + path)).status).toBe(401)
    expect((await get(`${url}/hooked`, await issuer.sign({ scope: 'x' }))).status).toBe(403)
    expect(runs).toBe(0)
    const token = await issuer.sign()
    expect(await get(`${url}/hooked`, token)).toMatchObject({ status: 200, body: 'secret' })
    const nowhere = await get(`${url}/nowhere`, token)
    expect([nowhere.status, JSON.parse(nowhere.body).code]).toEqual([403, 'forbidden'])
    expect(refusals.at(-1)).toMatchObject({ reason: 'policy_bypassed', path: '/nowhere', sub: 'ada' })
  })

  it('is also Fastify’s handler for what is not there: its status stays, if it is an error, and nothing else', async () => {
    for (const [status, expected] of [
      [200, 403],
      [404, 404],
      [500, 500],
    ] as const) {
      const app = Fastify()
      fastifyGuard(app, guard())
      app.setNotFoundHandler((_request, reply) =>
        reply.code(status).header('X-Secret', 'secret').header('Retry-After', '7').send({ secret: 'secret' }),
      )
      running.push(app)
      const url = await app.listen({ port: 0, host: '127.0.0.1' })
      const response = await fetch(`${url}/nowhere`, { headers: { Authorization: `Bearer ${await issuer.sign()}` } })
      expect([response.status, response.headers.get('x-secret')]).toEqual([expected, null])
      expect(response.headers.get('retry-after')).toBe(status === 200 ? null : '7')
      expect(await response.text()).not.toContain('secret')
    }
    expect(refusals.map(({ reason }) => reason)).toEqual(['policy_bypassed'])
  })
})

it('who calls is known behind the guard only', () => {
  expect(() => accessOf({})).toThrow(/Nobody was let in/)
})

it('other errors of handlers go their way', async () => {
  const own = guard()
  const app = express()
  const allow = expressGuard(app, own)
  app.get('/crash', allow(openToEveryone('a test')), () => Promise.reject(new Error('mine')))
  app.use(expressErrors(own))
  app.use(((error, _req, res, _next) => void res.status(500).send(error.message)) as express.ErrorRequestHandler)
  expect(await get(`${await listen(assertExpressGuarded(app))}/crash`)).toMatchObject({ status: 500, body: 'mine' })

  const fastify = Fastify()
  const fastifyAllow = fastifyGuard(fastify, own)
  fastify.setErrorHandler(fastifyErrors(own))
  fastify.get('/crash', fastifyAllow(openToEveryone('a test')), () => Promise.reject(new Error('mine')))
  running.push(fastify)
  const answer = await get(`${await fastify.listen({ port: 0, host: '127.0.0.1' })}/crash`)
  expect([answer.status, JSON.parse(answer.body).message]).toEqual([500, 'mine'])
})

/** The status of a request as it is written here. */
async function rawStatus(url: string, lines: string[]): Promise<number> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.write(`${[...lines, 'Host: api', 'Connection: close'].join('\r\n')}\r\n\r\n`)
  let text = ''
  for await (const chunk of socket) text += chunk
  return Number(text.split(' ')[1])
}
