/** HTTP/2 towards an upstream that offers it: many requests on one connection, none of which may hurt another. */
import http2 from 'node:http2'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { nodeTransport } from '../../src/node/transport.ts'
import type { UpstreamRequest, UpstreamResponse } from '../../src/runtime.ts'
import { certificateFor } from './certificates.ts'
import { bodyText, closeEverything, deferred, onCleanup } from './loopback.ts'
import { settingsOf } from './upstream-settings.ts'

afterEach(closeEverything)

const certificate = certificateFor('127.0.0.1')

type Listener = (incoming: http2.Http2ServerRequest, outgoing: http2.Http2ServerResponse) => void

async function upstream(listener: Listener) {
  const server = http2.createSecureServer({ ...certificate, allowHTTP1: true }, listener)
  const sessions = new Set<http2.ServerHttp2Session>()
  let connections = 0
  server.on('secureConnection', () => connections++)
  server.on('session', (session) => sessions.add(session))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onCleanup(async () => {
    for (const session of sessions) session.destroy()
    await new Promise<void>((resolve) => server.close(() => resolve()))
  })
  const origin = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { origin, sessions, connections: () => connections }
}

function client(origin: string, { http2: isHttp2 = true } = {}) {
  const tls = { ca: [certificate.cert], cert: undefined, key: undefined, servername: undefined }
  const settings = settingsOf(origin, { tls, http2: isHttp2, connections: 50 })
  const transport = nodeTransport()
  transport.prepare([settings], () => {})
  onCleanup(() => transport.close())
  return (more: Partial<UpstreamRequest> = {}) =>
    transport.send({
      origin,
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
}

const text = async (answer: UpstreamResponse) => new Response(answer.body?.stream() ?? null).text()

const echo: Listener = async (incoming, outgoing) => {
  const body = await bodyText(incoming as never)
  const { httpVersion, method, url, headers } = incoming
  const host = headers[':authority'] ?? headers.host
  outgoing.setHeader('x-one', ['1', '2'])
  outgoing.end(JSON.stringify({ httpVersion, method, url, host, x: headers['x-two'], body }))
}

describe('where it is offered', () => {
  test('requests share a connection, and lose nothing', async () => {
    const server = await upstream(echo)
    const send = client(server.origin)
    async function* body() {
      yield Buffer.from('he')
      yield Buffer.from('llo')
    }
    const headers = [
      ['x-two', 'caf\xe9'],
      ['connection', 'close'],
    ] as const
    const all = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        send({ method: 'POST', target: `/${index}?a=%20`, headers, body: body() }),
      ),
    )
    for (const [index, answer] of all.entries()) {
      expect(answer.headers.filter(([name]) => name === 'x-one')).toEqual([['x-one', '1, 2']])
      expect(answer.headers.map(([name]) => name)).not.toContain(':status')
      expect(JSON.parse(await text(answer))).toEqual({
        httpVersion: '2.0',
        method: 'POST',
        url: `/${index}?a=%20`,
        host: server.origin.slice(8),
        x: 'caf\xe9',
        body: 'hello',
      })
    }
    expect(server.connections()).toBe(1)
  })

  test('it is an option', async () => {
    const server = await upstream(echo)
    expect(JSON.parse(await text(await client(server.origin, { http2: false })())).httpVersion).toBe('1.1')
  })

  test('a server that has HTTP/1.1 only is asked by that', async () => {
    const server = https.createServer(certificate, (incoming, outgoing) => outgoing.end(incoming.httpVersion))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onCleanup(async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    })
    const send = client(`https://127.0.0.1:${(server.address() as AddressInfo).port}`)
    const all = await Promise.all(Array.from({ length: 5 }, () => send()))
    for (const answer of all) expect(await text(answer)).toBe('1.1')
  })

  test('HEAD, 204 and 304 have no body', async () => {
    const server = await upstream((incoming, outgoing) => {
      outgoing.writeHead(Number(incoming.url.slice(1)), { etag: '"1"' }).end()
    })
    const send = client(server.origin)
    expect((await send({ method: 'HEAD', target: '/200' })).body).toBeNull()
    expect((await send({ target: '/204' })).body).toBeNull()
    expect((await send({ target: '/304' })).body).toBeNull()
  })

  test('early hints come through', async () => {
    const server = await upstream((_incoming, outgoing) => {
      outgoing.writeEarlyHints({ link: '</next>; rel=next' })
      outgoing.end('real')
    })
    const hints: unknown[] = []
    const answer = await client(server.origin)({ onEarlyHints: (fields) => hints.push(...fields) })
    expect(await text(answer)).toBe('real')
    expect(hints).toEqual([['link', '</next>; rel=next']])
  })
})

describe('on the one connection', () => {
  test('who leaves takes only their own request along', async () => {
    const left = deferred()
    const held = deferred()
    const server = await upstream(async (incoming, outgoing) => {
      if (incoming.url === '/left') {
        outgoing.stream.once('close', () => left.resolve())
        outgoing.write('part')
      } else {
        outgoing.write('wh')
        await held.promise
        outgoing.end('ole')
      }
    })
    const send = client(server.origin)
    const controller = new AbortController()
    const [leaving, staying] = await Promise.all([send({ target: '/left', signal: controller.signal }), send()])
    controller.abort()
    await left.promise
    await expect(text(leaving)).rejects.toThrow()
    held.resolve()
    expect(await text(staying)).toBe('whole')
    expect(server.connections()).toBe(1)
  })

  test('a stream that the server resets breaks alone', async () => {
    const held = deferred()
    const server = await upstream(async (incoming, outgoing) => {
      outgoing.write('wh')
      await held.promise
      if (incoming.url === '/reset') outgoing.stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR)
      else outgoing.end('ole')
    })
    const send = client(server.origin)
    const [reset, whole] = await Promise.all([send({ target: '/reset' }), send()])
    const broken = expect(text(reset)).rejects.toThrow()
    held.resolve()
    await broken
    expect(await text(whole)).toBe('whole')
  })

  test('a reader that stands still does not stop the others', async () => {
    let written = 0
    const server = await upstream((incoming, outgoing) => {
      if (incoming.url !== '/endless') return outgoing.end('read')
      const chunk = Buffer.alloc(64 * 1024)
      const more = () => {
        while (written < 100 * 2 ** 20) {
          written += chunk.byteLength
          if (!outgoing.write(chunk)) return void outgoing.once('drain', more)
        }
        return undefined
      }
      return more()
    })
    const send = client(server.origin)
    const still = await send({ target: '/endless' })
    for (let call = 0; call < 50; call++) expect(await text(await send())).toBe('read')
    expect(written).toBeLessThan(5 * 2 ** 20)
    still.body?.cancel()
    expect(await text(await send())).toBe('read')
  })

  test('a server that goes away after what is under way gets what comes next on another', async () => {
    const server = await upstream(echo)
    const send = client(server.origin)
    await text(await send())
    for (const session of server.sessions) session.goaway(http2.constants.NGHTTP2_NO_ERROR)
    expect(JSON.parse(await text(await send())).httpVersion).toBe('2.0')
    expect(server.connections()).toBe(2)
  })

  test('that breaks, a read is sent once more', async () => {
    let isBroken = true
    const server = await upstream((incoming, outgoing) => {
      if (!isBroken) return outgoing.end('well')
      isBroken = false
      return incoming.stream.session?.destroy()
    })
    expect(await text(await client(server.origin)())).toBe('well')
  })
})
