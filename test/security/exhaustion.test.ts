/**
 * Attacks on what there is only so much of: connections, memory, places at the API. Limits are small here, and each test
 * waits for what the limit does: an answer, or the end of the connection.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import http from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Attacked, answerTo, type Connection, connectTo, startAttacked, statusesOf } from './attacked.ts'

let attacked: Attacked
let cookie: string
/** An app with a page, and an asset that no buffer on the way takes whole. */
let app: string
const asset = Buffer.alloc(15 * 2 ** 20, 'x')
beforeAll(async () => {
  app = await mkdtemp(path.join(tmpdir(), 'coatcheck-app-'))
  await mkdir(path.join(app, 'assets'))
  await writeFile(path.join(app, 'index.html'), '<!doctype html><title>An app</title>')
  await writeFile(path.join(app, 'assets/big-Dk3xQ9_b.js'), asset)
  attacked = await startAttacked({
    routes: [
      { path: '/api/*', upstream: '/v1', auth: 'session', methods: ['GET', 'POST'] },
      { path: '/api/events', upstream: '/v1/events', auth: 'session', kinds: ['fetch', 'eventsource'] },
      {
        path: '/open/*',
        upstream: '/open',
        auth: 'none',
        reason: 'a test',
        methods: ['GET', 'POST'],
        bodyLimitBytes: 100_000,
      },
    ],
    limits: { headersTimeoutMs: 400, checkIntervalMs: 20, stallTimeoutMs: 400 },
    runtime: { stallTimeoutMs: 400 },
    config: { spa: { dir: app }, trustedProxies: ['127.0.0.0/8', '::1'], streams: { perAddress: 2, total: 5 } },
    upstream: { connections: 2, eventStreams: 4, breaker: false, timeouts: { body: '1s' } },
  })
  cookie = (await attacked.signedIn()).cookies.header(attacked.origin) ?? ''
})
afterAll(async () => {
  await attacked.stop()
  await rm(app, { recursive: true })
})
beforeEach(() => attacked.upstream.reset())

const head = (line: string, fields: readonly string[] = []) =>
  `${[line, `Host: ${attacked.host}`, ...fields].join('\r\n')}\r\n\r\n`
const get = (target: string, fields: readonly string[] = []) =>
  answerTo(attacked.port, head(`GET ${target} HTTP/1.1`, [...fields, 'Connection: close']))

/** Writes again and again, a little each time, until the connection ends. */
function drip(socket: Socket, bytes: string): void {
  const timer = setInterval(() => socket.write(bytes, 'latin1'), 20)
  socket.once('close', () => clearInterval(timer))
}

describe('a slow sender', () => {
  it('of a head is cut off', async () => {
    const slow = connectTo(attacked.port, `GET /open/x HTTP/1.1\r\nHost: ${attacked.host}\r\n`)
    drip(slow.socket, 'X: y\r\n')
    expect(statusesOf(await slow.closed)).toEqual([408])
    expect(attacked.upstream.bytes()).toBe('')
  })

  it('of nothing at all is cut off', async () => {
    expect(statusesOf(await connectTo(attacked.port).closed)).toEqual([408])
  })

  it.each([
    ['a length', ['Content-Length: 90000'], 'x'],
    ['chunks', ['Transfer-Encoding: chunked'], '1\r\nx\r\n'],
  ])(
    'of a body with %s, a byte at a time, is cut off, and so is its request to the API',
    async (_what, fields, piece) => {
      const slow = connectTo(attacked.port, head('POST /open/x HTTP/1.1', fields))
      drip(slow.socket, piece)
      expect(statusesOf(await slow.closed)).toEqual([])
      expect(attacked.upstream.requests()).toEqual([])
    },
  )

  it('in a hundred connections keeps nobody else waiting', async () => {
    const slow = Array.from({ length: 100 }, () => {
      const connection = connectTo(attacked.port, head('POST /open/x HTTP/1.1', ['Content-Length: 9000']))
      drip(connection.socket, 'x')
      return connection
    })
    expect(statusesOf(await get('/open/y'))).toEqual([200])
    await Promise.all(slow.map(({ closed }) => closed))
    expect(attacked.upstream.requests().map(({ target }) => target)).toEqual(['/open/y'])
  })
})

