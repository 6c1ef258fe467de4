import type { IncomingMessage } from 'node:http'
import { PassThrough } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, test } from 'vitest'
import { CoatcheckError } from '../../src/errors.ts'
import { type NodeTransport, type NodeTransportOptions, nodeTransport } from '../../src/node/transport.ts'
import { Upload } from '../../src/node/upload.ts'
import type { UpstreamBody, UpstreamRequest } from '../../src/runtime.ts'
import { bodyText, closedPort, closeEverything, deferred, onCleanup, rawUpstream, upstream } from './loopback.ts'

afterEach(closeEverything)

function transport(options?: NodeTransportOptions): NodeTransport {
  const made = nodeTransport(options)
  onCleanup(() => made.close())
  return made
}

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

async function text(body: UpstreamBody | null): Promise<string> {
  return body === null ? '' : await new Response(body.stream()).text()
}

describe('what goes on the wire', () => {
  test('is the target, the fields in their order, and of our own only those of the connection', async () => {
    const seen = deferred<string>()
    const origin = await rawUpstream((socket) => {
      socket.once('data', (data) => {
        seen.resolve(data.toString('latin1'))
        socket.end('HTTP/1.1 204 No Content\r\n\r\n')
      })
    })
    await transport().send(
      get(origin, {
        target: '/a/%2e%2e/b//c;d?x=%20&y=[1]',
        headers: [
          ['x-one', '1'],
          ['x-two', 'caf\xe9'],
          ['x-one', '2'],
        ],
      }),
    )
    expect(await seen.promise).toBe(
      `GET /a/%2e%2e/b//c;d?x=%20&y=[1] HTTP/1.1\r\nhost: ${origin.slice(7)}\r\nconnection: keep-alive\r\n` +
        'x-one: 1\r\nx-two: caf\xe9\r\nx-one: 2\r\n\r\n',
    )
  })

  test('leaves out fields of the connection, and a length that has no body', async () => {
    const { origin } = await upstream((incoming, outgoing) => outgoing.end(JSON.stringify(incoming.headers)))
    const answer = await transport().send(
      get(origin, {
        headers: [
          ['connection', 'close'],
          ['transfer-encoding', 'chunked'],
          ['expect', '100-continue'],
          ['upgrade', 'h2c'],
          ['content-length', '5'],
        ],
      }),
    )
    expect(JSON.parse(await text(answer.body))).toEqual({ host: origin.slice(7), connection: 'keep-alive' })
  })

  test('keeps the length of an upload that announced one, and chunks the others', async () => {
    const { origin } = await upstream(async (incoming, outgoing) => {
      const body = await bodyText(incoming)
      outgoing.end(`${incoming.headers['content-length']} ${incoming.headers['transfer-encoding']} ${body}`)
    })
    async function* body() {
      yield Buffer.from('he')
      yield Buffer.from('llo')
    }
    const send = async (headers: [string, string][]) =>
      text((await transport().send(get(origin, { method: 'POST', headers, body: body() }))).body)
    expect(await send([['content-length', '5']])).toBe('5 undefined hello')
    expect(await send([])).toBe('undefined chunked hello')
  })

  test.each([
    ['the upstream', 'upstream_unreachable'],
    ['the client', 'AbortError'],
  ])('is told apart by who broke it off: %s', async (who, said) => {
    const client = new PassThrough()
    const origin = await rawUpstream((socket) => {
      socket.once('data', () => {
        if (who === 'the upstream') socket.resetAndDestroy()
        else client.destroy(new Error('gone'))
      })
    })
    client.write(Buffer.alloc(64 * 1024))
    const body = new Upload(client as unknown as IncomingMessage, 60_000)
    const sent = transport().send(get(origin, { method: 'POST', headers: [['content-length', '1000000']], body }))
    const error = await sent.catch((thrown: unknown) => thrown)
    expect(error instanceof CoatcheckError ? error.code : (error as Error).name).toBe(said)
    expect(client.destroyed).toBe(who === 'the client')
  })

  test('is never more than the announced length', async () => {
    const origin = await rawUpstream((socket) => socket.resume())
    async function* body() {
      yield Buffer.from('hello GET /smuggled HTTP/1.1\r\n\r\n')
    }
    await expect(
      transport().send(get(origin, { method: 'POST', headers: [['content-length', '5']], body: body() })),
    ).rejects.toMatchObject({ code: 'upstream_unreachable' })
  })
})

