/** HTTP/1.1 through the gateway, as the bytes on both sides show it. */
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { gateway, request } from './gateway.ts'
import { bodyText, closedPort, closeEverything, deferred, rawClient, rawUpstream, upstream } from './loopback.ts'

afterEach(closeEverything)

describe('Expect: 100-continue', () => {
  const expecting = (length: number) => [`Content-Length: ${length}`, 'Expect: 100-continue']

  test('is answered when the route takes the body, which then goes through', async () => {
    const { origin } = await upstream(async (incoming, outgoing) => {
      outgoing.end(`${incoming.headers.expect ?? 'no expect'}: ${await bodyText(incoming)}`)
    })
    const { port } = await gateway(origin)
    const client = rawClient(port, request('POST', '/open/x', expecting(5)))
    expect(await client.until(/\r\n\r\n/)).toBe('HTTP/1.1 100 Continue\r\n\r\n')
    client.socket.write('hello')
    expect(await client.until(/no expect: hello/)).toMatch(/100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n/)
  })

  test.each<[string, string, string[], number]>([
    ['without a session', '/api/x', ['X-CSRF: 1'], 401],
    ['from another site', '/api/x', ['Sec-Fetch-Site: cross-site'], 403],
    ['that no route takes', '/nowhere', [], 404],
    ['for another host', '/open/x', ['X-Forwarded-Host: evil.example'], 413],
  ])(
    'of an upload %s is answered with the refusal, and the body is not asked for',
    async (_what, path, fields, status) => {
      const server = await upstream((_incoming, outgoing) => outgoing.end())
      const { port } = await gateway(server.origin, { bodyLimitBytes: 4 })
      const client = rawClient(port, request('POST', path, [...fields, ...expecting(5)]))
      // The client may send its body or not: a connection that goes on could not tell (RFC 9110 §10.1.1).
      const answer = await client.closed
      expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
      expect(answer.toLowerCase()).toContain('connection: close')
      expect(answer).not.toContain('100 Continue')
      expect(server.connections()).toBe(0)
    },
  )

  test('of something else is refused', async () => {
    const { origin } = await upstream((_incoming, outgoing) => outgoing.end())
    const { port } = await gateway(origin)
    const client = rawClient(port, request('POST', '/open/x', ['Content-Length: 1', 'Expect: the-unexpected'], 'x'))
    expect(await client.until(/\r\n\r\n/)).toMatch(/^HTTP\/1\.1 417 /)
  })

  test('is not waited for in vain by a client that sends at once', async () => {
    const { origin } = await upstream(async (incoming, outgoing) => outgoing.end(await bodyText(incoming)))
    const { port } = await gateway(origin)
    const client = rawClient(port, request('POST', '/open/x', expecting(5), 'hello'))
    expect(await client.until(/hello/)).toMatch(/HTTP\/1\.1 200 OK\r\n/)
  })
})

describe('early hints', () => {
  const links = ['</next>; rel=next', '</evil.js>; rel=preload; as=script']

  test('go ahead where the route says so, without what speaks about our origin', async () => {
    const held = deferred()
    const { origin } = await upstream(async (_incoming, outgoing) => {
      outgoing.writeEarlyHints({ link: links, 'set-cookie': 'a=b', 'x-hint': '1' })
      await held.promise
      outgoing.end('real')
    })
    const { port } = await gateway(origin, { earlyHints: true })
    const client = rawClient(port, request('GET', '/open/x'))
    expect(await client.until(/\r\n\r\n/)).toBe('HTTP/1.1 103 Early Hints\r\nLink: </next>; rel=next\r\n\r\n')
    held.resolve()
    expect(await client.until(/real/)).toMatch(/\r\n\r\nHTTP\/1\.1 200 OK\r\n/)
  })

  test.each([
    ['by default', {}, 'HTTP/1.1'],
    ['to HTTP/1.0', { earlyHints: true }, 'HTTP/1.0'],
  ])('do not go %s', async (_what, route, version) => {
    const { origin } = await upstream((_incoming, outgoing) => {
      outgoing.writeEarlyHints({ link: '</next>; rel=next' }, () => outgoing.end('real'))
    })
    const { port } = await gateway(origin, route)
    const client = rawClient(port, request('GET', '/open/x').replace('HTTP/1.1', version))
    expect(await client.until(/real/)).not.toContain('103')
  })
})

