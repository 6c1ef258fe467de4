import { gzipSync } from 'node:zlib'
import { type Context, Hono } from 'hono'
import { afterEach, describe, expect, test } from 'vitest'
import { CoatcheckError } from '../src/errors.ts'
import type { HeaderList, UpstreamBody, UpstreamRequest } from '../src/runtime.ts'
import { targetOf, webRuntime } from '../src/web-runtime.ts'
import { bodyText, closedPort, closeEverything, deferred, rawUpstream, upstream } from './node/loopback.ts'

afterEach(closeEverything)

function get(origin: string, more: Partial<UpstreamRequest> = {}): UpstreamRequest {
  return {
    origin,
    target: '/',
    method: 'GET',
    headers: [],
    body: null,
    signal: new AbortController().signal,
    headersTimeoutMs: 5_000,
    bodyTimeoutMs: 5_000,
    ...more,
  }
}

function send(request: UpstreamRequest, options: Parameters<typeof webRuntime>[0] = {}) {
  return webRuntime(options).transport.send(request)
}

async function text(body: UpstreamBody | null): Promise<string> {
  return body === null ? '' : await new Response(body.stream()).text()
}

describe('a request to an upstream', () => {
  test('carries target, method, fields and a streamed body', async () => {
    const { origin } = await upstream(async (incoming, outgoing) => {
      outgoing.end([incoming.method, incoming.url, incoming.headers['x-one'], await bodyText(incoming)].join(' '))
    })
    async function* body() {
      yield Buffer.from('from ')
      yield Buffer.from('pieces')
    }
    const request = get(origin, { method: 'PUT', target: '/a/b?c=%20', headers: [['x-one', '1']] })
    const answer = async (sent: UpstreamRequest['body']) => text((await send({ ...request, body: sent })).body)
    expect(await answer(body())).toBe('PUT /a/b?c=%20 1 from pieces')
    expect(await answer(new Blob(['from a stream']).stream())).toBe('PUT /a/b?c=%20 1 from a stream')
    expect(await answer(new TextEncoder().encode('from bytes'))).toBe('PUT /a/b?c=%20 1 from bytes')
  })

  test('goes to a service binding where there is one', async () => {
    const binding = {
      fetch: async (request: Request) => new Response(`${request.method} ${request.url} ${await request.text()}`),
    }
    const answer = await send(
      get('https://binding.internal', { method: 'POST', target: '/x', body: new TextEncoder().encode('b'), binding }),
    )
    expect(await text(answer.body)).toBe('POST https://binding.internal/x b')
  })

  test('does not follow a redirect', async () => {
    const { origin } = await upstream((_incoming, outgoing) => outgoing.writeHead(302, { location: '/next' }).end())
    const answer = await send(get(origin))
    expect(answer.status).toBe(302)
    expect(answer.headers).toContainEqual(['location', '/next'])
  })
})

describe('an answer of an upstream', () => {
  test('keeps each of its cookies', async () => {
    const { origin } = await upstream((_incoming, outgoing) => {
      outgoing.writeHead(200, { 'set-cookie': ['a=1; Expires=Wed, 01 Jan 2031 00:00:00 GMT', 'b=2'] }).end()
    })
    const { headers } = await send(get(origin))
    expect(headers.filter(([name]) => name === 'set-cookie')).toHaveLength(2)
  })

  test('is asked for uncompressed, and one that is compressed all the same loses what is not true any more', async () => {
    const { origin } = await upstream((incoming, outgoing) => {
      const packed = gzipSync(`wanted ${incoming.headers['accept-encoding']}`)
      outgoing.writeHead(200, { 'content-encoding': 'gzip', 'content-length': packed.byteLength }).end(packed)
    })
    const answer = await send(get(origin, { headers: [['accept-encoding', 'gzip, br']] }))
    const names = answer.headers.map(([name]) => name)
    expect(names).not.toContain('content-encoding')
    expect(names).not.toContain('content-length')
    expect(await text(answer.body)).toBe('wanted identity')
  })

  test('keeps its encoding where the runtime keeps bodies as they are', async () => {
    const { origin } = await upstream((incoming, outgoing) => {
      outgoing.writeHead(200, { 'content-encoding': 'gzip', 'x-wanted': incoming.headers['accept-encoding'] })
      outgoing.end(gzipSync('packed'))
    })
    const answer = await send(get(origin, { headers: [['accept-encoding', 'gzip']] }), { contentEncoding: 'kept' })
    expect(answer.headers).toContainEqual(['content-encoding', 'gzip'])
    expect(answer.headers).toContainEqual(['x-wanted', 'gzip'])
    answer.body?.cancel()
  })

  test.each([
    ['HEAD', 200],
    ['GET', 204],
    ['GET', 304],
  ])('to %s with %d has no body', async (method, status) => {
    const { origin } = await upstream((_incoming, outgoing) => outgoing.writeHead(status).end())
    const answer = await send(get(origin, { method }))
    expect([answer.status, answer.body]).toEqual([status, null])
  })
})

