import { readFileSync } from 'node:fs'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { UpstreamSettings } from '../../src/config/types.ts'
import { nodeTransport } from '../../src/node/transport.ts'
import type { UpstreamEvent, UpstreamRequest, UpstreamResponse } from '../../src/runtime.ts'
import { certificateFor } from './certificates.ts'
import { bodyText, closedPort, closeEverything, deferred, onCleanup, rawUpstream, upstream } from './loopback.ts'
import { settingsOf } from './upstream-settings.ts'

afterEach(closeEverything)

const handshake = [
  ['sec-websocket-key', 'dGhlIHNhbXBsZSBub25jZQ=='],
  ['sec-websocket-version', '13'],
] as const

/** The origin that routes name; nobody is there. */
const origin = 'http://orders.localhost:1'

function prepared(settings: UpstreamSettings) {
  const events: UpstreamEvent[] = []
  const waiting = new Set<() => void>()
  let now = 1_000_000
  const transport = nodeTransport({ clock: { now: () => now } })
  transport.prepare([settings], (event) => {
    events.push(event)
    for (const look of waiting) look()
  })
  onCleanup(() => transport.close())
  const requestOf = (more: Partial<UpstreamRequest>): UpstreamRequest => ({
    origin: settings.origin,
    upstream: settings,
    target: '/',
    method: 'GET',
    headers: [],
    body: null,
    signal: new AbortController().signal,
    headersTimeoutMs: 5_000,
    bodyTimeoutMs: 5_000,
    ...more,
  })
  return {
    events,
    advance: (ms: number) => {
      now += ms
    },
    until: (is: (events: UpstreamEvent[]) => boolean) =>
      new Promise<void>((resolve) => {
        const look = () => {
          if (is(events)) resolve()
        }
        waiting.add(look)
        look()
      }),
    send: (more: Partial<UpstreamRequest> = {}) => transport.send(requestOf(more)),
    /** A WebSocket's handshake. */
    connect: (more: Partial<UpstreamRequest> = {}) =>
      transport.connect(requestOf({ headers: [...handshake], ...more }), { stallTimeoutMs: 1000, idleTimeoutMs: 0 }),
  }
}

const text = async (answer: UpstreamResponse) => new Response(answer.body?.stream() ?? null).text()
const fixture = (name: string) => readFileSync(new URL(`./fixtures/${name}`, import.meta.url), 'utf8')
const deadTarget = async () => `http://127.0.0.1:${await closedPort()}`

/** Says its name, and counts. */
async function named(name: string) {
  const seen: { host: string | undefined; method: string | undefined; body: string }[] = []
  const server = await upstream(async (incoming, outgoing) => {
    seen.push({ host: incoming.headers.host, method: incoming.method, body: await bodyText(incoming) })
    outgoing.end(name)
  })
  return { origin: server.origin, seen }
}

/** Takes a request and closes, without an answer. */
async function dropping() {
  let requests = 0
  const at = await rawUpstream((socket) =>
    socket.once('data', () => {
      requests++
      socket.destroy()
    }),
  )
  return { origin: at, requests: () => requests }
}

async function* streamed() {
  yield Buffer.from('streamed')
}

