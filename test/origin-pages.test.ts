/** The app's pages from an origin elsewhere, on Node. On Workers: test/workers/origin-pages.test.ts. */

import { once } from 'node:events'
import { get as rawGet } from 'node:http'
import { brotliCompressSync, brotliDecompressSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { resolveConfig } from '../src/config/resolve.ts'
import { type StartedServer, startServer } from '../src/node/serve.ts'
import type { CoatcheckEvent } from '../src/observability/events.ts'
import { cookieStore } from '../src/session/stores/cookie-store.ts'
import { memoryCoordinator } from '../src/session/stores/memory-coordinator.ts'
import { freePort } from './support/free-port.ts'
import { testSecret } from './support/system.ts'
import { startUpstream, type TestUpstream, type UpstreamHandler } from './support/upstream.ts'

let cdn: TestUpstream
let server: StartedServer
let origin: string
let offset: number
let events: CoatcheckEvent[]

const script = 'console.log("app")'
const page =
  (text: string, etag = `"${text}"`): UpstreamHandler =>
  (incoming, outgoing) => {
    outgoing.setHeader('etag', etag)
    outgoing.setHeader('content-type', 'text/html')
    if (incoming.headers['if-none-match'] === etag) outgoing.writeHead(304).end()
    else outgoing.end(text)
  }
const missing: UpstreamHandler = (_incoming, outgoing) => outgoing.writeHead(404).end('nothing here')

beforeAll(() => {
  events = []
})
// One server for each test: each begins with an empty memory.
beforeEach(async () => {
  cdn = await startUpstream()
  cdn.on('/app/index.html', page('the app'))
  cdn.on('/app/assets/app-Dk3xQ9_a.js', (_incoming, outgoing) => outgoing.end(script))
  cdn.on('/app/favicon.svg', (_incoming, outgoing) => outgoing.end('<svg/>'))
  offset = 0
  events = []
  const port = await freePort()
  const clock = { now: () => Date.now() + offset }
  const config = resolveConfig(
    {
      baseUrl: `http://localhost:${port}`,
      provider: { issuer: 'http://127.0.0.1:1', clientId: 'app', clientSecret: 'a-client-secret' },
      session: { secrets: [testSecret], store: cookieStore({ coordinator: memoryCoordinator({ clock }) }) },
      spa: { origin: `${cdn.origin}/app/` },
      routes: [],
    },
    {},
  )
  origin = config.origin
  server = await startServer(config, { report: (event) => events.push(event), runtime: { clock } })
  return async () => {
    await server.close()
    await cdn.stop().catch(() => undefined)
  }
})
const expected: ReadonlySet<string> = new Set(['request_failed', 'calls_refused'])
afterAll(() => expect(events.filter(({ event }) => !expected.has(event))).toEqual([]))

const navigation = { Accept: 'text/html,*/*;q=0.8' }
const get = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
  fetch(origin + path, { method, headers: { 'Accept-Encoding': 'identity', ...headers } })
const asked = () => cdn.requests.map(({ target }) => target)

describe('a page', () => {
  it.each(['/', '/orders', '/orders/17/edit', '/users/john.doe', '/orders?page=2'])(
    'is the app at %s',
    async (path) => {
      const answer = await get(path, navigation)
      expect([answer.status, await answer.text()]).toEqual([200, 'the app'])
      expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8')
      expect(answer.headers.get('content-security-policy')).toContain("object-src 'none'")
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
      expect(answer.headers.get('cache-control')).toBe('no-cache')
      expect(asked()).toEqual(['/app/index.html'])
    },
  )

  it('is asked for by nothing of the browser', async () => {
    await get('/orders?secret=1', {
      ...navigation,
      Cookie: 'a=secret',
      Authorization: 'Bearer secret',
      'X-Forwarded-For': 'secret',
      Referer: 'https://secret.example/',
      'User-Agent': 'secret',
      'If-None-Match': '"secret"',
    })
    const [request] = cdn.requests
    expect(JSON.stringify([request?.target, request?.rawHeaders])).not.toContain('secret')
    expect(Object.keys(request?.headers ?? {}).sort()).toEqual(['accept', 'accept-encoding', 'connection', 'host'])
  })

  it('is kept for a while, and then asked for by its entity tag', async () => {
    for (let count = 0; count < 3; count++) await get('/', navigation)
    expect(cdn.requests).toHaveLength(1)
    offset = 11_000
    expect(await (await get('/', navigation)).text()).toBe('the app')
    expect(cdn.requests[1]?.headers['if-none-match']).toBe('"the app"')
    cdn.on('/app/index.html', page('the next release'))
    offset = 22_000
    expect(await (await get('/', navigation)).text()).toBe('the next release')
  })

  it('is asked for once by a crowd', async () => {
    const gate = Promise.withResolvers<void>()
    cdn.on('/app/index.html', async (_incoming, outgoing) => {
      await gate.promise
      outgoing.end('the app')
    })
    const answers = Array.from({ length: 20 }, () => get('/', navigation))
    while (cdn.requests.length === 0) await get('/bff/session', { 'X-CSRF': '1' })
    gate.resolve()
    expect(new Set(await Promise.all((await Promise.all(answers)).map((one) => one.text())))).toEqual(
      new Set(['the app']),
    )
    expect(cdn.requests).toHaveLength(1)
  })

  it('is answered with 304 to who has it', async () => {
    const etag = (await get('/', navigation)).headers.get('etag') ?? ''
    expect(etag).toMatch(/^"[\w+/]{24}"$/)
    const again = await get('/', { ...navigation, 'If-None-Match': `"x", W/${etag}` })
    expect([again.status, await again.text()]).toEqual([304, ''])
    expect((await get('/', { ...navigation, 'If-None-Match': '"x"' })).status).toBe(200)
  })

  it('has a head alone for HEAD', async () => {
    const answer = await get('/', navigation, 'HEAD')
    expect([answer.status, answer.headers.get('content-length'), await answer.text()]).toEqual([200, '7', ''])
  })
})

describe('a file', () => {
  it('with a hash in its name is kept for good', async () => {
    const answer = await get('/assets/app-Dk3xQ9_a.js')
    expect(await answer.text()).toBe(script)
    expect(answer.headers.get('content-type')).toMatch(/^text\/javascript/)
    expect(answer.headers.get('cache-control')).toContain('immutable')
    offset = 86_400_000
    await get('/assets/app-Dk3xQ9_a.js')
    expect(cdn.requests).toHaveLength(1)
  })

  it('is what its name says, whatever the origin calls it', async () => {
    cdn.on('/app/favicon.svg', (_incoming, outgoing) => {
      outgoing.setHeader('content-type', 'text/javascript')
      outgoing.setHeader('set-cookie', 'a=1')
      outgoing.setHeader('access-control-allow-origin', '*')
      outgoing.setHeader('content-security-policy', "script-src 'unsafe-inline'")
      outgoing.setHeader('service-worker-allowed', '/')
      outgoing.end('<svg/>')
    })
    const answer = await get('/favicon.svg')
    expect(answer.headers.get('content-type')).toMatch(/^image\/svg\+xml/)
    expect(answer.headers.get('content-security-policy')).not.toContain('unsafe-inline')
    for (const name of ['set-cookie', 'access-control-allow-origin', 'service-worker-allowed']) {
      expect(answer.headers.get(name)).toBeNull()
    }
  })

  it.each<[string, UpstreamHandler]>([
    ['404', missing],
    ['403, as object stores say it', (_incoming, outgoing) => outgoing.writeHead(403).end('<Error/>')],
    ['a page, as a fallback of its own', page('the app')],
  ])('that is not there is 404, also where the origin says %s', async (_name, handler) => {
    cdn.on('/app/assets/gone-Dk3xQ9_a.js', handler)
    expect((await get('/assets/gone-Dk3xQ9_a.js')).status).toBe(404)
    expect((await get('/assets/gone-Dk3xQ9_a.js')).status).toBe(404)
    expect(cdn.requests).toHaveLength(1)
    cdn.on('/app/assets/gone-Dk3xQ9_a.js', (_incoming, outgoing) => outgoing.end(script))
    offset = 11_000
    expect((await get('/assets/gone-Dk3xQ9_a.js')).status).toBe(200)
  })

  it('comes compressed to who takes that, and plain to others', async () => {
    cdn.on('/app/assets/app-Dk3xQ9_a.js', (incoming, outgoing) => {
      if (incoming.headers['accept-encoding'] !== 'br') return outgoing.end(script)
      return outgoing.setHeader('content-encoding', 'br').end(brotliCompressSync(script))
    })
    expect(await (await get('/assets/app-Dk3xQ9_a.js')).text()).toBe(script)
    const call = rawGet(`${origin}/assets/app-Dk3xQ9_a.js`, { headers: { 'Accept-Encoding': 'gzip;q=0, br' } })
    const [answer] = await once(call, 'response')
    const chunks: Buffer[] = []
    for await (const chunk of answer) chunks.push(chunk)
    expect(answer.headers['content-encoding']).toBe('br')
    expect(answer.headers.vary).toBe('Accept-Encoding')
    expect(brotliDecompressSync(Buffer.concat(chunks)).toString()).toBe(script)
  })
})

describe('an origin that fails', () => {
  const failures: [string, UpstreamHandler][] = [
    ['500', (_incoming, outgoing) => outgoing.writeHead(500).end('secret stack')],
    ['a redirect', (_incoming, outgoing) => outgoing.writeHead(302, { location: 'https://evil.example/' }).end()],
    ['a reset', (incoming) => incoming.socket.destroy()],
    [
      'half a file',
      (incoming, outgoing) => {
        outgoing.writeHead(200, { 'content-length': '1000' })
        outgoing.write('half')
        setImmediate(() => incoming.socket.destroy())
      },
    ],
    [
      'a coding that nobody asked for',
      (_incoming, outgoing) => outgoing.setHeader('content-encoding', 'zstd').end('x'),
    ],
    ['what is too large', (_incoming, outgoing) => outgoing.end(Buffer.alloc(17 * 2 ** 20))],
  ]

  it.each(failures)('with %s is 502, and shows nothing of it', async (_name, handler) => {
    cdn.on('/app/index.html', handler)
    const answer = await get('/', navigation)
    const text = await answer.text()
    expect([answer.status, (JSON.parse(text) as { code: string }).code]).toEqual([502, 'pages_unavailable'])
    expect(text).not.toContain('secret')
    expect(events).toContainEqual(expect.objectContaining({ code: 'pages_unavailable' }))
  })

  it.each(failures)('with %s leaves the page that was there, for a day', async (_name, handler) => {
    await get('/', navigation)
    cdn.on('/app/index.html', handler)
    offset = 11_000
    expect(await (await get('/', navigation)).text()).toBe('the app')
    expect(events).toContainEqual(expect.objectContaining({ code: 'pages_unavailable' }))
    // It is not asked with every request while it is out.
    const before = cdn.requests.length
    await get('/', navigation)
    expect(cdn.requests).toHaveLength(before)
    offset = 86_400_000 + 30_000
    expect((await get('/', navigation)).status).toBe(502)
  })

  it('leaves the page when it is gone altogether', async () => {
    await get('/', navigation)
    await cdn.stop()
    offset = 11_000
    expect(await (await get('/', navigation)).text()).toBe('the app')
  })
})

describe('what is not a page', () => {
  it.each(['/.env', '/assets/.git/config', '/..%2fsecret', '/a%5cb', '/a/%2e%2e/secret', '//evil.example/x', '/a;b'])(
    '%s is never asked for',
    async (path) => {
      const call = rawGet({ port: new URL(origin).port, host: 'localhost', path, headers: navigation })
      const [answer] = await once(call, 'response')
      answer.resume()
      expect(asked().filter((target) => target !== '/app/index.html')).toEqual([])
    },
  )

  it('is below /bff, or written', async () => {
    expect((await get('/bff/nothing', navigation)).status).toBe(404)
    expect((await get('/', navigation, 'POST')).status).toBe(404)
    expect(cdn.requests).toEqual([])
  })
})
