/** A WebSocket's handshake that an API has accepted, and a middleware of somebody's own denies after all. */
import { createHash } from 'node:crypto'
import { type Context, Hono } from 'hono'
import { cors } from 'hono/cors'
import { afterEach, expect, test } from 'vitest'
import { closeEverything, deferred, rawClient, rawUpstream, serving, testRuntime } from './loopback.ts'

afterEach(closeEverything)

const key = 'dGhlIHNhbXBsZSBub25jZQ=='
const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
const handshake = [
  'GET / HTTP/1.1',
  'Host: localhost',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  `Sec-WebSocket-Key: ${key}`,
  '\r\n',
].join('\r\n')

/** A server whose API accepts every handshake, with this middleware; and whether the API has lost the connection. */
async function accepting(middleware: (c: Context) => void): Promise<{ port: number; gone: Promise<void> }> {
  const gone = deferred()
  const origin = await rawUpstream((socket) => {
    socket
      .once('close', () => gone.resolve())
      .once('data', () => {
        socket
          .resume()
          .write(
            `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
          )
      })
  })
  const runtime = testRuntime()
  const app = new Hono()
  // It looks at what is there already, so that hono copies what comes.
  app.use('*', cors({ origin: 'https://other.example' }), async (c, next) => {
    await next()
    middleware(c)
  })
  app.get('*', async (c) => {
    const { webSockets } = runtime
    if (webSockets === undefined) throw new Error('there are none')
    const answer = await webSockets.connect({
      ...{ origin, target: '/', method: 'GET', body: null, signal: runtime.clientSignal(c) },
      ...{ headersTimeoutMs: 5_000, bodyTimeoutMs: 5_000 },
      headers: [
        ['sec-websocket-key', key],
        ['sec-websocket-version', '13'],
      ],
    })
    if (answer.socket === undefined) throw new Error('it was not accepted')
    return webSockets.open(c, [['sec-websocket-accept', accept]], answer.socket, () => [])
  })
  return { port: (await serving(app)).port, gone: gone.promise }
}

test.each<[string, (c: Context) => Response, number]>([
  ['an error', (c) => c.text('no', 403), 403],
  ['an error without a body', (c) => c.body(null, 403), 403],
  ['a success without a body', (c) => c.body(null, 204), 204],
  ['a redirect', (c) => c.redirect('/'), 302],
  ['an answer of its own with a body', (c) => c.text('no', 200), 200],
  ['an empty answer of its own, with nothing of the API’s', anew, 200],
])('by %s gets that, and the API loses the connection', async (_how, deny, status) => {
  const { port, gone } = await accepting((c) => {
    c.res = deny(c)
  })
  const text = await rawClient(port, handshake).until(/\r\n\r\n/)
  expect(text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
  expect(text).not.toMatch(/sec-websocket-accept/i)
  await gone
})

test('but one whose answer was copied is joined', async () => {
  const { port } = await accepting((c) => {
    c.res = new Response(c.res.body, c.res)
    c.header('x-after', 'yes')
  })
  const text = await rawClient(port, handshake).until(/\r\n\r\n/)
  expect(text).toMatch(/^HTTP\/1\.1 101 /)
  expect(text).toContain(`\r\nsec-websocket-accept: ${accept}\r\n`)
  expect(text).toContain('\r\nx-after: yes\r\n')
})

function anew(c: Context): Response {
  c.res = undefined
  return c.body(null)
}