describe('several targets', () => {
  test('take turns, and are asked for the host of the origin', async () => {
    const [a, b] = [await named('a'), await named('b')]
    const { send } = prepared(settingsOf(origin, { targets: [a.origin, b.origin] }))
    const answers = []
    for (let call = 0; call < 4; call++) answers.push(await text(await send()))
    expect(answers.sort()).toEqual(['a', 'a', 'b', 'b'])
    expect(a.seen[0]?.host).toBe('orders.localhost:1')
  })

  test('get what has the least to do', async () => {
    const held = deferred()
    const slow = await upstream(async (_incoming, outgoing) => {
      await held.promise
      outgoing.end('slow')
    })
    const quick = await named('quick')
    const { send } = prepared(settingsOf(origin, { targets: [slow.origin, quick.origin] }))
    const first = await Promise.race([send(), send()])
    expect(await text(first)).toBe('quick')
    for (let call = 0; call < 5; call++) expect(await text(await send())).toBe('quick')
    held.resolve()
  })

  test.each<[string, string, () => Partial<UpstreamRequest>]>([
    ['GET', '', () => ({})],
    ['POST with a body', 'order', () => ({ method: 'POST', body: new TextEncoder().encode('order') })],
    ['POST with a stream, which nobody has begun to read', 'streamed', () => ({ method: 'POST', body: streamed() })],
  ])('stand in for one that cannot be reached: %s', async (_what, body, request) => {
    const [good, dead] = [await named('good'), await deadTarget()]
    const breaker = { failures: 1, pauseMs: 1000, longestPauseMs: 4000 }
    const { send, events } = prepared(settingsOf(origin, { targets: [dead, good.origin], breaker }))
    // Two, so that each of the targets has its turn.
    for (let call = 0; call < 2; call++) expect(await text(await send(request()))).toBe('good')
    expect(events).toMatchObject([{ event: 'upstream_ejected', target: dead, because: 'failures' }])
    expect(good.seen.map((seen) => seen.body)).toEqual([body, body])
  })

  test.each<[string, Partial<UpstreamRequest>]>([
    ['GET', {}],
    ['DELETE', { method: 'DELETE' }],
    ['PUT with a body that is kept', { method: 'PUT', body: new TextEncoder().encode('order') }],
  ])('stand in for one that closes without an answer, for what may be done twice: %s', async (_what, request) => {
    const [bad, good] = [await dropping(), await named('good')]
    const { send } = prepared(settingsOf(origin, { targets: [bad.origin, good.origin] }))
    for (let call = 0; call < 2; call++) expect(await text(await send(request))).toBe('good')
    expect(bad.requests()).toBe(1)
  })

  test.each<[string, () => Partial<UpstreamRequest>]>([
    ['POST', () => ({ method: 'POST', body: new TextEncoder().encode('order') })],
    ['PATCH', () => ({ method: 'PATCH', body: new TextEncoder().encode('order') })],
    ['PUT with a stream', () => ({ method: 'PUT', body: streamed() })],
  ])('do not get what another may have done already: %s', async (_what, request) => {
    const [bad, other] = [await dropping(), await dropping()]
    const { send } = prepared(settingsOf(origin, { targets: [bad.origin, other.origin], breaker: undefined }))
    await expect(send(request())).rejects.toMatchObject({ code: 'upstream_unreachable' })
    expect(bad.requests() + other.requests()).toBe(1)
  })

  test('get nothing again that has begun to be answered, nor that was refused', async () => {
    const half = await rawUpstream((socket) => socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-')))
    const busy = await upstream((_incoming, outgoing) => outgoing.writeHead(503).end())
    const { send } = prepared(settingsOf(origin, { targets: [half, busy.origin] }))
    const outcomes = await Promise.allSettled([send(), send()])
    expect(outcomes.filter(({ status }) => status === 'rejected')).toHaveLength(1)
    expect(outcomes).toContainEqual(expect.objectContaining({ value: expect.objectContaining({ status: 503 }) }))
  })

  test('are not tried without end: a retry has a budget', async () => {
    const [one, other] = [await dropping(), await dropping()]
    const { send } = prepared(settingsOf(origin, { targets: [one.origin, other.origin], breaker: undefined }))
    const calls = 100
    for (let call = 0; call < calls; call++) await expect(send()).rejects.toThrow()
    const sent = one.requests() + other.requests()
    expect(sent).toBeGreaterThan(calls)
    expect(sent).toBeLessThanOrEqual(calls * 1.2 + 10)
  })
})

describe('the breaker', () => {
  test('leaves a target alone after failures in a row, tries it with one request, and takes it back', async () => {
    let isBroken = true
    let requests = 0
    const held = deferred()
    const { origin: target } = await upstream(async (incoming, outgoing) => {
      requests++
      if (isBroken) return incoming.socket.destroy()
      await held.promise
      return outgoing.end('well')
    })
    const { send, events, advance } = prepared(settingsOf(origin, { targets: [target], retries: 0 }))
    for (let call = 0; call < 2; call++) await expect(send()).rejects.toMatchObject({ code: 'upstream_unreachable' })
    await expect(send()).rejects.toMatchObject({ code: 'upstream_unavailable', headers: { 'Retry-After': '1' } })
    expect(requests).toBe(2)

    // Not well yet: twice the pause.
    advance(1000)
    await expect(send()).rejects.toMatchObject({ code: 'upstream_unreachable' })
    advance(1000)
    await expect(send()).rejects.toMatchObject({ code: 'upstream_unavailable' })

    isBroken = false
    advance(1000)
    const trial = send()
    await expect(send()).rejects.toMatchObject({ code: 'upstream_unavailable' })
    held.resolve()
    expect(await text(await trial)).toBe('well')
    expect(await text(await send())).toBe('well')
    const about = { upstream: origin, target }
    expect(events).toMatchObject([
      { event: 'upstream_ejected', ...about, because: 'failures', pause_seconds: 1 },
      { event: 'upstream_ejected', ...about, because: 'failures', pause_seconds: 2 },
      { event: 'upstream_recovered', ...about },
    ])
  })

  test('is not closed by a caller who leaves during the try', async () => {
    let isBroken = true
    const arrived = deferred()
    const { origin: target } = await upstream((incoming, outgoing) => {
      if (isBroken) incoming.socket.destroy()
      else if (incoming.url === '/slow') arrived.resolve()
      else outgoing.end('well')
    })
    const { send, advance } = prepared(settingsOf(origin, { targets: [target], retries: 0 }))
    for (let call = 0; call < 2; call++) await expect(send()).rejects.toThrow()
    isBroken = false
    advance(1000)
    const controller = new AbortController()
    const trial = send({ target: '/slow', signal: controller.signal })
    await arrived.promise
    controller.abort()
    await expect(trial).rejects.toMatchObject({ name: 'AbortError' })
    expect(await text(await send())).toBe('well')
  })

  test('does not count what a caller can bring about: late answers, errors of the API, half answers', async () => {
    const { origin: target } = await upstream((incoming, outgoing) => {
      if (incoming.url === '/500') outgoing.writeHead(500).end()
      else if (incoming.url === '/odd') incoming.socket.end('HTTP/1.1 999 Odd\r\n\r\n')
    })
    const { send, events } = prepared(settingsOf(origin, { targets: [target], retries: 0 }))
    for (let call = 0; call < 3; call++) {
      await expect(send({ headersTimeoutMs: 20 })).rejects.toMatchObject({ code: 'upstream_timeout' })
      await expect(send({ target: '/odd' })).rejects.toMatchObject({ code: 'upstream_unreachable' })
      expect((await send({ target: '/500' })).status).toBe(500)
    }
    expect(events).toEqual([])
  })

  test('begins anew with every answer', async () => {
    let call = 0
    const { origin: target } = await upstream((incoming, outgoing) => {
      if (call++ % 2 === 0) incoming.socket.destroy()
      else outgoing.end()
    })
    const { send, events } = prepared(settingsOf(origin, { targets: [target], retries: 0 }))
    for (let round = 0; round < 4; round++) {
      await expect(send()).rejects.toThrow()
      await send()
    }
    expect(events).toEqual([])
  })
})

describe('health checks', () => {
  const health = { path: '/healthz?deep=1', intervalMs: 10, timeoutMs: 1000, unhealthyAfter: 2, healthyAfter: 2 }

  test('take a target out that says it is ill, and back when it is well', async () => {
    let isWell = false
    const hosts = new Set<string | undefined>()
    const ill = await upstream((incoming, outgoing) => {
      if (incoming.url !== '/healthz?deep=1') return outgoing.end('ill')
      hosts.add(incoming.headers.host)
      return outgoing.writeHead(isWell ? 204 : 500).end()
    })
    const well = await named('well')
    const { send, until, events } = prepared(settingsOf(origin, { targets: [ill.origin, well.origin], health }))
    await until((seen) => seen.length === 1)
    expect(events[0]).toMatchObject({ event: 'upstream_ejected', target: ill.origin, because: 'health' })
    for (let call = 0; call < 4; call++) expect(await text(await send())).toBe('well')
    isWell = true
    await until((seen) => seen.length === 2)
    expect(events[1]).toMatchObject({ event: 'upstream_recovered', target: ill.origin })
    const answers = new Set<string>()
    for (let call = 0; call < 4; call++) answers.add(await text(await send()))
    expect(answers).toContain('ill')
    expect([...hosts]).toEqual(['orders.localhost:1'])
  })

  test('find a target that hangs, and leave callers a quick answer when there is no other', async () => {
    const silent = await rawUpstream((socket) => socket.resume())
    const settings = settingsOf(origin, { targets: [silent], health: { ...health, timeoutMs: 20 } })
    const { send, until } = prepared(settings)
    await until((seen) => seen.length === 1)
    await expect(send()).rejects.toMatchObject({ code: 'upstream_unavailable', headers: { 'Retry-After': '1' } })
  })
})

describe('a WebSocket’s handshake', () => {
  /** Takes every handshake with the key above, and counts. */
  async function taking() {
    let handshakes = 0
    const { origin: at, server } = await upstream((_incoming, outgoing) => outgoing.end())
    server.on('upgrade', (_incoming, socket) => {
      handshakes++
      socket.on('error', () => socket.destroy())
      socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
          'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n',
      )
      onCleanup(async () => socket.destroy())
    })
    return { origin: at, handshakes: () => handshakes }
  }

  test('whose connection was refused goes to another target, and what was refused counts', async () => {
    const good = await taking()
    const { connect, events } = prepared(settingsOf(origin, { targets: [good.origin, await deadTarget()] }))
    for (let call = 0; call < 6; call++) {
      const { status, socket } = await connect()
      expect(status).toBe(101)
      socket?.cancel()
    }
    expect(good.handshakes()).toBe(6)
    expect(events).toMatchObject([{ event: 'upstream_ejected', because: 'failures' }])
  })

  test('that has one target, no retries, or none in order left, is told of the first', async () => {
    const dead = await deadTarget()
    for (const changes of [
      { targets: [dead] },
      { targets: [dead, await deadTarget()], retries: 0 },
      { targets: [dead, await deadTarget()] },
    ]) {
      const { connect } = prepared(settingsOf(origin, changes))
      await expect(connect()).rejects.toMatchObject({ code: 'upstream_unreachable' })
    }
  })

  test('that may have been read is not sent again', async () => {
    const [first, second] = [await dropping(), await dropping()]
    const { connect } = prepared(settingsOf(origin, { targets: [first.origin, second.origin] }))
    await expect(connect()).rejects.toMatchObject({ code: 'upstream_unreachable' })
    expect(first.requests() + second.requests()).toBe(1)
  })
})