test('requests that come all at once give their places back when their client leaves', async () => {
  const begun = deferred()
  const { origin } = await upstream((incoming, outgoing) => {
    if (incoming.url === '/after') outgoing.end('served')
    else begun.resolve()
  })
  const { port } = await gateway(origin, {}, { server: { limits: { maxRequests: 20 } } })
  const client = rawClient(port, request('GET', '/open/x').repeat(20))
  await begun.promise
  const before = rawClient(port, request('GET', '/open/after', ['Connection: close']))
  expect(await before.closed).toMatch(/^HTTP\/1\.1 503 /)
  client.socket.destroy()
  await expect
    .poll(() => rawClient(port, request('GET', '/open/after', ['Connection: close'])).closed)
    .toMatch(/^HTTP\/1\.1 200 /)
})

describe('trailers', () => {
  const withTrailers =
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Server-Timing, X-Other, Set-Cookie\r\n\r\n' +
    '4\r\nbody\r\n0\r\nServer-Timing: db;dur=1\r\nX-Other: 1\r\nSet-Cookie: a=b\r\n\r\n'
  const chunked = () => rawUpstream((socket) => socket.once('data', () => socket.write(withTrailers)))

  test('pass by name, and are announced', async () => {
    const { port } = await gateway(await chunked(), { trailers: ['Server-Timing'] })
    const client = rawClient(port, request('GET', '/open/x'))
    const answer = await client.until(/0\r\n[\s\S]*\r\n\r\n$/)
    expect(answer.toLowerCase()).toContain('\r\ntrailer: server-timing\r\n')
    expect(answer).toMatch(/4\r\nbody\r\n0\r\nserver-timing: db;dur=1\r\n\r\n$/i)
  })

  test('stay behind where the route names none', async () => {
    const { port } = await gateway(await chunked())
    const client = rawClient(port, request('GET', '/open/x'))
    const answer = await client.until(/0\r\n\r\n$/)
    expect(answer.toLowerCase()).not.toMatch(/trailer|server-timing/)
  })

  test.each(['GET /open/x HTTP/1.0', 'HEAD /open/x HTTP/1.1'])(
    'stay behind where there are no chunks: %s',
    async (line) => {
      const { port } = await gateway(await chunked(), { trailers: ['Server-Timing'] })
      const plain = request('GET', '/open/x', ['Connection: close'])
      const answer = await rawClient(port, plain.replace('GET /open/x HTTP/1.1', line)).closed
      expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
      expect(answer.toLowerCase()).not.toMatch(/trailer|server-timing/)
      expect(answer.endsWith('\r\n\r\nbody')).toBe(line.startsWith('GET'))
    },
  )

  test('of a request are dropped (RFC 9110 §6.5 lets a proxy)', async () => {
    const { origin } = await upstream(async (incoming, outgoing) => {
      const body = await bodyText(incoming)
      outgoing.end(JSON.stringify([body, incoming.trailers, incoming.headers.trailer ?? null]))
    })
    const { port } = await gateway(origin)
    const client = rawClient(
      port,
      request(
        'POST',
        '/open/x',
        ['Transfer-Encoding: chunked', 'Trailer: authorization'],
        '2\r\nhi\r\n0\r\nauthorization: x\r\n\r\n',
      ),
    )
    expect(await client.until(/\]/)).toContain('["hi",{},null]')
  })
})

describe('a connection', () => {
  test('may bring several requests at once: they are answered in their order', async () => {
    const { origin } = await upstream(async (incoming, outgoing) => {
      // The first takes longest.
      if (incoming.url === '/1') for (let turns = 0; turns < 20; turns++) await turn()
      outgoing.end(`<${incoming.url}>`)
    })
    const { port } = await gateway(origin)
    const client = rawClient(port, ['/open/1', '/open/2', '/open/3'].map((path) => request('GET', path)).join(''))
    expect((await client.until(/<\/3>/)).match(/<.*?>/g)).toEqual(['</1>', '</2>', '</3>'])
  })

  test('that the client has closed for writing is one that it has left, as browsers do', async () => {
    const arrived = deferred()
    const gone = deferred()
    const { origin } = await upstream((incoming) => {
      incoming.once('close', () => gone.resolve())
      arrived.resolve()
    })
    const { port } = await gateway(origin)
    const client = rawClient(port, request('GET', '/open/x'))
    await arrived.promise
    client.socket.end()
    await gone.promise
    expect(await client.closed).toBe('')
  })

  test('of an upload that is refused half-way gets the refusal', async () => {
    const { origin } = await upstream((incoming) => incoming.resume())
    const { port } = await gateway(origin, { bodyLimitBytes: 4 })
    const client = rawClient(port, request('POST', '/open/x', ['Transfer-Encoding: chunked'], '3\r\nabc\r\n'))
    client.socket.write('3\r\ndef\r\n')
    expect(await client.until(/payload_too_large/)).toMatch(/^HTTP\/1\.1 413 /)
  })

  test('too many answers at a time: 503 before anything is done, and room again afterwards', async () => {
    const held = deferred()
    const arrived = deferred()
    const { origin } = await upstream(async (_incoming, outgoing) => {
      arrived.resolve()
      await held.promise
      outgoing.end('done')
    })
    const { port } = await gateway(origin, {}, { server: { limits: { maxRequests: 1 } } })
    const first = rawClient(port, request('GET', '/open/x'))
    await arrived.promise
    const refused = await rawClient(port, request('GET', '/open/x')).closed
    expect(refused).toMatch(/^HTTP\/1\.1 503 [\s\S]*retry-after: 1\r\n[\s\S]*"code":"overloaded"/i)
    held.resolve()
    await first.until(/done/)
    expect(await rawClient(port, request('GET', '/open/x', ['Connection: close'])).closed).toContain('done')
  })
})