describe('an answer', () => {
  test('has names in lower case, repeated fields, and the bytes of their values', async () => {
    const origin = await rawUpstream((socket) => {
      socket.once('data', () => {
        const head =
          'HTTP/1.1 200 Fine\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\n__proto__: a field\r\nX: caf\xe9\r\nContent-Length: 0\r\n\r\n'
        socket.write(head, 'latin1')
      })
    })
    const answer = await transport().send(get(origin))
    expect(answer.headers).toEqual([
      ['set-cookie', 'a=1'],
      ['set-cookie', 'b=2'],
      ['__proto__', 'a field'],
      ['x', 'caf\xe9'],
      ['content-length', '0'],
    ])
  })

  test('that redirects is given as it is', async () => {
    const { origin } = await upstream((_incoming, outgoing) => outgoing.writeHead(302, { location: '/next' }).end())
    expect((await transport().send(get(origin))).status).toBe(302)
  })

  test('that is compressed stays compressed', async () => {
    const packed = gzipSync('hello')
    const { origin } = await upstream((_incoming, outgoing) =>
      outgoing.writeHead(200, { 'content-encoding': 'gzip' }).end(packed),
    )
    const answer = await transport().send(get(origin))
    expect(Buffer.from(await new Response(answer.body?.stream() ?? null).arrayBuffer())).toEqual(packed)
  })

  test('to HEAD, 204 and 304 have no body', async () => {
    const { origin } = await upstream((incoming, outgoing) => {
      outgoing.writeHead(Number(incoming.url?.slice(1)), { etag: '"1"' }).end()
    })
    const client = transport()
    expect((await client.send(get(origin, { method: 'HEAD', target: '/200' }))).body).toBeNull()
    expect((await client.send(get(origin, { target: '/204' }))).body).toBeNull()
    expect((await client.send(get(origin, { target: '/304' }))).body).toBeNull()
  })

  test('is preceded by 103s that are dropped', async () => {
    const { origin } = await upstream((_incoming, outgoing) => {
      outgoing.writeEarlyHints({ link: '</evil.js>; rel=preload; as=script' }, () => outgoing.end('real'))
    })
    const answer = await transport().send(get(origin))
    expect(answer.headers.map(([name]) => name.toLowerCase())).not.toContain('link')
    expect(await text(answer.body)).toBe('real')
  })

  test.each([
    'HTTP/1.1 999 Odd\r\n\r\n',
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n',
  ])('with a status that is none is an upstream out of order: %j', async (head) => {
    const origin = await rawUpstream((socket) => socket.once('data', () => socket.write(head)))
    await expect(transport().send(get(origin))).rejects.toMatchObject({ code: 'upstream_unreachable' })
  })

  test('leaves its connection to the requests after it', async () => {
    const server = await upstream((_incoming, outgoing) => outgoing.end('ok'))
    const client = transport()
    for (let index = 0; index < 20; index++) await text((await client.send(get(server.origin))).body)
    // undici gives a connection back a turn of the event loop later, so a second one may be made.
    expect(server.connections()).toBeLessThanOrEqual(2)
  })
})

