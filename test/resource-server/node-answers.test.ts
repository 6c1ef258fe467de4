/** What goes out with the guard's own answers in Express and Fastify, and what of others' does not. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import Fastify from 'fastify'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  anyCaller,
  expressErrors,
  expressGuard,
  fastifyErrors,
  fastifyGuard,
  GuardError,
  openToEveryone,
  requireScopes,
} from '../../src/resource-server/index.ts'
import { guardedApi } from './guarded-api.ts'

const { issuer, guard } = await guardedApi()

type Fields = Readonly<Record<string, string | string[]>>

/** What an app sets, and where. */
interface Places {
  readonly inFront?: Fields
  /** Behind the guard, before the route's policy; in Fastify between two guards. */
  readonly between?: Fields
  /** By the handler that then throws. */
  readonly begun?: Fields
}

const origin = 'https://app.example.com'

/** Of an answer that was compressed, is of one person, may be kept, and is not sent. */
const ofAnother: Fields = {
  'Content-Encoding': 'gzip',
  'Content-Length': '9999',
  'Content-Disposition': 'attachment; filename="of-ada.csv"',
  ETag: '"of ada"',
  'Last-Modified': 'Fri, 27 Nov 2026 08:00:00 GMT',
  Expires: 'Fri, 27 Nov 2036 08:00:00 GMT',
  'Cache-Control': 'public, max-age=60',
  'CDN-Cache-Control': 'max-age=60',
}
const ofOwner: Fields = { 'X-Owner': 'ada', 'Set-Cookie': ['owner=ada'], 'X-Request-Id': 'of ada' }
const inFront: Fields = {
  'Access-Control-Allow-Origin': origin,
  'Strict-Transport-Security': 'max-age=1',
  'Content-Security-Policy': 'sandbox',
  'X-Request-Id': 'call-1',
  'Set-Cookie': ['a=1', 'b=2'],
  Vary: 'Origin',
}

function somebodyElses(): never {
  throw new GuardError('not_found', { reason: 'object_refused' })
}

type Set = (name: string, value: string | string[]) => unknown

/** Cookies are added, and everything else is set, as apps do. */
function setAll(fields: Fields, set: Set, append: Set): void {
  for (const [name, value] of Object.entries(fields)) {
    if (typeof value === 'string') set(name, value)
    else for (const one of value) append(name, one)
  }
}

async function listen(app: express.Express): Promise<string> {
  const server = createServer(app).listen(0, '127.0.0.1')
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function startExpress({ inFront = {}, between = {}, begun = {} }: Places): Promise<string> {
  const [app, inner] = [express().disable('x-powered-by'), express().disable('x-powered-by')]
  const sets =
    (fields: Fields): express.RequestHandler =>
    (_req, res, next) => {
      setAll(
        fields,
        (name, value) => res.setHeader(name, value),
        (name, value) => res.appendHeader(name, value),
      )
      next()
    }
  app.use(sets(inFront))
  const own = guard()
  const allow = expressGuard(app, own)
  app.use(sets(between))
  app.get('/object', allow(anyCaller()), sets(begun), (_req, res) => {
    res.statusMessage = 'of ada'
    somebodyElses()
  })
  app.get('/scope', allow(requireScopes('none')), (_req, res) => void res.send('x'))
  app.get('/undeclared', (_req, res) => void res.send('x'))
  const allowWithin = expressGuard(inner, own)
  app.use(
    '/inner',
    inner.get('/scope', allowWithin(requireScopes('none')), (_req, res) => void res.send('x')),
  )
  app.use(expressErrors(own))
  return listen(app)
}

async function startFastify({ inFront = {}, between = {}, begun = {} }: Places): Promise<string> {
  const app = Fastify()
  interface Reply {
    header(name: string, value: unknown): unknown
  }
  const set = (reply: Reply, fields: Fields) => {
    const add = (name: string, value: unknown) => reply.header(name, value)
    setAll(fields, add, add)
  }
  app.addHook('onRequest', async (_request, reply) => set(reply, inFront))
  const own = guard()
  const allow = fastifyGuard(app, own)
  app.setErrorHandler(fastifyErrors(own))
  const object = async (_request: unknown, reply: Reply) => {
    set(reply, begun)
    somebodyElses()
  }
  app.get('/object', allow(anyCaller()), object)
  app.get('/open', allow(openToEveryone('a test')), object)
  app.get('/scope', allow(requireScopes('none')), async () => 'x')
  app.register(async (inner) => {
    inner.addHook('onRequest', async (_request, reply) => set(reply, between))
    const allowWithin = fastifyGuard(inner, guard({ audience: 'urn:inner' }))
    inner.get('/inner', allowWithin(anyCaller()), async () => 'x')
  })
  onTestFinished(() => app.close())
  return app.listen({ port: 0, host: '127.0.0.1' })
}

async function ask(url: string, status: number): Promise<Response> {
  const response = await fetch(url, { headers: { Authorization: `Bearer ${await issuer.sign()}` } })
  expect([url, response.status]).toEqual([url, status])
  expect(response.headers.get('cache-control')).toBe('no-store')
  // Fastify names the encoding, too.
  expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json(?:; charset=utf-8)?$/)
  // Of its own length, and not compressed: else this fails.
  expect(await response.json()).toMatchObject({ status })
  return response
}