describe('limits', () => {
  test('all of an answer has to come in its time; an event stream has none', async () => {
    const { origin: target } = await upstream((incoming, outgoing) => {
      if (incoming.url === '/events') outgoing.setHeader('content-type', 'text/event-stream')
      if (incoming.url !== '/silent') outgoing.write('part')
    })
    const timeouts = { connectMs: 1000, headersMs: undefined, bodyMs: 60_000, totalMs: 300 }
    const { send } = prepared(settingsOf(origin, { targets: [target], timeouts }))
    const events = await send({ target: '/events' })
    await expect(send({ target: '/silent' })).rejects.toMatchObject({ code: 'upstream_timeout' })
    const late = await send()
    await expect(text(late)).rejects.toThrow()
    const reader = events.body?.stream().getReader()
    expect(new TextDecoder().decode((await reader?.read())?.value)).toBe('part')
    await reader?.cancel()
  })

  const inAll = (totalMs: number) => ({ connectMs: 60_000, headersMs: undefined, bodyMs: 60_000, totalMs })

  test('the wait for a connection counts', { timeout: 5000 }, async () => {
    // Whoever gives up while a connection is being made keeps its place until that has come to something.
    const silent = (await rawUpstream((socket) => socket.resume())).replace('http:', 'https:')
    const { send } = prepared(settingsOf(origin, { targets: [silent], connections: 1, timeouts: inAll(50) }))
    for (let call = 0; call < 2; call++) {
      await expect(send({ headersTimeoutMs: 60_000 })).rejects.toMatchObject({ code: 'upstream_timeout' })
    }
  })

  test('what has no time left when its turn comes is not sent, and leaves its place to the next', async () => {
    const seen: (string | undefined)[] = []
    const [arrived, held] = [deferred(), deferred()]
    const { origin: target, server } = await upstream(async (incoming, outgoing) => {
      seen.push(incoming.url)
      arrived.resolve()
      await held.promise
      outgoing.end()
    })
    let connections = 0
    server.on('connection', () => connections++)
    const now = performance.now.bind(performance)
    let passedMs = 0
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => now() + passedMs)
    onCleanup(async () => clock.mockRestore())
    const timeouts = inAll(60_000)
    const { send } = prepared(settingsOf(origin, { targets: [target], connections: 1, retries: 0, timeouts }))
    const first = send({ target: '/first' })
    await arrived.promise
    const second = send({ target: '/second' })
    passedMs = 60_000
    held.resolve()
    await text(await first)
    await expect(second).rejects.toMatchObject({ code: 'upstream_timeout' })
    // A connection is free with the event loop's next turn.
    await new Promise((resolve) => setImmediate(resolve))
    await text(await send({ target: '/third' }))
    expect([seen, connections]).toEqual([['/first', '/third'], 1])
  })

  test('a WebSocket’s handshake has to be answered in that time', { timeout: 5000 }, async () => {
    const target = await rawUpstream((socket) => socket.resume())
    const { connect } = prepared(settingsOf(origin, { targets: [target], timeouts: inAll(50) }))
    await expect(connect({ headersTimeoutMs: 60_000 })).rejects.toMatchObject({ code: 'upstream_timeout' })
  })

  test('more than may wait is told to come back', async () => {
    const { origin: target } = await upstream(() => {})
    const { send } = prepared(settingsOf(origin, { targets: [target], connections: 1, queue: 1 }))
    const controller = new AbortController()
    const under = [send({ signal: controller.signal }), send({ signal: controller.signal })]
    await expect(send()).rejects.toMatchObject({ code: 'upstream_busy' })
    controller.abort()
    for (const one of under) await expect(one).rejects.toMatchObject({ name: 'AbortError' })
  })
})

