/** What goes out with the guard's own answers in Hono, and what of others' does not. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { type Context, Hono, type MiddlewareHandler } from 'hono'
import { compress } from 'hono/compress'
import { cors } from 'hono/cors'
import { requestId } from 'hono/request-id'
import { describe, expect, it } from 'vitest'
import { allow, anyCaller, GuardError, honoGuard, requireScopes } from '../../src/resource-server/index.ts'
import { guardedApi } from './guarded-api.ts'
import { audience, requestWith } from './issuer.ts'

const { issuer, refusals, guard, guardedApp } = await guardedApi()

const origin = 'https://app.example.com'

function somebodyElses(): never {
  throw new GuardError('not_found', { reason: 'object_refused' })
}

describe('a refusal that a handler throws', () => {
  async function call(app: ReturnType<typeof guardedApp>) {
    app.get('/x', allow(anyCaller()), somebodyElses)
    const headers = { 'Accept-Encoding': 'gzip', Origin: origin }
    return app.fetch(requestWith(await issuer.sign(), { url: `${audience}/x`, headers }))
  }

  it('is plain where the answer in whose place it comes was compressed', async () => {
    const app = guardedApp()
    const encodings: unknown[] = []
    app.use(async (c, next) => {
      await next()
      encodings.push(c.res.headers.get('content-encoding'))
    })
    const response = await call(app.use(compress()))
    expect(encodings).toEqual(['gzip'])
    expect(response.headers.get('content-encoding')).toBe(null)
    expect(response.headers.get('vary')).toBe('Accept-Encoding')
    expect(await response.json()).toMatchObject({ status: 404, code: 'not_found' })
  })

  it('takes no field of that answer but those that say which origin may read it', async () => {
    const app = guardedApp()
    app.onError((_error, c) => c.text('', 401, { 'WWW-Authenticate': 'Basic realm="mine"', 'X-Owner': 'ada' }))
    app.use(cors({ origin }))
    app.use(async (c, next) => {
      await next()
      c.header('Cache-Control', 'public')
      c.header('Set-Cookie', 'seen=1')
    })
    const response = await call(app)
    expect([response.status, Object.fromEntries(response.headers)]).toEqual([
      404,
      {
        'access-control-allow-origin': origin,
        'cache-control': 'no-store',
        'content-type': 'application/problem+json',
        vary: 'Origin',
      },
    ])
  })

  it('ends the body of that answer, and waits for nobody who reads a clone of it', async () => {
    const app = guardedApp()
    const ended: string[] = []
    const bodyOf = (name: string) => new ReadableStream({ cancel: () => void ended.push(name) })
    app.onError((_error, c) => c.body(bodyOf('plain')))
    expect((await call(app)).status).toBe(404)
    expect(ended).toEqual(['plain'])

    const read = guardedApp().onError((_error, c) => c.body(bodyOf('cloned')))
    let clone: Response | undefined
    read.use(async (c, next) => {
      await next()
      clone = c.res.clone()
    })
    expect((await call(read)).status).toBe(404)
    await clone?.body?.cancel()
    expect(ended).toEqual(['plain', 'cloned'])
  })
})

it('an answer that is not replaced because onRefused throws lets no field out', async () => {
  const failing = guard({
    onRefused() {
      throw new Error('the log is full')
    },
  })
  const app = new Hono()
    .use(honoGuard(failing))
    .use((c, _next) => Promise.resolve(c.text('', 200, { 'X-Owner': 'ada' })))
  app.get('/x', allow(anyCaller()), (c) => c.text('x')).onError((_error, c) => c.text('', 500))
  const response = await app.fetch(requestWith(await issuer.sign(), { url: `${audience}/x` }))
  expect([response.status, response.headers.get('x-owner')]).toEqual([500, null])
})

/** Sets fields before whatever follows, one of which the guard's answers have, too. */
function sets(fields: Record<string, string>): MiddlewareHandler {
  return async (c, next) => {
    for (const [name, value] of Object.entries(fields)) c.header(name, value)
    await next()
  }
}

