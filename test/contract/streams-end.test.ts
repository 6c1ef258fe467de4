/** Event streams and WebSockets end with the session that they were opened for (protocol.md E6). */
import { once } from 'node:events'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type WebSocket from 'ws'
import type { UserAgent } from '../support/browser.ts'
import { type System, startSystem } from '../support/system.ts'
import { closeOf, pageSocket, refusal, type SocketUpstream, takeWebSockets } from '../support/websocket-upstream.ts'

let system: System
let api: SocketUpstream
let browser: UserAgent
beforeAll(async () => {
  system = await startSystem({
    backChannelLogout: true,
    streams: { perSession: 3 },
    session: { idleTimeout: '30m', absoluteTimeout: '12h' },
  })
  api = takeWebSockets(system.upstream)
})
afterAll(() => system.stop())
beforeEach(async () => {
  system.upstream.reset()
  api.reset()
  browser = await system.signedIn()
  system.upstream.on('/v1/events', (_incoming, outgoing) => {
    outgoing.writeHead(200, { 'content-type': 'text/event-stream' })
    outgoing.write('data: first\n\n')
  })
})

async function openSocket(): Promise<WebSocket> {
  const socket = pageSocket(browser, system.origin, '/api/live/x')
  await once(socket, 'open')
  return socket
}

async function openEvents(): Promise<ReadableStreamDefaultReader<string>> {
  const answer = await system.call(browser, '/api/events', { headers: { Accept: 'text/event-stream' } })
  expect(answer.status).toBe(200)
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader() as ReadableStreamDefaultReader<string>
  expect((await reader.read()).value).toBe('data: first\n\n')
  return reader
}

/** Both kinds are open; resolves with how each ended. */
async function openBoth() {
  const [socket, events] = [await openSocket(), await openEvents()]
  const upstreamSide = closeOf(await api.opened(1))
  return {
    socket: closeOf(socket),
    upstreamSide,
    // Clean for the reader: no error.
    events: events.read().then(({ done }) => done),
  }
}

const sessionEnded = { code: 4401, reason: 'session_ended' }
const logout = (who = browser) => system.call(who, '/bff/logout', { method: 'POST' })

describe('both end', () => {
  it('when the user signs out', async () => {
    const open = await openBoth()
    expect((await logout()).status).toBe(200)
    expect(await open.socket).toEqual(sessionEnded)
    expect((await open.upstreamSide).code).toBe(1001)
    expect(await open.events).toBe(true)
  })

  it('when the same browser signs in anew', async () => {
    const open = await openBoth()
    await browser.signIn(`${system.origin}/bff/login?return_to=/`, { username: 'ada', password: 'ada-demo' })
    expect(await open.socket).toEqual(sessionEnded)
    expect(await open.events).toBe(true)
  })

  it('when the person signs out at the provider, and nobody asks for anything', async () => {
    const open = await openBoth()
    const page = await browser.navigate(`${system.provider.issuer}/session/end`)
    await (await browser.submit(page)).body?.cancel()
    expect(await open.socket).toEqual(sessionEnded)
    expect(await open.events).toBe(true)
  })

  it('when the session idles out: a stream is no activity', async () => {
    const open = await openBoth()
    await system.advance(30 * 60_000 + 1000)
    expect(await open.socket).toEqual(sessionEnded)
    expect(await open.events).toBe(true)
    await system.advance(0)
  })

  it("at the session's absolute end", async () => {
    const open = await openBoth()
    await system.advance(12 * 3600_000 + 1000)
    expect(await open.socket).toEqual(sessionEnded)
    expect(await open.events).toBe(true)
    await system.advance(0)
  })
})

it('calls that the page makes meanwhile keep its streams', async () => {
  const socket = await openSocket()
  await system.advance(20 * 60_000)
  expect((await system.call(browser, '/api/x')).status).toBe(200)
  await system.advance(40 * 60_000)
  socket.send('still here')
  expect(String((await once(socket, 'message'))[0])).toBe('still here')
  socket.terminate()
  await system.advance(0)
})

it("another session's end closes nothing", async () => {
  const socket = await openSocket()
  const other = await system.signedIn('grace')
  const theirs = pageSocket(other, system.origin, '/api/live/x')
  await once(theirs, 'open')
  const closed = closeOf(theirs)
  await logout(other)
  expect(await closed).toEqual(sessionEnded)
  socket.send('still here')
  expect(String((await once(socket, 'message'))[0])).toBe('still here')
  socket.terminate()
})

it('a session may have so many open, and one that was closed gives its place back', async () => {
  const sockets = [await openSocket(), await openSocket(), await openSocket()]
  const refused = await refusal(pageSocket(browser, system.origin, '/api/live/x'))
  expect([refused.status, JSON.parse(refused.body).code]).toEqual([429, 'too_many_streams'])
  expect((await system.call(browser, '/api/events')).status).toBe(429)
  expect(api.handshakes).toHaveLength(3)
  const [first] = sockets
  first?.close()
  await closeOf(first as WebSocket)
  // What the client knows and what the server knows are a moment apart.
  let again: WebSocket | undefined
  while (!again) again = await openSocket().catch(() => undefined)
  for (const socket of [...sockets, again]) socket.terminate()
})