describe('an upstream that fails', () => {
  test('refusing the connection is unreachable', async () => {
    await expect(send(get(`http://127.0.0.1:${await closedPort()}`))).rejects.toMatchObject({
      code: 'upstream_unreachable',
    })
  })

  test('that says nothing is a time-out', async () => {
    const origin = await rawUpstream((socket) => socket.resume())
    await expect(send(get(origin, { headersTimeoutMs: 30 }))).rejects.toMatchObject({ code: 'upstream_timeout' })
  })

  test('a body may take longer than a head', async () => {
    const go = deferred()
    const { origin } = await upstream(async (_incoming, outgoing) => {
      outgoing.write('slow ')
      await go.promise
      outgoing.end('body')
    })
    const answer = await send(get(origin, { headersTimeoutMs: 500 }))
    // Another request is over the same limit; this one had its head already.
    const silent = await rawUpstream((socket) => socket.resume())
    await expect(send(get(silent, { headersTimeoutMs: 550 }))).rejects.toMatchObject({ code: 'upstream_timeout' })
    go.resolve()
    expect(await text(answer.body)).toBe('slow body')
  })

  test('cutting off in the middle of the body breaks the body', async () => {
    const origin = await rawUpstream((socket) => {
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart'))
    })
    const answer = await send(get(origin))
    await expect(text(answer.body)).rejects.toThrow()
  })

  test('an upload that says why it stopped is refused with that', async () => {
    const { origin } = await upstream((incoming) => incoming.resume())
    async function* tooMuch() {
      yield Buffer.from('some')
      throw new CoatcheckError('payload_too_large')
    }
    await expect(send(get(origin, { method: 'POST', body: tooMuch() }))).rejects.toMatchObject({
      code: 'payload_too_large',
    })
  })
})

describe('a client that leaves', () => {
  test('before the request is sent: nothing is', async () => {
    const server = await upstream((_incoming, outgoing) => outgoing.end())
    await expect(send(get(server.origin, { signal: AbortSignal.abort() }))).rejects.toMatchObject({
      name: 'AbortError',
    })
    expect(server.connections()).toBe(0)
  })

  test('before the head takes its request with it', async () => {
    const arrived = deferred()
    const gone = deferred()
    const { origin } = await upstream((incoming) => {
      incoming.once('close', () => gone.resolve())
      arrived.resolve()
    })
    const controller = new AbortController()
    const answer = send(get(origin, { signal: controller.signal }))
    await arrived.promise
    controller.abort()
    await expect(answer).rejects.toMatchObject({ name: 'AbortError' })
    await gone.promise
  })

  test.each(['signal', 'cancel'])('in the middle of the body takes the rest with it (%s)', async (way) => {
    const gone = deferred()
    const { origin } = await upstream((_incoming, outgoing) => {
      outgoing.once('close', () => gone.resolve())
      outgoing.write('part')
    })
    const controller = new AbortController()
    const answer = await send(get(origin, { signal: controller.signal }))
    if (way === 'signal') controller.abort()
    else answer.body?.cancel()
    await gone.promise
  })
})