describe('header fields', () => {
  test('of a request that are too large are 431', async () => {
    const { origin } = await upstream((_incoming, outgoing) => outgoing.end())
    const { port } = await gateway(origin)
    const client = rawClient(port, request('GET', '/open/x', [`Accept: ${'a'.repeat(17_000)}`]))
    expect(await client.closed).toMatch(/^HTTP\/1\.1 431 /)
  })

  test('of an answer that are too large are an upstream out of order; large ones pass', async () => {
    const { origin } = await upstream((incoming, outgoing) => {
      const size = incoming.url === '/large' ? 12_000 : 17_000
      outgoing.writeHead(200, { 'x-large': 'a'.repeat(size) }).end('ok')
    })
    const { port } = await gateway(origin)
    expect(await rawClient(port, request('GET', '/open/large')).until(/\r\n\r\n/)).toContain(
      `x-large: ${'a'.repeat(12_000)}\r\n`,
    )
    const refused = await rawClient(port, request('GET', '/open/too-large')).until(/upstream_unreachable/)
    expect(refused).toMatch(/^HTTP\/1\.1 502 /)
  })
})

describe('a body', () => {
  test('is chunked on both sides where nobody knows its length', async () => {
    const { origin } = await upstream(async (incoming, outgoing) => {
      outgoing.write(`${incoming.headers['transfer-encoding']} ${incoming.headers['content-length']} `)
      outgoing.end(await bodyText(incoming))
    })
    const { port } = await gateway(origin)
    const chunks = '2;name=value\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n'
    const client = rawClient(port, request('POST', '/open/x', ['Transfer-Encoding: chunked'], chunks))
    const answer = await client.until(/\r\n0\r\n\r\n$/)
    expect(answer).toMatch(/transfer-encoding: chunked/i)
    expect(answer).toMatch(/chunked undefined [\s\S]*hello/)
  })

  test.each([
    ['a length', 'Content-Length: 100\r\n\r\npart'],
    ['chunks', 'Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n'],
  ])('with %s that breaks off does so for the client too', async (_framing, sent) => {
    const origin = await rawUpstream((socket) => socket.once('data', () => socket.end(`HTTP/1.1 200 OK\r\n${sent}`)))
    const { port } = await gateway(origin)
    const answer = await rawClient(port, request('GET', '/open/x')).closed
    expect(answer).toContain('part')
    // Neither all of the announced length, nor a last chunk.
    expect(answer).not.toMatch(/\r\n0\r\n/)
  })

  test('of events is not held back', async () => {
    const next = deferred()
    const { origin } = await upstream(async (_incoming, outgoing) => {
      outgoing.writeHead(200, { 'content-type': 'text/event-stream' })
      outgoing.write('data: 1\n\n')
      await next.promise
      outgoing.write('data: 2\n\n')
    })
    const { port } = await gateway(origin)
    const client = rawClient(port, request('GET', '/open/x', ['Accept: text/event-stream']))
    await client.until(/data: 1\n\n/)
    next.resolve()
    await client.until(/data: 2\n\n/)
  })

  test('nobody reads is not read from the upstream either', async () => {
    let written = 0
    const stopped = deferred()
    const { origin } = await upstream((_incoming, outgoing) => {
      const chunk = Buffer.alloc(64 * 1024)
      const more = () => {
        // What the sockets between hold is a few megabytes.
        if (written > 200 * 2 ** 20) return void outgoing.end()
        let isWanted = true
        while (isWanted && written <= 200 * 2 ** 20) {
          isWanted = outgoing.write(chunk)
          written += chunk.byteLength
        }
        if (!isWanted) outgoing.once('drain', more)
        return undefined
      }
      more()
      outgoing.once('close', () => stopped.resolve())
    })
    const { port } = await gateway(origin)
    const client = rawClient(port)
    client.socket.pause()
    client.socket.write(request('GET', '/open/x'))
    // While it stands still, another connection is served a hundred times.
    const { origin: other } = await upstream((_incoming, outgoing) => outgoing.end('x'.repeat(100_000)))
    const { port: otherPort } = await gateway(other)
    for (let call = 0; call < 100; call++) {
      await rawClient(otherPort, request('GET', '/open/x', ['Connection: close'])).closed
    }
    expect(written).toBeGreaterThan(0)
    expect(written).toBeLessThan(50 * 2 ** 20)
    client.socket.destroy()
    await stopped.promise
  })

  test('that the upstream does not read is not read from the client either', async () => {
    const origin = await rawUpstream((socket) => socket.pause())
    const { port } = await gateway(origin, { bodyLimitBytes: 2 ** 30 })
    const client = rawClient(port, request('POST', '/open/x', [`Content-Length: ${2 ** 30}`]))
    const chunk = Buffer.alloc(64 * 1024)
    const more = () => {
      while (client.socket.bytesWritten < 200 * 2 ** 20) if (!client.socket.write(chunk)) return
    }
    client.socket.on('drain', more)
    more()
    const { origin: other } = await upstream((_incoming, outgoing) => outgoing.end('x'))
    const { port: otherPort } = await gateway(other)
    for (let call = 0; call < 100; call++) {
      await rawClient(otherPort, request('GET', '/open/x', ['Connection: close'])).closed
    }
    // It went into the buffers of sockets, and no further.
    expect(client.socket.bytesWritten).toBeLessThan(50 * 2 ** 20)
    expect(client.socket.writableNeedDrain).toBe(true)
  })
})