describe('an upstream that fails', () => {
  test('refusing the connection is unreachable', async () => {
    await expect(transport().send(get(`http://127.0.0.1:${await closedPort()}`))).rejects.toMatchObject({
      code: 'upstream_unreachable',
    })
  })

  test('with a name that nobody knows is unreachable', async () => {
    await expect(transport().send(get('http://nowhere.invalid'))).rejects.toMatchObject({
      code: 'upstream_unreachable',
    })
  })

  test('speaking no TLS is unreachable', async () => {
    const { origin } = await upstream((_incoming, outgoing) => outgoing.end('plain'))
    await expect(transport().send(get(origin.replace('http:', 'https:')))).rejects.toMatchObject({
      code: 'upstream_unreachable',
    })
  })

  test.each(['', 'HTTP/1.1 200 O', 'HTTP/1.1 200 OK\r\nContent-Le', 'garbage\r\n\r\n'])(
    'cutting off after %j is unreachable',
    async (sent) => {
      const origin = await rawUpstream((socket) => socket.once('data', () => socket.end(sent)))
      await expect(transport().send(get(origin))).rejects.toMatchObject({ code: 'upstream_unreachable' })
    },
  )

  test('that says nothing is a time-out', async () => {
    const origin = await rawUpstream((socket) => socket.resume())
    await expect(transport().send(get(origin, { headersTimeoutMs: 50 }))).rejects.toMatchObject({
      code: 'upstream_timeout',
    })
  })

  test('whose connections are all taken is a time-out too', async () => {
    const { origin } = await upstream(() => {})
    const client = transport({ connections: 1 })
    const first = new AbortController()
    const held = client.send(get(origin, { signal: first.signal })).catch((error: unknown) => error)
    await expect(client.send(get(origin, { headersTimeoutMs: 30 }))).rejects.toMatchObject({ code: 'upstream_timeout' })
    first.abort()
    expect(await held).toMatchObject({ name: 'AbortError' })
  })

  test.each([
    ['a length', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart'],
    ['chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n'],
  ])('in the middle of a body with %s breaks the body', async (_name, sent) => {
    const origin = await rawUpstream((socket) => socket.once('data', () => socket.end(sent)))
    const answer = await transport().send(get(origin))
    await expect(text(answer.body)).rejects.toThrow()
  })

  test('that falls silent in the middle of a body breaks the body', async () => {
    const { origin } = await upstream((_incoming, outgoing) => outgoing.write('part'))
    const answer = await transport().send(get(origin, { bodyTimeoutMs: 50 }))
    await expect(text(answer.body)).rejects.toThrow()
  })
})

describe('a client that leaves', () => {
  test('before the request is sent: nothing is', async () => {
    const server = await upstream((_incoming, outgoing) => outgoing.end())
    const reason = new DOMException('gone', 'AbortError')
    await expect(transport().send(get(server.origin, { signal: AbortSignal.abort(reason) }))).rejects.toBe(reason)
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
    const answer = transport().send(get(origin, { signal: controller.signal }))
    await arrived.promise
    controller.abort()
    await expect(answer).rejects.toMatchObject({ name: 'AbortError' })
    await gone.promise
  })

  test('while waiting for a connection gives its place up', async () => {
    const held = deferred()
    const { origin } = await upstream(async (incoming, outgoing) => {
      if (incoming.url === '/held') await held.promise
      outgoing.end(incoming.url)
    })
    const client = transport({ connections: 1 })
    const first = client.send(get(origin, { target: '/held' }))
    const controller = new AbortController()
    const second = client.send(get(origin, { target: '/left', signal: controller.signal }))
    const third = client.send(get(origin, { target: '/stays' }))
    controller.abort()
    await expect(second).rejects.toMatchObject({ name: 'AbortError' })
    held.resolve()
    await text((await first).body)
    expect(await text((await third).body)).toBe('/stays')
  })

  test.each(['signal', 'cancel'])('in the middle of the body takes the rest with it (%s)', async (way) => {
    const gone = deferred()
    const { origin } = await upstream((_incoming, outgoing) => {
      outgoing.once('close', () => gone.resolve())
      outgoing.write('part')
    })
    const controller = new AbortController()
    const answer = await transport().send(get(origin, { signal: controller.signal }))
    if (way === 'signal') controller.abort()
    else answer.body?.cancel()
    await gone.promise
  })
})

describe('an upload', () => {
  test('that the upstream refuses before it is read gets that answer, and ends', async () => {
    const { origin } = await upstream((_incoming, outgoing) => {
      outgoing.writeHead(413, { 'content-type': 'text/plain' }).end('too much')
    })
    const stopped = deferred()
    async function* endless() {
      try {
        for (;;) yield Buffer.alloc(64 * 1024)
      } finally {
        stopped.resolve()
      }
    }
    const answer = await transport().send(get(origin, { method: 'POST', body: endless() }))
    expect(answer.status).toBe(413)
    expect(await text(answer.body)).toBe('too much')
    await stopped.promise
  })

  test('whose body says why it stopped is refused with that', async () => {
    const { origin } = await upstream((incoming) => incoming.resume())
    async function* tooMuch() {
      yield Buffer.from('some')
      throw new CoatcheckError('payload_too_large')
    }
    await expect(transport().send(get(origin, { method: 'POST', body: tooMuch() }))).rejects.toMatchObject({
      code: 'payload_too_large',
    })
  })

  test('whose client breaks off is an abort, not a fault of the upstream', async () => {
    const { origin } = await upstream((incoming) => incoming.resume())
    async function* broken() {
      yield Buffer.from('some')
      throw new Error('ECONNRESET')
    }
    await expect(transport().send(get(origin, { method: 'POST', body: broken() }))).rejects.toMatchObject({
      name: 'AbortError',
    })
  })

  test('to an upstream that dies half-way is unreachable', async () => {
    const origin = await rawUpstream((socket) => socket.once('data', () => socket.resetAndDestroy()))
    async function* endless() {
      for (;;) yield Buffer.alloc(64 * 1024)
    }
    await expect(transport().send(get(origin, { method: 'POST', body: endless() }))).rejects.toMatchObject({
      code: 'upstream_unreachable',
    })
  })
})

test('event streams do not take the places of other requests, and may be silent', async () => {
  const { origin } = await upstream((incoming, outgoing) => {
    if (incoming.headers.accept !== 'text/event-stream') outgoing.end('served')
    else outgoing.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
  })
  const client = transport({ connections: 1 })
  const streams = await Promise.all(
    [1, 2, 3].map(() => client.send(get(origin, { headers: [['Accept', 'text/event-stream']], bodyTimeoutMs: 1 }))),
  )
  expect(await text((await client.send(get(origin))).body)).toBe('served')
  for (const stream of streams) stream.body?.cancel()
})

test('a field that cannot be written is our own fault', async () => {
  const { origin } = await upstream((_incoming, outgoing) => outgoing.end())
  await expect(transport().send(get(origin, { headers: [['x', 'a\nb']] }))).rejects.toMatchObject({
    code: 'internal_error',
  })
})

test('a body that nobody reads stops the upstream', async () => {
  let written = 0
  const { origin } = await upstream((_incoming, outgoing) => {
    const more = () => {
      while (outgoing.write(Buffer.alloc(64 * 1024))) written += 64 * 1024
      outgoing.once('drain', more)
    }
    more()
  })
  const client = transport()
  const answer = await client.send(get(origin))
  // Other requests go on meanwhile; when they are through, the first would have had time to fill the memory.
  const { origin: other } = await upstream((_incoming, outgoing) => outgoing.end('x'.repeat(1024 * 1024)))
  for (let index = 0; index < 20; index++) await text((await client.send(get(other))).body)
  const before = written
  for (let index = 0; index < 20; index++) await text((await client.send(get(other))).body)
  expect(written).toBe(before)
  answer.body?.cancel()
})

describe('places', () => {
  async function* forever(signal: AbortSignal) {
    yield Buffer.from('a')
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
  }

  test('of reads are not used up by uploads that never end, nor by event streams', async () => {
    const { origin } = await upstream((incoming, outgoing) => {
      if (incoming.method === 'POST') return
      if (incoming.url === '/events') outgoing.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
      else outgoing.end('read')
    })
    const sender = transport({ connections: 1, eventStreams: 1 })
    const end = new AbortController()
    const upload = sender.send(get(origin, { method: 'POST', body: forever(end.signal), signal: end.signal }))
    const events = await sender.send(
      get(origin, { target: '/events', headers: [['accept', 'text/event-stream']], signal: end.signal }),
    )
    expect(events.status).toBe(200)
    expect(await text((await sender.send(get(origin))).body)).toBe('read')
    end.abort(new Error('enough'))
    await expect(upload).rejects.toThrow('enough')
  })

  test('come back after an answer, an error and an abort', async () => {
    const { origin } = await upstream((incoming, outgoing) => {
      if (incoming.url === '/reset') incoming.socket.destroy()
      else if (incoming.url !== '/silent') outgoing.end('read')
    })
    const sender = transport({ connections: 1 })
    for (let round = 0; round < 3; round++) {
      await expect(sender.send(get(origin, { target: '/reset' }))).rejects.toMatchObject({
        code: 'upstream_unreachable',
      })
      await expect(sender.send(get(origin, { target: '/silent', headersTimeoutMs: 20 }))).rejects.toBeInstanceOf(
        CoatcheckError,
      )
      expect(await text((await sender.send(get(origin))).body)).toBe('read')
      expect((await sender.send(get(origin, { method: 'HEAD' }))).body).toBeNull()
      const unread = await sender.send(get(origin))
      unread.body?.cancel()
    }
  })

  test('are waited for in a line that has an end', async () => {
    const held: (() => void)[] = []
    const arrived = deferred<void>()
    const { origin } = await upstream((_incoming, outgoing) => {
      held.push(() => outgoing.end('read'))
      arrived.resolve()
    })
    const sender = transport({ connections: 1 })
    const first = sender.send(get(origin))
    await arrived.promise
    const waiting = Array.from({ length: 10 }, () => sender.send(get(origin, { headersTimeoutMs: 50 })))
    const results = Promise.allSettled(waiting)
    await expect(sender.send(get(origin))).rejects.toMatchObject({ code: 'upstream_busy' })
    for (const result of await results) expect(result).toMatchObject({ reason: { code: 'upstream_timeout' } })
    held[0]?.()
    expect(await text((await first).body)).toBe('read')
  })
})

test('asking for events does not lift the time limit of an answer that is none', async () => {
  const { origin } = await upstream((incoming, outgoing) => {
    outgoing.setHeader('content-type', incoming.url === '/events' ? 'text/event-stream' : 'application/json')
    outgoing.write('a')
  })
  const ask = { headers: [['accept', 'text/event-stream']] as const, bodyTimeoutMs: 30 }
  const sender = transport()
  await expect(text((await sender.send(get(origin, ask))).body)).rejects.toThrow()
  const events = await sender.send(get(origin, { ...ask, target: '/events' }))
  const reader = events.body?.stream().getReader()
  expect(new TextDecoder().decode((await reader?.read())?.value)).toBe('a')
  const next = reader?.read()
  // Longer than the limit, by the other answer's own clock.
  await expect(text((await sender.send(get(origin, ask))).body)).rejects.toThrow()
  const race = await Promise.race([next?.then(() => 'ended'), Promise.resolve('open')])
  expect(race).toBe('open')
  await reader?.cancel()
})
