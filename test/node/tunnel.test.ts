/** The tunnel of a WebSocket over raw sockets, where a client library would tidy up. */
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { Hono } from 'hono'
import { afterEach, describe, expect, test } from 'vitest'
import type { NodeRuntimeOptions } from '../../src/node/runtime.ts'
import type { RunningServer } from '../../src/node/server.ts'
import { problemResponse, toCoatcheckError } from '../../src/problem.ts'
import type { UpstreamSocket } from '../../src/runtime.ts'
import { closeEverything, deferred, listen, rawClient, rawUpstream, testRuntime } from './loopback.ts'

afterEach(closeEverything)

const accepted =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n'
const handshake =
  'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'
const fromServer = (text: string) => `\x81${String.fromCharCode(text.length)}${text}`
const fromClient = (text: string) => `\x81${String.fromCharCode(0x80 | text.length)}\0\0\0\0${text}`
const closeOf = (code: number, reason = '') =>
  `\x88${String.fromCharCode(2 + reason.length, code >> 8, code & 255)}${reason}`

interface Joined extends RunningServer {
  /** The API's side. */
  readonly api: Promise<Socket>
  /** Ours of it. */
  readonly socket: Promise<UpstreamSocket>
}

/** @param answer what the API writes to the handshake */
async function joined(options: NodeRuntimeOptions = {}, answer = accepted): Promise<Joined> {
  const api = deferred<Socket>()
  const socket = deferred<UpstreamSocket>()
  const origin = await rawUpstream((connection) => {
    connection.once('data', () => {
      connection.write(answer, 'latin1')
      api.resolve(connection)
    })
  })
  const runtime = testRuntime(options)
  const app = new Hono()
    .all('*', async (c) => {
      const { webSockets } = runtime
      if (!webSockets?.canOpen(c)) return c.text('plain')
      const asked = await webSockets.connect({
        origin,
        target: '/',
        method: 'GET',
        headers: [
          ['sec-websocket-key', c.req.header('sec-websocket-key') ?? ''],
          ['sec-websocket-version', '13'],
        ],
        body: null,
        signal: runtime.clientSignal(c),
        headersTimeoutMs: 1000,
        bodyTimeoutMs: 1000,
      })
      if (!asked.socket) return runtime.respond(c, asked, asked.body, () => [])
      socket.resolve(asked.socket)
      const fields = asked.headers.filter(([name]) => name.toLowerCase().startsWith('sec-'))
      return webSockets.open(c, fields, asked.socket, () => [['set-cookie', 'ours=1']])
    })
    .onError((error) => problemResponse(toCoatcheckError(error), []))
  const server = await listen({ fetch: (request, env) => app.fetch(request, env) })
  return { ...server, api: api.promise, socket: socket.promise }
}

async function opened(server: RunningServer) {
  const client = rawClient(server.port, handshake)
  const head = await client.until(/\r\n\r\n/)
  expect(head).toMatch(/^HTTP\/1\.1 101 /)
  expect(head).toMatch(/set-cookie: ours=1\r\n/)
  return client
}

