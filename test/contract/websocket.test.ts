import { once } from 'node:events'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type WebSocket from 'ws'
import type { UserAgent } from '../support/browser.ts'
import { defaultRoutes, type System, startSystem } from '../support/system.ts'
import {
  closeOf,
  messageOf,
  type OpenOptions,
  pageSocket,
  refusal,
  type SocketUpstream,
  takeWebSockets,
} from '../support/websocket-upstream.ts'

let system: System
let api: SocketUpstream
let browser: UserAgent
beforeAll(async () => {
  system = await startSystem({
    backChannelLogout: true,
    routes: [
      ...defaultRoutes,
      { path: '/api/both/*', upstream: '/both', auth: 'session', kinds: ['fetch', 'websocket'] },
      { path: '/api/orders/live', upstream: '/live', auth: 'session', kinds: ['websocket'], scopes: ['orders:admin'] },
    ],
  })
  api = takeWebSockets(system.upstream, {
    handleProtocols: (offered) => (offered.has('v2') ? 'v2' : offered.has('odd') ? 'not-offered' : false),
    perMessageDeflate: true,
  })
})
afterAll(() => system.stop())
beforeEach(async () => {
  system.upstream.reset()
  api.reset()
  browser = await system.signedIn()
})

const open = (path = '/api/live/x', options: OpenOptions = {}) => pageSocket(browser, system.origin, path, options)

async function opened(path?: string, options?: OpenOptions): Promise<WebSocket> {
  const socket = open(path, options)
  await once(socket, 'open')
  return socket
}

const codeOf = ({ body }: { body: string }) => (JSON.parse(body) as { code: string }).code

describe('a WebSocket of a page of ours', () => {
  it("reaches the API with the session's token, and nothing that is ours or the browser's", async () => {
    const socket = await opened('/api/live/room?a=%2F', { headers: { 'X-Forwarded-For': '1.2.3.4', 'X-User': 'eve' } })
    socket.send('hello')
    expect(await messageOf(socket)).toBe('hello')
    const [handshake] = api.handshakes
    expect(handshake?.url).toBe('/live/room?a=%2F')
    expect(handshake?.headers.authorization).toMatch(/^Bearer ey/)
    expect(handshake?.headers.host).toBe(new URL(system.upstream.origin).host)
    for (const name of ['cookie', 'origin', 'x-user', 'referer']) expect(handshake?.headers).not.toHaveProperty(name)
    expect(handshake?.headers['x-forwarded-for']).not.toBe('1.2.3.4')
    socket.terminate()
  })

  it('carries text, bytes and large messages as they are, both ways', async () => {
    const socket = await opened()
    for (const message of ['x', 'ünïcode', 'y'.repeat(70_000), Buffer.alloc(300_000, 7)]) {
      socket.send(message)
      const [data, isBinary] = (await once(socket, 'message')) as [Buffer, boolean]
      expect(isBinary).toBe(typeof message !== 'string')
      expect(data.equals(Buffer.from(message))).toBe(true)
    }
    socket.terminate()
  })

  it('gets the subprotocol that the API chooses among those that were offered', async () => {
    const socket = await opened('/api/live/x', { protocols: ['v1', 'v2'] })
    expect(socket.protocol).toBe('v2')
    socket.terminate()
  })

  it.each([1000, 1003, 4000])('hands a close of the page on to the API: %i', async (code) => {
    const socket = await opened()
    const both = [closeOf(await api.opened(1)), closeOf(socket)]
    socket.close(code, 'bye')
    expect(await Promise.all(both)).toEqual([
      { code, reason: 'bye' },
      { code, reason: 'bye' },
    ])
  })

  it('hands a close of the API on to the page', async () => {
    const socket = await opened()
    const closed = closeOf(socket)
    const side = await api.opened(1)
    side.close(4321, 'over')
    expect(await closed).toEqual({ code: 4321, reason: 'over' })
  })

  it('ends for the page without a clean close when the API vanishes', async () => {
    const socket = await opened()
    const closed = closeOf(socket)
    const side = await api.opened(1)
    side.terminate()
    expect([1006, 1011]).toContain((await closed).code)
  })

  it('ends for the API when the page vanishes', async () => {
    const socket = await opened()
    const side = await api.opened(1)
    const closed = closeOf(side)
    socket.terminate()
    expect((await closed).code).toBeGreaterThan(1000)
  })
})