describe('content that nobody reads', () => {
  it.each([
    ['a page', 'GET /', 200],
    ['an endpoint', 'GET /bff/session', 403],
    ['an endpoint that there is none of', 'GET /bff/nowhere', 404],
    ['a route', 'GET /open/x', 400],
    ['a page that takes none', 'POST /', 404],
    ['an endpoint that takes none', 'POST /bff/session', 405],
  ])('and that never comes does not keep the connection open: %s', async (_what, line, status) => {
    const slow = connectTo(attacked.port, head(`${line} HTTP/1.1`, ['Content-Length: 1000000']))
    drip(slow.socket, 'x')
    expect(statusesOf(await slow.closed)).toEqual([status])
    const chunked = connectTo(attacked.port, head(`${line} HTTP/1.1`, ['Transfer-Encoding: chunked']))
    expect(statusesOf(await chunked.closed)).toEqual([status])
  })
})

describe('a slow reader of what Coatcheck serves itself', () => {
  /** Reads nothing of the asset, twice; resolves once another call is answered, with what it got before. */
  async function readNothing({ port, host }: Attacked) {
    const call = () =>
      answerTo(port, `GET /bff/session HTTP/1.1\r\nHost: ${host}\r\nX-CSRF: 1\r\nConnection: close\r\n\r\n`)
    const sockets = [1, 2].map(() => {
      const socket = connect(port, 'localhost')
      socket.on('error', () => socket.destroy())
      socket.pause()
      socket.write(`GET /assets/big-Dk3xQ9_b.js HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
      return socket
    })
    await expect.poll(async () => statusesOf(await call())).toEqual([503])
    await expect.poll(async () => statusesOf(await call()), { timeout: 10_000 }).toEqual([200])
    for (const socket of sockets) socket.destroy()
  }
  const limits = { stallTimeoutMs: 800 }

  it('from a folder is cut off, and others are served again', async () => {
    const served = await startAttacked({ config: { spa: { dir: app }, maxRequests: 2 }, limits })
    try {
      await readNothing(served)
    } finally {
      await served.stop()
    }
  })

  it('from a CDN is cut off, and who takes a little now and then gets all of it', async () => {
    const cdn = http.createServer((_incoming, outgoing) => {
      outgoing.setHeader('content-type', 'text/javascript').end(asset)
    })
    await new Promise<void>((resolve) => cdn.listen(0, '127.0.0.1', resolve))
    const origin = `http://127.0.0.1:${(cdn.address() as AddressInfo).port}`
    const served = await startAttacked({ config: { spa: { origin }, maxRequests: 2 }, limits })
    try {
      await readNothing(served)
      expect(await readSlowly(served)).toBeGreaterThan(asset.byteLength)
    } finally {
      await served.stop()
      cdn.close()
    }
  })

  /** For longer than the limit. */
  async function readSlowly({ port, host }: Attacked): Promise<number> {
    const socket = connect(port, 'localhost')
    const began = performance.now()
    let bytes = 0
    socket.on('data', (chunk) => {
      bytes += chunk.byteLength
      if (performance.now() - began > 3 * limits.stallTimeoutMs) return
      socket.pause()
      setTimeout(() => socket.resume(), 10)
    })
    socket.write(`GET /assets/big-Dk3xQ9_b.js HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
    await new Promise((resolve) => socket.once('close', resolve))
    return bytes
  }
})

describe('a slow reader', () => {
  it('is cut off, the API’s connection is free again, and the answer does not wait in memory', async () => {
    let written = 0
    const stopped = new Promise<void>((resolve) => {
      attacked.upstream.answerWith((socket) => {
        socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
        const piece = `10000\r\n${'x'.repeat(65_536)}\r\n`
        const more = () => {
          while (!socket.destroyed && socket.write(piece)) written += piece.length
        }
        socket.on('drain', more)
        socket.once('close', () => resolve())
        more()
      })
    })
    const socket = connect(attacked.port, 'localhost')
    socket.on('error', () => socket.destroy())
    socket.write(head('GET /open/x HTTP/1.1'))
    socket.pause()
    await stopped
    // What the kernel and both sockets hold, and no more.
    expect(written).toBeLessThan(64 * 2 ** 20)
    socket.destroy()
    attacked.upstream.reset()
    expect(statusesOf(await get('/open/y'))).toEqual([200])
  })
})

describe('too much', () => {
  it.each<readonly [string, () => string, number]>([
    ['of a head', () => head('GET /open/x HTTP/1.1', [`X: ${'x'.repeat(17_000)}`]), 431],
    ['of a name', () => head('GET /open/x HTTP/1.1', [`${'x'.repeat(17_000)}: y`]), 431],
    ['of a target', () => head(`GET /open/${'x'.repeat(17_000)} HTTP/1.1`), 431],
    [
      'of a target, below the head’s limit',
      () => head(`GET /open/${'x'.repeat(9_000)} HTTP/1.1`, ['Connection: close']),
      400,
    ],
    ['of a method', () => `${'G'.repeat(17_000)} / HTTP/1.1\r\n\r\n`, 400],
    [
      'of fields',
      () =>
        head(
          'GET /open/x HTTP/1.1',
          Array.from({ length: 5000 }, (_, index) => `A${index}: b`),
        ),
      431,
    ],
    [
      'of empty fields',
      () =>
        head(
          'GET /open/x HTTP/1.1',
          Array.from({ length: 5000 }, () => 'A:'),
        ),
      431,
    ],
    ['of cookies', () => head('GET /api/x HTTP/1.1', [`Cookie: ${'a=b; '.repeat(4000)}`]), 431],
    ['of a body, announced', () => head('POST /open/x HTTP/1.1', ['Content-Length: 100001', 'Connection: close']), 413],
  ])('%s is refused', async (_what, bytes, status) => {
    expect(statusesOf(await answerTo(attacked.port, bytes()))).toEqual([status])
    expect(attacked.upstream.bytes()).toBe('')
  })

  it('of a body, not announced, ends it where the limit is', async () => {
    const answer = await answerTo(
      attacked.port,
      `${head('POST /open/x HTTP/1.1', ['Transfer-Encoding: chunked', 'Connection: close'])}186a1\r\n${'x'.repeat(100_001)}\r\n0\r\n\r\n`,
    )
    expect(statusesOf(answer)).toEqual([413])
    expect(attacked.upstream.requests()).toEqual([])
  })

  it('of a logout token’s body is refused before anything is read of it', async () => {
    const body = `logout_token=${'x'.repeat(20_000)}`
    const answer = await answerTo(
      attacked.port,
      head('POST /bff/backchannel-logout HTTP/1.1', [
        'Content-Type: application/x-www-form-urlencoded',
        `Content-Length: ${body.length}`,
        'Connection: close',
      ]) + body,
    )
    expect(statusesOf(answer)).toEqual([413])
  })
})

describe('event streams', () => {
  const session = () => [`Cookie: ${cookie}`, 'X-CSRF: 1']
  const silentStream = () =>
    attacked.upstream.answerWith((socket, { target }) => {
      socket.write(
        target.endsWith('/events')
          ? 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n:hi\n\n\r\n'
          : 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
      )
    })

  const streamHead = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n'
  /** An upstream decides what is a stream; the caller may say what it likes. */
  const open = (target: string, fields: readonly string[] = []) =>
    connectTo(attacked.port, head(`GET ${target} HTTP/1.1`, [...session(), ...fields]))
  const leave = async (connections: readonly Connection[]) => {
    for (const { socket } of connections) socket.destroy()
    await Promise.all(connections.map(({ closed }) => closed))
  }
  const callers = [
    ['that were asked for', ['Accept: text/event-stream']],
    ['that nobody asked for', []],
  ] as const

  it.each(callers)('%s and are all taken leave the other calls their places', async (_who, fields) => {
    silentStream()
    const streams = [1, 2, 3, 4].map(() => open('/api/events', fields))
    await expect.poll(() => streams.every(({ received }) => received().includes(':hi'))).toBe(true)
    const answers = await Promise.all(Array.from({ length: 20 }, () => get('/api/x', session())))
    expect(answers.flatMap(statusesOf)).toEqual(Array(20).fill(200))
    await leave(streams)
  })

  it.each(callers)('%s beyond their number are 503, and the API’s connection ends', async (_who, fields) => {
    silentStream()
    const streams = [1, 2, 3, 4].map(() => open('/api/events', fields))
    await expect.poll(() => streams.every(({ received }) => received().includes(':hi'))).toBe(true)
    const dropped = new Promise((resolve) =>
      attacked.upstream.answerWith((socket) => void socket.once('close', resolve).write(streamHead)),
    )
    const answer = await get('/api/events', [...session(), ...fields])
    expect(statusesOf(answer)).toEqual([503])
    expect(answer).toContain('upstream_busy')
    await dropped
    attacked.upstream.reset()
    expect(statusesOf(await get('/api/x', session()))).toEqual([200])
    await leave(streams)
  })

  it('that are over give their places back', async () => {
    silentStream()
    for (let round = 0; round < 10; round++) {
      const stream = open('/api/events', ['Accept: text/event-stream'])
      await expect.poll(() => stream.received(), { interval: 5 }).toContain(':hi')
      await leave([stream])
    }
    expect(statusesOf(await get('/api/x', session()))).toEqual([200])
  })

  it('are not had by a call that only says so: its answer has its time limit', async () => {
    attacked.upstream.answerWith((socket) =>
      socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n'),
    )
    const answer = await get('/api/x', [...session(), 'Accept: text/event-stream'])
    expect(statusesOf(answer)).toEqual([200])
    // Cut where it stood still: the last chunk never came.
    expect(answer).toMatch(/5\r\nhello\r\n$/)
  })

  it('are not had by a call that only says so: it has one of the places of all calls', async () => {
    const held: (() => void)[] = []
    attacked.upstream.answerWith((socket) => {
      held.push(() => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'))
    })
    const calls = Array.from({ length: 8 }, () => get('/api/x', [...session(), 'Accept: text/event-stream']))
    for (let answered = 0; answered < 8; answered += 2) {
      // Two are at the API, and no third one comes.
      await expect.poll(() => held.length).toBe(2)
      expect(attacked.upstream.requests()).toHaveLength(answered + 2)
      for (const answer of held.splice(0)) answer()
    }
    expect((await Promise.all(calls)).flatMap(statusesOf)).toEqual(Array(8).fill(200))
  })

  it('that are open to everybody are so many for one address, with the calls of others untouched', async () => {
    silentStream()
    const from = (address: string) =>
      connectTo(attacked.port, head('GET /open/events HTTP/1.1', [`X-Forwarded-For: ${address}`, 'Connection: close']))
    const streams = [from('192.0.2.1'), from('192.0.2.1')]
    await expect.poll(() => streams.every(({ received }) => received().includes(':hi'))).toBe(true)
    const more = await from('192.0.2.1').closed
    expect(statusesOf(more)).toEqual([429])
    expect(more).toContain('too_many_streams')
    const other = from('192.0.2.2')
    await expect.poll(() => other.received()).toContain(':hi')
    await leave([...streams, other])
  })

  it('that are open to everybody do not take the places of who is signed in, from however many addresses', async () => {
    silentStream()
    const from = (address: string) =>
      connectTo(attacked.port, head('GET /open/events HTTP/1.1', [`X-Forwarded-For: ${address}`, 'Connection: close']))
    const streams = [from('192.0.2.1'), from('192.0.2.2')]
    await expect.poll(() => streams.every(({ received }) => received().includes(':hi'))).toBe(true)
    streams.push(from('192.0.2.3'))
    await expect.poll(() => streams[2]?.received()).toContain(':hi')
    const fourth = await from('192.0.2.4').closed
    expect(statusesOf(fourth)).toEqual([503])
    expect(fourth).toContain('streams_busy')
    const own = open('/api/events')
    await expect.poll(() => own.received()).toContain(':hi')
    await leave([...streams, own])
  })
})