describe.each<[string, MiddlewareHandler[]]>([
  ['alone', []],
  ['behind what has begun an answer', [cors({ origin })]],
])('each answer of the guard, %s,', (_, first) => {
  /** An app in which each path is refused elsewhere, and what middleware between guard and policy may do there. */
  function app(inFront: readonly MiddlewareHandler[], between: readonly MiddlewareHandler[] = []) {
    const routes = new Hono()
    for (const middleware of [...first, ...inFront]) routes.use(middleware)
    routes.use(honoGuard(guard()))
    for (const middleware of between) routes.use(middleware)
    routes.use('/answered', async (c, _next) => c.text('x', 200, { ETag: '"x"' }))
    routes.get('/answered', allow(anyCaller()), ok).get('/scope', allow(requireScopes('none')), ok)
    routes.get('/object', allow(anyCaller()), somebodyElses).get('/undeclared', ok)
    routes.use('/inner/*', honoGuard(guard({ audience: 'urn:inner' }))).get('/inner/x', allow(anyCaller()), ok)
    return routes.notFound((c) => c.text('x', 200))
  }

  const places = [
    ['/object', 401, 'no_token'],
    ['/undeclared', 403, 'policy_missing'],
    ['/nowhere', 403, 'policy_bypassed'],
    ['/answered', 403, 'policy_bypassed'],
    ['/scope', 403, 'scope'],
    ['/inner/x', 401, 'aud'],
    ['/object', 404, 'object_refused'],
  ] as const

  async function answers(routes: ReturnType<typeof app>): Promise<Headers[]> {
    const all: Headers[] = []
    for (const [path, status, reason] of places) {
      const token = reason === 'no_token' ? undefined : await issuer.sign()
      const response = await routes.fetch(requestWith(token, { url: audience + path, headers: { Origin: origin } }))
      expect([path, response.status, refusals.at(-1)?.reason]).toEqual([path, status, reason])
      expect([response.headers.get('cache-control'), response.headers.get('content-type')]).toEqual([
        'no-store',
        'application/problem+json',
      ])
      expect(await response.json()).toMatchObject({ status })
      all.push(response.headers)
    }
    return all
  }

  it('has the fields that were set in front of it', async () => {
    const cookies: MiddlewareHandler = async (c, next) => {
      for (const cookie of ['a=1', 'b=2']) c.header('Set-Cookie', cookie, { append: true })
      await next()
    }
    const inFront = [requestId({ generator: () => 'call-1' }), cookies, sets({ 'Cache-Control': 'public' })]
    for (const headers of await answers(app(inFront))) {
      expect([headers.get('x-request-id'), headers.getSetCookie()]).toEqual(['call-1', ['a=1', 'b=2']])
    }
  })

  it('has none that is of another body, or has caches keep it', async () => {
    const ofOther = {
      'Content-Encoding': 'gzip',
      'Content-Length': '9',
      ETag: '"x"',
      'Last-Modified': 'Fri, 27 Nov 2026 08:00:00 GMT',
      Expires: 'Fri, 27 Nov 2026 08:00:00 GMT',
      'CDN-Cache-Control': 'max-age=60',
    }
    const policy = { 'Content-Security-Policy': 'sandbox' }
    for (const headers of await answers(app([sets({ ...ofOther, ...policy })]))) {
      expect(Object.keys(ofOther).filter((name) => headers.has(name))).toEqual([])
      expect(headers.get('content-security-policy')).toBe('sandbox')
    }
  })

  it('has none that was set between it and the policy, but those that say which origin may read it', async () => {
    const between = [sets({ 'X-Owner': 'ada', ETag: '"x"', 'X-Request-Id': 'of ada' }), cors({ origin })]
    const [ofGuard, ...others] = await answers(app([requestId({ generator: () => 'call-1' })], between))
    for (const headers of [ofGuard, ...others]) {
      expect([headers?.get('x-owner'), headers?.get('etag'), headers?.get('x-request-id')]).toEqual([
        null,
        null,
        'call-1',
      ])
    }
    const ofScope = others.at(3)
    expect(ofScope?.get('access-control-allow-origin')).toBe(origin)
  })

  it('comes in the place of one that middleware had ready before it went on', async () => {
    const ready: MiddlewareHandler = async (c, next) => {
      c.res = c.text('from the cache', 200, { ETag: '"x"', 'Content-Encoding': 'gzip' })
      await next()
    }
    for (const routes of [app([], [ready]), app([ready])]) {
      for (const headers of await answers(routes)) {
        expect([headers.get('etag'), headers.get('content-encoding')]).toEqual([null, null])
      }
    }
  })
})

it('through Node’s server, whose answers share their fields with the call, the guard’s are the same', async () => {
  const app = new Hono().use(requestId({ generator: () => 'call-1' })).use(honoGuard(guard()))
  app.use(sets({ 'X-Owner': 'ada' })).use(compress())
  app.get('/scope', allow(requireScopes('none')), ok).get('/object', allow(anyCaller()), somebodyElses)
  const server = createServer(getRequestListener(app.fetch)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    for (const [path, code] of [
      ['/scope', 'insufficient_scope'],
      ['/object', 'not_found'],
    ]) {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`
      const response = await fetch(requestWith(await issuer.sign(), { url }))
      expect([response.headers.get('x-request-id'), response.headers.get('x-owner')]).toEqual(['call-1', null])
      expect(await response.json()).toMatchObject({ code })
    }
  } finally {
    server.close()
    server.closeAllConnections()
  }
})

function ok(c: Context) {
  return c.text('x')
}