describe('a handshake that is refused', () => {
  it.each<[string, OpenOptions, string]>([
    ['from another site', { headers: { Origin: 'https://evil.example' } }, 'csrf'],
    ['from a sandboxed frame', { headers: { Origin: 'null' } }, 'csrf'],
    ['from a sibling subdomain', { headers: { Origin: 'http://evil.localhost' } }, 'csrf'],
    ['with nobody signed in', { headers: { Cookie: '' } }, 'login_required'],
  ])('%s never reaches the API', async (_name, options, code) => {
    const answer = await refusal(open('/api/live/x', options))
    expect(codeOf(answer)).toBe(code)
    expect(answer.headers['content-type']).toBe('application/problem+json')
    expect(api.handshakes).toEqual([])
  })

  it('without an Origin is refused', async () => {
    const headers = { Cookie: browser.cookies.header(system.origin) ?? '' }
    const answer = await fetchUpgrade('/api/live/x', headers)
    expect(answer).toMatch(/^HTTP\/1\.1 403 /)
    expect(api.handshakes).toEqual([])
  })

  it('of a route that takes no WebSockets is a plain call, without X-CSRF', async () => {
    expect(codeOf(await refusal(open('/api/read/x')))).toBe('csrf')
    expect(api.handshakes).toEqual([])
  })

  it('lacks a scope', async () => {
    expect(codeOf(await refusal(open('/api/orders/live')))).toBe('insufficient_scope')
    expect(api.handshakes).toEqual([])
  })

  it('has no route, or no canonical path', async () => {
    expect(codeOf(await refusal(open('/nothing')))).toBe('no_route')
    expect(codeOf(await refusal(open('/api/live/a%2Fb')))).toBe('path_not_canonical')
  })

  it('is the answer of the API, by the rules of answers', async () => {
    api.refuse = (socket) => {
      const body = '{"error":"closed on Sundays"}'
      socket.end(
        `HTTP/1.1 409 Conflict\r\nContent-Type: application/json\r\nSet-Cookie: a=1\r\nContent-Length: ${body.length}\r\n` +
          `Connection: close\r\n\r\n${body}`,
      )
      return true
    }
    const answer = await refusal(open())
    expect(answer.status).toBe(409)
    expect(answer.body).toContain('Sundays')
    expect(answer.headers).not.toHaveProperty('set-cookie')
    expect(answer.headers['content-security-policy']).toContain('sandbox')
  })

  it('is 502 when the API cannot be reached in mid-handshake', async () => {
    api.refuse = (socket) => {
      socket.destroy()
      return true
    }
    const answer = await refusal(open())
    expect(answer.status).toBe(502)
    expect(codeOf(answer)).toBe('upstream_unreachable')
  })

  it('is 502 when the API chooses a subprotocol that was not offered', async () => {
    const answer = await refusal(open('/api/live/x', { protocols: ['odd'] }))
    expect(answer.status).toBe(502)
    expect((await closeOf(await api.opened(1))).code).toBeGreaterThan(1000)
  })

  it.each([
    ['another version', { 'Sec-WebSocket-Version': '8' }],
    ['a key that is none', { 'Sec-WebSocket-Key': 'short' }],
    ['no version', { 'Sec-WebSocket-Version': undefined }],
    ['no key', { 'Sec-WebSocket-Key': undefined }],
  ])('with %s never reaches the API', async (_name, changes) => {
    const headers = { Origin: system.origin, Cookie: browser.cookies.header(system.origin) ?? '', ...changes }
    // workerd's own server refuses what is no handshake before we see it.
    expect(await fetchUpgrade('/api/live/x', headers)).toMatch(/^HTTP\/1\.1 (426|400|403|500) /)
    expect(api.handshakes).toEqual([])
  })

  it.each(['h2c', 'TLS/1.3', 'websocket, h2c'])(
    'is none with the Upgrade %s: the call is plain HTTP',
    async (upgrade) => {
      const headers = { Origin: system.origin, Cookie: browser.cookies.header(system.origin) ?? '', Upgrade: upgrade }
      expect(await fetchUpgrade('/api/live/x', headers)).toMatch(/^HTTP\/1\.1 (403|400|501) /)
      expect(api.handshakes).toEqual([])
    },
  )

  it('on a route that takes fetches too leaves these as they are', async () => {
    expect((await system.call(browser, '/api/both/x')).status).toBe(200)
    const socket = await opened('/api/both/x')
    socket.terminate()
  })
})

describe('a token that the API refuses', () => {
  it('is refreshed, and the handshake sent once more', async () => {
    await system.advance(90_000)
    system.provider.token.forget()
    let count = 0
    api.refuse = (socket) => {
      count += 1
      if (count > 1) return false
      socket.end('HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
      return true
    }
    const upgraded = once(open(), 'upgrade')
    const [response] = await upgraded
    expect(api.handshakes).toHaveLength(2)
    expect(api.handshakes[0]?.headers.authorization).not.toBe(api.handshakes[1]?.headers.authorization)
    expect(system.provider.token.count({ grantType: 'refresh_token' })).toBe(1)
    // The newest cookie goes out with the 101 (C5); a ticket stays the same.
    const cookie = response.headers['set-cookie']?.[0]
    if (system.cookie === 'session') expect(cookie).toMatch(/^__Host-Http-coatcheck=/)
    else expect(cookie).toBeUndefined()
    await system.advance(0)
  })
})

/** A handshake as no client library sends it. */
async function fetchUpgrade(path: string, headers: Record<string, string | undefined>): Promise<string> {
  const { connect } = await import('node:net')
  const { hostname, port, host } = new URL(system.origin)
  const socket = connect(Number(port), hostname)
  const fields = Object.entries({
    Host: host,
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    ...headers,
  })
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}: ${value}\r\n`)
  socket.end(`GET ${path} HTTP/1.1\r\n${fields.join('')}\r\n`)
  let answer = ''
  for await (const chunk of socket.setEncoding('latin1')) {
    answer += chunk
    if (/\r\n\r\n/.test(answer)) break
  }
  socket.destroy()
  return answer
}
