import { readFileSync } from 'node:fs'
import https from 'node:https'
import { Hono } from 'hono'
import { streamSSE } from 'hono/streaming'
import { afterEach, describe, expect, test } from 'vitest'
import { serve } from '../../src/node/serve.ts'
import {
  closeEverything,
  deferred,
  forwarding,
  listen,
  onCleanup,
  rawClient,
  serving,
  testRuntime,
  upstream,
} from './loopback.ts'

afterEach(closeEverything)

const hello = () => new Hono().all('*', (c) => c.text('hello'))
const tls = {
  key: readFileSync(new URL('./fixtures/localhost.key.pem', import.meta.url)),
  cert: readFileSync(new URL('./fixtures/localhost.cert.pem', import.meta.url)),
}

describe('a request that no app should see', () => {
  const refused: [name: string, request: string, status: number][] = [
    ['TRACE', 'TRACE / HTTP/1.1\r\nHost: a\r\nCookie: secret=1\r\n\r\n', 405],
    ['CONNECT', 'CONNECT example.com:443 HTTP/1.1\r\nHost: a\r\n\r\n', 405],
    ['no Host', 'GET / HTTP/1.1\r\n\r\n', 400],
    ['two Hosts', 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n', 400],
    ['a Host that is none', 'GET / HTTP/1.1\r\nHost: a b/c\r\nConnection: close\r\n\r\n', 400],
    ['two lengths', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx', 400],
    [
      'a length and chunks',
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
    ],
    [
      'a coding that is not taken off',
      'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\nConnection: close\r\n\r\n0\r\n\r\n',
      501,
    ],
    ['a folded field', 'GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\nConnection: close\r\n\r\n', 400],
    ['a space before the colon', 'GET / HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n', 400],
    ['a control in a field', 'GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n', 400],
    ['a bare line feed', 'GET / HTTP/1.1\nHost: a\n\n', 400],
    ['a head that is too large', `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(17 * 1024)}\r\n\r\n`, 431],
    ['HTTP/2 over plain TCP', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
    ['noise', '\x16\x03\x01\x02\x00\x01\x00\x01', 400],
  ]
  test.each(refused)('%s', async (_name, request, status) => {
    let isCalled = false
    const { port } = await serving(
      new Hono().all('*', (c) => {
        isCalled = true
        return c.text('')
      }),
    )
    const answer = await rawClient(port, request).closed
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    expect(answer).not.toContain('secret')
    expect(isCalled).toBe(false)
  })

  test('a head that takes too long', async () => {
    const { port } = await serving(hello(), { limits: { headersTimeoutMs: 50, checkIntervalMs: 10 } })
    expect(await rawClient(port, 'GET / HTTP/1.1\r\nHost: a\r\n').closed).toMatch(/^HTTP\/1\.1 408 /)
  })
})

test.each(['h2c', 'websocket', 'TLS/1.3'])('an Upgrade to %s is plain HTTP', async (protocol) => {
  const { port } = await serving(hello())
  const request = `GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`
  expect(await rawClient(port, request).until(/hello/)).toMatch(/^HTTP\/1\.1 200 /)
})

test('an upload may take longer than a head', async () => {
  const app = new Hono().post('*', async (c) => c.text(String((await c.req.text()).length)))
  const slowHead = deferred()
  const { port } = await serving(app, { limits: { headersTimeoutMs: 50, checkIntervalMs: 10 } })
  const client = rawClient(port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nConnection: close\r\n\r\nab')
  // Another connection is cut for its slow head; by then this one is over the same limit.
  void rawClient(port, 'GET / HTTP/1.1\r\n').closed.then(() => slowHead.resolve())
  await slowHead.promise
  client.socket.write('cd')
  expect(await client.closed).toMatch(/200 OK[\s\S]*\r\n\r\n4$/)
})

test('TLS with a key and a certificate', async () => {
  const server = await listen({
    host: 'localhost',
    tls,
    fetch: (request) => new Response(new URL(request.url).protocol),
  })
  expect(server.url).toBe(`https://localhost:${server.port}`)
  const body = deferred<string>()
  https.get(server.url, { ca: tls.cert }, (response) => {
    response.once('data', (chunk) => body.resolve(String(chunk)))
  })
  expect(await body.promise).toBe('https:')
})

test('a port that is taken is an error to whoever starts', async () => {
  const { port } = await serving(hello())
  await expect(listen({ port, fetch: () => new Response() })).rejects.toMatchObject({ code: 'EADDRINUSE' })
})

test.each([
  ['an error', new Error('secret detail')],
  ['what is no error', 'odd'],
  ['what has the name of a timeout', Object.assign(new Error('secret detail'), { name: 'TimeoutError' })],
])('an app that throws %s gets a plain 500, told to the log alone', async (_what, thrown) => {
  const told: unknown[] = []
  const { url } = await listen({ fetch: () => Promise.reject(thrown), onError: (error) => told.push(error) })
  const response = await fetch(url)
  expect([response.status, response.headers.get('content-type')]).toEqual([500, 'application/problem+json'])
  expect(response.headers.get('cache-control')).toBe('no-store')
  expect(await response.text()).not.toContain('secret detail')
  expect(told).toEqual([thrown])
})

describe('what the runtime tells of a request', () => {
  test('is the target as it came, the fields, and the peer', async () => {
    const runtime = testRuntime()
    const app = new Hono().all('*', (c) =>
      c.json([runtime.requestTarget(c), runtime.requestHeaders(c)['x-two'], runtime.peerAddress(c)]),
    )
    const { port } = await serving(app)
    const target = '/a/../b//%2e/c;d?x=%zz&y=\\'
    const client = rawClient(
      port,
      `GET ${target} HTTP/1.1\r\nHost: a\r\nX-Two: 1\r\nx-two: 2\r\nConnection: close\r\n\r\n`,
    )
    const answer = await client.closed
    expect(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4))).toEqual([target, '1, 2', '127.0.0.1'])
  })

  test('has no body where the framing says so', async () => {
    const runtime = testRuntime()
    const app = new Hono().all('*', (c) => c.json(runtime.requestBody(c) === null))
    const { url } = await serving(app)
    expect(await (await fetch(url)).json()).toBe(true)
    expect(await (await fetch(url, { method: 'POST' })).json()).toBe(true)
    expect(await (await fetch(url, { method: 'POST', body: '1' })).json()).toBe(false)
  })
})

describe('a close', () => {
  test('waits for the answers under way, and takes no more', async () => {
    const arrived = deferred()
    const go = deferred()
    const { origin } = await upstream(async (_incoming, outgoing) => {
      arrived.resolve()
      await go.promise
      outgoing.end('in the end')
    })
    const server = await serving(forwarding(testRuntime(), origin), { closeTimeoutMs: 10_000 })
    const client = rawClient(server.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await arrived.promise
    const closing = server.close()
    await expect(fetch(server.url)).rejects.toThrow()
    go.resolve()
    await closing
    expect((await client.closed).toLowerCase()).toMatch(/connection: close[\s\S]*in the end/)
  })

  test('ends kept connections at once', async () => {
    const server = await serving(hello(), { closeTimeoutMs: 10_000 })
    const client = rawClient(server.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await client.until(/hello/)
    await server.close()
    await client.closed
  })

  test('ends event streams at once, and their upstreams', async () => {
    const gone = deferred()
    const { origin } = await upstream((_incoming, outgoing) => {
      outgoing.once('close', () => gone.resolve())
      outgoing.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
    })
    const server = await serving(forwarding(testRuntime(), origin), { closeTimeoutMs: 10_000 })
    const client = rawClient(server.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await client.until(/data: 1/)
    await server.close()
    expect(await client.closed).toMatch(/\r\n0\r\n\r\n$/)
    await gone.promise
  })

  test('ends the event streams of the host app too', async () => {
    const over = deferred()
    const app = new Hono().get('*', (c) =>
      streamSSE(c, async (stream) => {
        stream.onAbort(() => over.resolve())
        await stream.writeSSE({ data: '1' })
        await over.promise
      }),
    )
    const server = await serving(app, { closeTimeoutMs: 10_000 })
    const client = rawClient(server.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await client.until(/data: 1/)
    await server.close()
    await client.closed
  })

  test('cuts what does not end in time', async () => {
    const { origin } = await upstream((_incoming, outgoing) => outgoing.write('endless'))
    const server = await serving(forwarding(testRuntime(), origin), { closeTimeoutMs: 20 })
    const client = rawClient(server.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await client.until(/endless/)
    await server.close()
    expect(await client.closed).not.toMatch(/\r\n0\r\n\r\n$/)
  })

  test('can be asked for twice', async () => {
    const server = await serving(hello())
    await Promise.all([server.close(), server.close()])
  })

  test('waits for work that outlives its request, and for what that starts', async () => {
    const runtime = testRuntime()
    const first = deferred()
    const steps: string[] = []
    const app = new Hono().get('*', (c) => {
      runtime.waitUntil(
        c,
        first.promise.then(() => {
          steps.push('first')
          runtime.waitUntil(
            c,
            Promise.resolve().then(() => steps.push('second')),
          )
        }),
      )
      return c.text('answered')
    })
    const server = await serve(app, { host: '127.0.0.1', runtime })
    onCleanup(() => server.close())
    expect(await (await fetch(server.url)).text()).toBe('answered')
    const closing = server.close().then(() => steps.push('closed'))
    first.resolve()
    await closing
    expect(steps).toEqual(['first', 'second', 'closed'])
  })

  test('is not held up by work that fails, which is told', async () => {
    const errors: unknown[] = []
    const runtime = testRuntime({ onError: (error) => errors.push(error) })
    const failure = new Error('later')
    const app = new Hono().get('*', (c) => {
      runtime.waitUntil(c, Promise.reject(failure))
      return c.text('answered')
    })
    const server = await serve(app, { host: '127.0.0.1', runtime })
    await fetch(server.url)
    await server.close()
    expect(errors).toEqual([failure])
  })
})