/** Those that no answer of the guard has itself. */
const foreign = Object.keys({ ...ofAnother, ...ofOwner }).filter(
  (name) => !/^(?:cache-control|content-length)$/i.test(name),
)

function expectInFront(headers: Headers): void {
  for (const name of ['Access-Control-Allow-Origin', 'Strict-Transport-Security', 'Content-Security-Policy']) {
    expect(headers.get(name)).toBe(inFront[name])
  }
  expect([headers.get('x-request-id'), headers.getSetCookie()]).toEqual(['call-1', ['a=1', 'b=2']])
}

describe.each([
  ['Express', startExpress],
  ['Fastify', startFastify],
])('a refusal that a handler throws in %s', (_, start) => {
  it('takes nothing of the answer that the handler had begun', async () => {
    const { headers, statusText } = await ask(`${await start({ begun: { ...ofAnother, ...ofOwner } })}/object`, 404)
    expect(foreign.filter((name) => headers.has(name))).toEqual([])
    expect(statusText).toBe('Not Found')
  })

  it('has what was set in front of the guard, as it was there, and which origin may read it', async () => {
    const begun = { ...ofOwner, Vary: 'Origin, Accept-Encoding', 'Access-Control-Expose-Headers': 'X-Request-Id' }
    const { headers } = await ask(`${await start({ inFront, begun })}/object`, 404)
    expectInFront(headers)
    expect([headers.get('vary'), headers.get('access-control-expose-headers')]).toEqual([
      'Origin, Accept-Encoding',
      'X-Request-Id',
    ])
  })
})

type Refused = readonly (readonly [path: string, status: number])[]

const refusedByExpress: Refused = [
  ['/object', 404],
  ['/scope', 403],
  ['/undeclared', 403],
  ['/inner/scope', 403],
  ['/nowhere', 404],
]
const refusedByFastify: Refused = [
  ['/object', 404],
  ['/open', 404],
  ['/scope', 403],
  ['/inner', 401],
  ['/nowhere', 404],
]

it.each<[string, (places: Places) => Promise<string>, Refused]>([
  ['Express', startExpress, refusedByExpress],
  ['Fastify', startFastify, refusedByFastify],
])(
  'each answer of the guard in %s has what was set in front of it, but for what is of another body or has caches keep it',
  async (_, start, refused) => {
    const url = await start({ inFront: { ...ofAnother, ...inFront } })
    for (const [path, status] of refused) {
      const { headers } = await ask(url + path, status)
      expectInFront(headers)
      expect(Object.keys(ofAnother).filter((name) => foreign.includes(name) && headers.has(name))).toEqual([])
    }
  },
)

it.each<[string, (places: Places) => Promise<string>, Refused]>([
  ['it and the policy in Express', startExpress, refusedByExpress],
  ['it and another in Fastify', startFastify, [['/inner', 401]]],
])(
  'an answer of the guard has nothing that was set between %s, but which origin may read it',
  async (_, start, refused) => {
    const url = await start({ inFront, between: { ...ofOwner, ...ofAnother, Vary: 'Origin, Accept' } })
    for (const [path, status] of refused) {
      const { headers } = await ask(url + path, status)
      expectInFront(headers)
      expect(['X-Owner', 'ETag'].filter((name) => headers.has(name))).toEqual([])
      expect(headers.get('vary')).toBe('Origin, Accept')
    }
  },
)

it('a refusal where no guard is in front to tell what was set there has nothing of another body', async () => {
  const app = express().use((_req, res) => {
    setAll(
      { ...ofAnother, ...inFront },
      (name, value) => res.setHeader(name, value),
      (name, value) => res.appendHeader(name, value),
    )
    somebodyElses()
  })
  const { headers } = await ask(await listen(app.use(expressErrors(guard()))), 404)
  expectInFront(headers)
  expect(['ETag', 'Content-Encoding', 'Content-Disposition'].filter((field) => headers.has(field))).toEqual([])
})
