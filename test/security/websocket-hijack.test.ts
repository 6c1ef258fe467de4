/**
 * WebSockets that another site's page opens, and handshakes that are meant to leave a tunnel behind through which requests
 * go past every check. On raw sockets: a browser would send none of these as it stands.
 */
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Attacked, answerTo, connectTo, startAttacked, statusesOf } from './attacked.ts'

let attacked: Attacked
let cookie: string
beforeAll(async () => {
  attacked = await startAttacked({
    routes: [
      { path: '/api/*', upstream: '/v1', auth: 'session' },
      { path: '/live/*', upstream: '/live', auth: 'session', kinds: ['websocket'] },
    ],
  })
  cookie = (await attacked.signedIn()).cookies.header(attacked.origin) ?? ''
})
afterAll(() => attacked.stop())
beforeEach(() => attacked.upstream.reset())

const key = 'dGhlIHNhbXBsZSBub25jZQ=='
const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
const agreed = (fields = `Sec-WebSocket-Accept: ${accept}\r\n`) =>
  `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${fields}\r\n`

/** Null leaves a field of an honest handshake out. */
function handshake(changes: Record<string, string | null> = {}, line = 'GET /live/x HTTP/1.1'): string {
  const fields: Record<string, string | null> = {
    Host: attacked.host,
    Cookie: cookie,
    Origin: attacked.origin,
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': key,
    ...changes,
  }
  const lines = Object.entries(fields).flatMap(([name, value]) => (value === null ? [] : [`${name}: ${value}`]))
  return `${[line, ...lines].join('\r\n')}\r\n\r\n`
}

describe('a handshake', () => {
  it('of a page of ours is taken, so that what follows can fail', async () => {
    attacked.upstream.answerWith((socket) => socket.end(agreed()))
    expect(statusesOf(await answerTo(attacked.port, handshake()))).toEqual([101])
  })

  it.each<[string, Record<string, string | null>]>([
    ['of another site', { Origin: 'https://evil.example' }],
    ['of a sibling', { Origin: 'http://evil.localhost' }],
    ['of our host on another port', { Origin: 'http://localhost:1' }],
    ['of our host by another scheme', { Origin: 'https://localhost' }],
    ['of our name as a part of another', { Origin: 'http://localhost.evil.example' }],
    ['of a sandboxed frame', { Origin: 'null' }],
    ['of nobody', { Origin: null }],
    ['of an empty origin', { Origin: '' }],
    ['of two origins', { Origin: 'http://localhost, https://evil.example' }],
    ['of a path for an origin', { Origin: 'http://localhost/' }],
    ['with X-CSRF for an Origin', { Origin: null, 'X-CSRF': '1', 'Sec-Fetch-Site': 'same-origin' }],
    [
      'with an origin of other names',
      { Origin: null, 'Sec-WebSocket-Origin': 'http://localhost', Referer: 'http://localhost/' },
    ],
    ['without a session', { Cookie: null }],
    ['with a session that is none', { Cookie: '__Host-Http-coatcheck=x' }],
  ])('%s gets none, and the API hears nothing', async (_whose, changes) => {
    const answer = await answerTo(attacked.port, handshake({ ...changes }))
    expect([400, 401, 403]).toContain(statusesOf(answer)[0])
    expect(statusesOf(answer)).toHaveLength(1)
    expect(attacked.upstream.bytes()).toBe('')
  })

  it.each<[string, Record<string, string | null>, string?]>([
    ['of another version', { 'Sec-WebSocket-Version': '777' }],
    ['of no version', { 'Sec-WebSocket-Version': null }],
    ['of two versions', { 'Sec-WebSocket-Version': '13, 8' }],
    ['without a key', { 'Sec-WebSocket-Key': null }],
    ['with a key that is none', { 'Sec-WebSocket-Key': 'x' }],
    ['with a subprotocol that is no name', { 'Sec-WebSocket-Protocol': 'a b, "c' }],
    ['by POST', {}, 'POST /live/x HTTP/1.1'],
    ['of HTTP/1.0', {}, 'GET /live/x HTTP/1.0'],
    ['with a body', { 'Content-Length': '5' }],
    ['on a route that takes none', {}, 'GET /api/x HTTP/1.1'],
    ['to h2c as well', { Upgrade: 'websocket, h2c' }],
  ])('%s leaves no tunnel behind', async (_what, changes, line) => {
    attacked.upstream.answerWith((socket) => socket.write(agreed()))
    const smuggled = 'GET /live/smuggled HTTP/1.1\r\nHost: x\r\n\r\n'
    const answer = await answerTo(attacked.port, `${handshake(changes, line)}${smuggled}${smuggled}`)
    expect(statusesOf(answer)).not.toContain(101)
    expect(attacked.upstream.bytes()).not.toContain('smuggled')
  })
})

describe('an API that does not agree', () => {
  it.each([
    ['426', 'HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n'],
    ['200', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'],
    ['403', 'HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n'],
    ['101 with another key', agreed(`Sec-WebSocket-Accept: ${'A'.repeat(27)}=\r\n`)],
    ['101 without a key', agreed('')],
    ['101 to another protocol', agreed().replace('Upgrade: websocket', 'Upgrade: h2c')],
  ])('with %s gets nothing that came behind the handshake', async (_answer, bytes) => {
    attacked.upstream.answerWith((socket) => socket.write(bytes))
    const connection = connectTo(
      attacked.port,
      `${handshake()}GET /live/smuggled HTTP/1.1\r\nHost: ${attacked.host}\r\n\r\n`,
    )
    const answer = await connection.closed
    expect(statusesOf(answer)).not.toContain(101)
    expect(statusesOf(answer)).toHaveLength(1)
    expect(attacked.upstream.bytes()).not.toContain('smuggled')
  })

  it('says nothing of our origin in a 101', async () => {
    attacked.upstream.answerWith((socket) =>
      socket.end(
        agreed(
          `Sec-WebSocket-Accept: ${accept}\r\nSet-Cookie: __Host-Http-coatcheck=evil\r\nClear-Site-Data: "*"\r\nX-Evil: evil\r\n`,
        ),
      ),
    )
    expect(await answerTo(attacked.port, handshake())).not.toMatch(/evil|clear-site-data/i)
  })

  it('chooses no subprotocol and no extension that was not offered', async () => {
    attacked.upstream.answerWith((socket) =>
      socket.end(
        agreed(`Sec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: evil\r\nSec-WebSocket-Extensions: evil\r\n`),
      ),
    )
    const answer = await answerTo(attacked.port, handshake({ 'Sec-WebSocket-Protocol': 'chat' }))
    expect(answer).not.toContain('evil')
  })
})

it('what a caller says of itself does not pass with a handshake either', async () => {
  attacked.upstream.answerWith((socket) => socket.end(agreed()))
  await answerTo(
    attacked.port,
    handshake({
      Authorization: 'Bearer evil',
      'X-Forwarded-For': '1.1.1.1',
      X_Forwarded_User: 'evil',
      'X-User': 'evil',
    }),
  )
  const [request] = attacked.upstream.requests()
  expect(request?.raw).not.toMatch(/evil|1\.1\.1\.1|cookie/i)
  expect(request?.raw).toMatch(/\r\nauthorization: Bearer ey/i)
})