describe('bytes', () => {
  test('that came with the handshakes are not lost', async () => {
    const server = await joined({}, `${accepted}${fromServer('early')}`)
    const client = rawClient(server.port, `${handshake}${fromClient('eager')}`)
    expect(await client.until(/early/)).toMatch(/101 Switching/)
    const [data] = await once(await server.api, 'data')
    expect(String(data)).toContain('eager')
  })

  test('wait at their source while the other side takes nothing', async () => {
    const server = await joined()
    const client = await opened(server)
    client.socket.pause()
    const api = await server.api
    const piece = Buffer.concat([Buffer.from([0x82, 126, 0xff, 0xff]), Buffer.alloc(65_535)])
    let sent = 0
    while (api.write(piece) && sent < 500) sent++
    // It is full: what the kernel and both streams hold, and no more.
    await new Promise((resolve) => setImmediate(resolve))
    while (sent < 500 && api.writableLength < 8 * piece.length) {
      api.write(piece)
      sent++
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(api.writableLength).toBeGreaterThan(0)
    expect(sent).toBeLessThan(500)
    client.socket.resume()
    await once(api, 'drain')
  })

  test('a client that takes nothing for long is cut off', async () => {
    const server = await joined({ stallTimeoutMs: 100 })
    const client = await opened(server)
    client.socket.pause()
    const api = await server.api
    const piece = Buffer.concat([Buffer.from([0x82, 126, 0xff, 0xff]), Buffer.alloc(65_535)])
    const gone = new Promise((resolve) => api.once('close', resolve))
    for (let count = 0; count < 300; count++) api.write(piece)
    await gone
  })
})

describe("the session's end", () => {
  test('puts a close frame between two frames, and nothing after it', async () => {
    const server = await joined()
    const client = await opened(server)
    const api = await server.api
    api.write(fromServer('before'), 'latin1')
    await client.until(/before/)
    const [toApi] = [once(api, 'data')]
    ;(await server.socket).end()
    api.write(fromServer('after'), 'latin1')
    const all = await client.closed
    expect(all.endsWith(closeOf(4401, 'session_ended'))).toBe(true)
    expect(all).not.toContain('after')
    expect((await toApi)[0]).toEqual(Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe9]))
  })

  test('in the middle of a frame waits for its end', async () => {
    const server = await joined()
    const client = await opened(server)
    const api = await server.api
    api.write('\x81\x06bef', 'latin1')
    await client.until(/bef/)
    ;(await server.socket).end()
    api.write(`ore${fromServer('after')}`, 'latin1')
    expect((await client.closed).endsWith(`before${closeOf(4401, 'session_ended')}`)).toBe(true)
  })

  test('in the middle of a frame that does not end cuts the connection', async () => {
    const server = await joined()
    const client = await opened(server)
    const api = await server.api
    api.write('\x81\x06bef', 'latin1')
    await client.until(/bef/)
    ;(await server.socket).end()
    expect((await client.closed).endsWith('bef')).toBe(true)
  })

  test('before the answer to the handshake closes it as soon as it is open', async () => {
    const server = await joined()
    void server.socket.then((socket) => socket.end())
    expect((await rawClient(server.port, handshake).closed).endsWith(closeOf(4401, 'session_ended'))).toBe(true)
  })
})

describe('a side that breaks the protocol', () => {
  test('as a client, without a mask, gets 1002, and the API loses the connection', async () => {
    const server = await joined()
    const client = await opened(server)
    const api = await server.api
    const gone = once(api, 'close')
    client.socket.write(fromServer('unmasked'), 'latin1')
    expect((await client.closed).endsWith(closeOf(1002))).toBe(true)
    await gone
  })

  test('as an API, with one, ends the connection', async () => {
    const server = await joined()
    const client = await opened(server)
    ;(await server.api).write(fromClient('masked'), 'latin1')
    expect(await client.closed).not.toContain('masked')
  })
})

describe('an end', () => {
  test.each(['client', 'api'])("of the %s by FIN is the other side's", async (who) => {
    const server = await joined()
    const client = await opened(server)
    const api = await server.api
    api.resume()
    const gone = once(api, 'close')
    ;(who === 'client' ? client.socket : api).end()
    await Promise.all([client.closed, gone])
  })

  test('after a long silence, where a limit is set', async () => {
    const server = await joined({ webSocketIdleTimeoutMs: 50 })
    const client = await opened(server)
    expect((await client.closed).endsWith(closeOf(1001, 'idle'))).toBe(true)
  })

  test('of the server says that it goes away', async () => {
    const server = await joined()
    const client = await opened(server)
    await server.close()
    expect((await client.closed).endsWith(closeOf(1001))).toBe(true)
  })
})

describe('a handshake that the API answers wrongly is 502', () => {
  test.each([
    ['with another key', accepted.replace('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=', 'AAAAAAAAAAAAAAAAAAAAAAAAAAA=')],
    ['with no key', accepted.replace(/Sec-WebSocket-Accept.*\r\n/, '')],
    ['as another protocol', accepted.replace('Upgrade: websocket', 'Upgrade: h2c')],
    ['with garbage', 'SSH-2.0-OpenSSH\r\n\r\n'],
  ])('%s', async (_name, answer) => {
    const server = await joined({}, answer)
    const text = await rawClient(server.port, handshake).until(/upstream_unreachable/)
    expect(text).toMatch(/^HTTP\/1\.1 502 /)
  })

  test('too late is 504', async () => {
    const server = await joined({}, '')
    expect(await rawClient(server.port, handshake).until(/upstream_timeout/)).toMatch(/^HTTP\/1\.1 504 /)
  })
})

test("a client that leaves before the answer takes the API's connection with it", async () => {
  const server = await joined({}, '')
  const client = rawClient(server.port, handshake)
  const gone = once(await server.api, 'close')
  client.socket.end()
  await gone
})

test('a handshake with a body is plain HTTP', async () => {
  const server = await joined()
  const request = handshake.replace('Host: a', 'Host: a\r\nContent-Length: 4')
  expect(await rawClient(server.port, `${request}body`).until(/plain$/)).toMatch(/^HTTP\/1\.1 200 /)
})