describe('the answer to the client', () => {
  const runtime = webRuntime()

  function answering(
    status: number,
    headers: HeaderList,
    body: UpstreamBody | null,
    finish: () => HeaderList | Promise<HeaderList>,
  ): Hono {
    return new Hono().get('*', (c) => runtime.respond(c, { status, headers }, body, finish))
  }

  function bodyOf(content: string, onCancel = () => {}): UpstreamBody {
    return { stream: () => new Blob([content]).stream(), cancel: onCancel }
  }

  test('streams the body, adds our cookies and replaces other fields', async () => {
    const app = answering(
      201,
      [
        ['set-cookie', 'theirs=1'],
        ['cache-control', 'public'],
      ],
      bodyOf('body'),
      async () => [
        ['set-cookie', 'ours=1'],
        ['set-cookie', 'ours=2'],
        ['cache-control', 'private, no-store'],
      ],
    )
    const response = await app.request('/')
    expect([response.status, await response.text()]).toEqual([201, 'body'])
    expect(response.headers.getSetCookie()).toEqual(['theirs=1', 'ours=1', 'ours=2'])
    expect(response.headers.get('cache-control')).toBe('private, no-store')
  })

  test('with a status that has no body has none', async () => {
    let isCancelled = false
    const body = bodyOf('body', () => {
      isCancelled = true
    })
    const response = await answering(204, [], body, () => []).request('/')
    expect([response.status, await response.text()]).toEqual([204, ''])
    expect(isCancelled).toBe(true)
  })

  test('whose cookies cannot be decided is an error, and the body is cancelled', async () => {
    let isCancelled = false
    const body = bodyOf('body', () => {
      isCancelled = true
    })
    const app = answering(200, [], body, () => Promise.reject(new CoatcheckError('store_unavailable')))
    app.onError((error, c) => c.text((error as CoatcheckError).code, 503))
    const response = await app.request('/')
    expect([response.status, await response.text()]).toEqual([503, 'store_unavailable'])
    expect(isCancelled).toBe(true)
  })
})

describe('what the runtime tells of a request', () => {
  const runtime = webRuntime({ peerAddress: (c) => c.req.header('cf-connecting-ip') })

  async function told<T>(look: (c: Context) => T | Promise<T>, path = '/', init: RequestInit = {}): Promise<T> {
    let result: T | undefined
    const app = new Hono().all('*', async (c) => {
      result = await look(c)
      return c.body(null)
    })
    await app.request(path, init)
    return result as T
  }

  test.each([
    ['http://a', '/'],
    ['http://a?x=1', '/?x=1'],
    ['http://a/', '/'],
    ['http://a/b/../c//d?e=/f?g', '/b/../c//d?e=/f?g'],
    ['http://a/b#c', '/b'],
    ['https://user@a:1/b', '/b'],
    ['http://[::1]:3000/b?c', '/b?c'],
  ])('the target of %s is %s', (url, target) => {
    expect(targetOf(url)).toBe(target)
  })

  test('fields by lower-case name, the peer as the server says, the body unread', async () => {
    const init = { method: 'POST', body: 'b', headers: { 'X-One': '1', 'cf-connecting-ip': '192.0.2.1' } }
    expect(await told((c) => runtime.requestHeaders(c)['x-one'], '/', init)).toBe('1')
    expect(await told((c) => runtime.peerAddress(c), '/', init)).toBe('192.0.2.1')
    expect(await told((c) => new Response(runtime.requestBody(c) as ReadableStream).text(), '/', init)).toBe('b')
    expect(await told((c) => runtime.requestBody(c))).toBeNull()
  })

  test('a body that a middleware has read already is an error, not a call that hangs', async () => {
    const failure = await told(
      async (c) => {
        await c.req.text()
        try {
          runtime.requestBody(c)
          return undefined
        } catch (error) {
          return error
        }
      },
      '/',
      { method: 'POST', body: 'read' },
    )
    expect(failure).toMatchObject({ code: 'internal_error' })
  })

  test('work that outlives the request is handed to the execution context, and may fail', async () => {
    const handed: Promise<unknown>[] = []
    const context = { waitUntil: (work: Promise<unknown>) => handed.push(work), passThroughOnException() {}, props: {} }
    const app = new Hono().get('*', (c) => {
      runtime.waitUntil(c, Promise.resolve('done'))
      return c.body(null)
    })
    await app.request('/', {}, {}, context as never)
    expect(handed).toHaveLength(1)
    expect(await handed[0]).toBe('done')
    expect((await app.request('/')).status).toBe(200)
  })
})