describe('upstreams', () => {
  test('of the configuration are asked at their targets, by the name that routes have for them', async () => {
    const { origin } = await upstream((incoming, outgoing) => outgoing.end(`${incoming.headers.host} ${incoming.url}`))
    const settings = { config: { upstreams: [{ origin: 'http://orders.localhost:1', targets: [origin] }] } }
    const { port } = await gateway('http://orders.localhost:1', {}, settings)
    await rawClient(port, request('GET', '/open/x')).until(/orders\.localhost:1 \/x/)
  })

  test('that are out of order are told of, and callers when to come back', async () => {
    const dead = `http://127.0.0.1:${await closedPort()}`
    const settings = { config: { upstreams: [{ origin: dead, breaker: { failures: 1, pause: 7 } }] } }
    const { port, events } = await gateway(dead, {}, settings)
    await rawClient(port, request('GET', '/open/x')).until(/^HTTP\/1\.1 502 [\s\S]*upstream_unreachable/)
    await rawClient(port, request('GET', '/open/x')).until(
      /^HTTP\/1\.1 503 [\s\S]*retry-after: 7\r\n[\s\S]*upstream_unavailable/i,
    )
    expect(events).toContainEqual(
      expect.objectContaining({ event: 'upstream_ejected', upstream: dead, target: dead, pause_seconds: 7 }),
    )
  })
})

describe('a kept connection that the upstream has closed', () => {
  /** Answers once on each connection, then closes it as the next request comes. */
  async function closing() {
    const requests: string[] = []
    const origin = await rawUpstream((socket) => {
      let answered = false
      socket.on('data', (data) => {
        const line = data.toString('latin1').split('\r\n', 1)[0] ?? ''
        requests.push(line)
        if (answered) return socket.resetAndDestroy()
        answered = true
        return socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
      })
    })
    return { origin, requests }
  }
  const status = async (port: number, text: string) => {
    const client = rawClient(port, text)
    return Number((await client.until(/\r\n\r\n/)).slice(9, 12))
  }

  test('costs a GET nothing: it is sent once more, on a new one', async () => {
    const { origin, requests } = await closing()
    const { port } = await gateway(origin)
    expect(await status(port, request('GET', '/open/1'))).toBe(200)
    await turn()
    expect(await status(port, request('GET', '/open/2'))).toBe(200)
    expect(requests).toEqual(['GET /1 HTTP/1.1', 'GET /2 HTTP/1.1', 'GET /2 HTTP/1.1'])
  })

  test.each(['POST', 'DELETE', 'PUT'])('may have done a %s already, which is not sent again', async (method) => {
    const { origin, requests } = await closing()
    const { port } = await gateway(origin)
    expect(await status(port, request('GET', '/open/1'))).toBe(200)
    await turn()
    expect(await status(port, request(method, '/open/2', ['Content-Length: 0']))).toBe(502)
    expect(requests).toHaveLength(2)
  })
})