describe('TLS', () => {
  async function secureUpstream(options: https.ServerOptions): Promise<string> {
    const server = https.createServer(options, (incoming, outgoing) => {
      const { subject } = (incoming.socket as import('node:tls').TLSSocket).getPeerCertificate()
      outgoing.end(JSON.stringify({ host: incoming.headers.host, client: subject?.CN ?? null }))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onCleanup(async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    })
    return `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  }
  const noTls = { ca: undefined, cert: undefined, key: undefined, servername: undefined }

  test('an authority of one’s own is trusted for its upstream, and the name has to be the origin’s', async () => {
    const certificate = certificateFor('orders.internal')
    const target = await secureUpstream(certificate)
    const tls = { ...noTls, ca: [certificate.cert] }
    const { send } = prepared(settingsOf('https://orders.internal', { targets: [target], tls }))
    expect(JSON.parse(await text(await send()))).toEqual({ host: 'orders.internal', client: null })

    const other = prepared(settingsOf('https://billing.internal', { targets: [target], tls }))
    await expect(other.send()).rejects.toMatchObject({
      code: 'upstream_unreachable',
      cause: { code: 'ERR_TLS_CERT_ALTNAME_INVALID' },
    })
    const named = prepared(
      settingsOf('https://billing.internal', { targets: [target], tls: { ...tls, servername: 'orders.internal' } }),
    )
    expect(JSON.parse(await text(await named.send()))).toMatchObject({ host: 'billing.internal' })
  })

  test('nobody else’s certificate is', async () => {
    const target = await secureUpstream(certificateFor('orders.internal'))
    const tls = { ...noTls, ca: [certificateFor('orders.internal').cert] }
    const { send } = prepared(settingsOf('https://orders.internal', { targets: [target], tls }))
    await expect(send()).rejects.toMatchObject({ code: 'upstream_unreachable' })
  })

  test('mutual TLS: ours is shown to who asks, and without it there is no answer', async () => {
    const server = certificateFor('orders.internal')
    const client = { cert: fixture('client.cert.pem'), key: fixture('client.key.pem') }
    const target = await secureUpstream({ ...server, ca: client.cert, requestCert: true, rejectUnauthorized: true })
    const tls = { ...noTls, ca: [server.cert] }
    const shown = prepared(settingsOf('https://orders.internal', { targets: [target], tls: { ...tls, ...client } }))
    expect(JSON.parse(await text(await shown.send()))).toMatchObject({ client: 'gateway' })
    const without = prepared(settingsOf('https://orders.internal', { targets: [target], tls }))
    await expect(without.send()).rejects.toMatchObject({ code: 'upstream_unreachable' })
  })
})
