import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Hono } from 'hono'
import { createServer as createVite } from 'vite'
import { afterEach, describe, expect, test } from 'vitest'
import { devProxy } from '../../src/node/dev-proxy.ts'
import type { RunningServer } from '../../src/node/server.ts'
import { problemResponse, toCoatcheckError } from '../../src/problem.ts'
import { freePort } from '../support/free-port.ts'
import {
  closedPort,
  closeEverything,
  deferred,
  listen,
  onCleanup,
  rawClient,
  rawUpstream,
  testRuntime,
  upstream,
} from './loopback.ts'

afterEach(closeEverything)

/** Listens where `origin` says, as the developer's browser sees it. */
async function proxied(target: string): Promise<RunningServer & { origin: string }> {
  const port = await freePort()
  const origin = `http://127.0.0.1:${port}`
  const proxy = devProxy({
    target,
    origin,
    runtime: testRuntime(),
    pageHeaders: [['content-security-policy', 'ours']],
  })
  const app = new Hono()
    .all('*', async (c) => (await proxy(c)) ?? c.text('nothing', 404))
    .onError((error) => problemResponse(toCoatcheckError(error), []))
  const server = await listen({
    port,
    fetch: (request, env) => app.fetch(request, env),
  })
  return { ...server, origin }
}

describe('a page of the development server', () => {
  test('is asked for under its own Host, without credentials', async () => {
    const { origin } = await upstream((incoming, outgoing) => {
      outgoing.end(JSON.stringify([incoming.url, incoming.headers]))
    })
    const { url } = await proxied(origin)
    const response = await fetch(`${url}/src/main.tsx?t=1`, {
      headers: { cookie: 'session=secret', authorization: 'Bearer secret', accept: '*/*', 'x-csrf': 'secret' },
    })
    const [target, headers] = (await response.json()) as [string, Record<string, string>]
    expect(target).toBe('/src/main.tsx?t=1')
    expect(headers).toMatchObject({ host: origin.slice(7), accept: '*/*' })
    expect(JSON.stringify(headers)).not.toContain('secret')
  })

  test('comes with our policy, and without what the development server says of cookies and origins', async () => {
    const { origin } = await upstream((_incoming, outgoing) => {
      outgoing.writeHead(200, {
        'content-security-policy': 'theirs',
        'set-cookie': 'a=1',
        'access-control-allow-origin': '*',
        etag: '"1"',
      })
      outgoing.end('page')
    })
    const { url } = await proxied(origin)
    const response = await fetch(url)
    expect(response.headers.get('content-security-policy')).toBe('ours')
    expect(response.headers.get('etag')).toBe('"1"')
    expect(response.headers.has('set-cookie')).toBe(false)
    expect(response.headers.has('access-control-allow-origin')).toBe(false)
    expect(await response.text()).toBe('page')
  })

  test('is only read: other methods are not sent on', async () => {
    let isCalled = false
    const { origin } = await upstream((_incoming, outgoing) => {
      isCalled = true
      outgoing.end()
    })
    const { url } = await proxied(origin)
    expect((await fetch(url, { method: 'POST', body: '1' })).status).toBe(404)
    expect(isCalled).toBe(false)
  })

  test('that nobody serves is answered with how to start it', async () => {
    const target = `http://127.0.0.1:${await closedPort()}`
    const { url } = await proxied(target)
    const response = await fetch(url)
    expect(response.status).toBe(503)
    expect(response.headers.get('refresh')).toBe('2')
    const page = await response.text()
    expect(page).toContain(target)
    expect(page).toContain('npx vite')
  })
})

/** The answer to the key below (RFC 6455 §1.3). */
const accepted =
  'HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n'

function handshake(origin: string, more = ''): string {
  return (
    `GET /?token=1 HTTP/1.1\r\nHost: ${origin.slice(7)}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
    `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${more}\r\n`
  )
}

describe('the WebSocket of hot reload', () => {
  test('reaches the development server without cookies, and bytes pass both ways', async () => {
    const seen = deferred<string>()
    const target = await rawUpstream((socket) => {
      socket.once('data', (data) => {
        seen.resolve(data.toString())
        socket.write(`${accepted}Set-Cookie: a=1\r\n\r\n\x81\x05first`, 'latin1')
        socket.on('data', (more) => more.includes('ping') && socket.write('\x81\x04pong', 'latin1'))
      })
    })
    const { port, origin } = await proxied(target)
    const client = rawClient(port, handshake(origin, `Origin: ${origin}\r\nCookie: session=secret\r\n`))
    const answer = await client.until(/first/)
    expect(answer).toMatch(/^HTTP\/1\.1 101 /)
    expect(answer).not.toMatch(/set-cookie/i)
    client.socket.write('\x81\x84\0\0\0\0ping', 'latin1')
    await client.until(/pong/)
    const head = await seen.promise
    expect(head).toMatch(/^GET \/\?token=1 HTTP/)
    expect(head.toLowerCase()).toContain(`host: ${target.slice(7)}\r\n`)
    expect(head).not.toContain('secret')
  })

  test.each([
    ['from another site', 'Origin: https://evil.example\r\n'],
    ['from another port', 'Origin: http://127.0.0.1:1\r\n'],
    ['from a sandboxed frame', 'Origin: null\r\n'],
    ['from no page', ''],
  ])('%s is refused', async (_name, field) => {
    let isCalled = false
    const target = await rawUpstream(() => {
      isCalled = true
    })
    const { port, origin } = await proxied(target)
    expect(await rawClient(port, handshake(origin, field)).closed).toMatch(/^HTTP\/1\.1 403 /)
    expect(isCalled).toBe(false)
  })

  test('under a foreign Host (DNS rebinding) is refused', async () => {
    const { port, origin } = await proxied('http://127.0.0.1:1')
    const request = handshake('http://rebound.example', `Origin: ${origin}\r\n`)
    expect(await rawClient(port, request).closed).toMatch(/^HTTP\/1\.1 403 /)
  })

  test('that the development server refuses is refused with its status', async () => {
    const { origin: target } = await upstream((_incoming, outgoing) => outgoing.writeHead(426).end('body'))
    const { port, origin } = await proxied(target)
    expect(await rawClient(port, handshake(origin, `Origin: ${origin}\r\n`)).closed).toMatch(/^HTTP\/1\.1 426 /)
  })

  test('with nobody behind is 502', async () => {
    const { port, origin } = await proxied(`http://127.0.0.1:${await closedPort()}`)
    expect(await rawClient(port, handshake(origin, `Origin: ${origin}\r\n`)).closed).toMatch(/^HTTP\/1\.1 502 /)
  })

  test.each(['client', 'server'])('ends on both sides when the %s leaves', async (who) => {
    const gone = deferred()
    let server: import('node:net').Socket | undefined
    const target = await rawUpstream((socket) => {
      server = socket
      socket.once('close', () => gone.resolve())
      socket.once('data', () => socket.write(`${accepted}\r\n\x81\x02up`, 'latin1'))
    })
    const { port, origin } = await proxied(target)
    const client = rawClient(port, handshake(origin, `Origin: ${origin}\r\n`))
    await client.until(/up$/)
    if (who === 'client') client.socket.resetAndDestroy()
    else server?.resetAndDestroy()
    await client.closed
    await gone.promise
  })

  test('does not hold up a close', async () => {
    const target = await rawUpstream((socket) => {
      socket.once('data', () => socket.write(`${accepted}\r\n\x81\x02up`, 'latin1'))
    })
    const { port, origin, close } = await proxied(target)
    const client = rawClient(port, handshake(origin, `Origin: ${origin}\r\n`))
    await client.until(/up$/)
    await close()
    await client.closed
  })

  test('any other Upgrade is a page like any other', async () => {
    const { origin: target } = await upstream((_incoming, outgoing) => outgoing.end('page'))
    const { port, origin } = await proxied(target)
    const request = `GET / HTTP/1.1\r\nHost: ${origin.slice(7)}\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n`
    expect(await rawClient(port, request).until(/page/)).toMatch(/^HTTP\/1\.1 200 /)
  })
})

test('a real Vite serves its page and its client, and takes its WebSocket', async () => {
  const root = await mkdtemp(path.join(tmpdir(), 'coatcheck-vite-'))
  onCleanup(() => rm(root, { recursive: true }))
  await writeFile(path.join(root, 'index.html'), '<script type="module" src="/main.js"></script>')
  await writeFile(path.join(root, 'main.js'), 'document.title = "changed"')
  const vite = await createVite({ root, configFile: false, logLevel: 'silent', server: { host: '127.0.0.1', port: 0 } })
  onCleanup(() => vite.close())
  await vite.listen()
  const { port: vitePort } = (vite.httpServer as Server).address() as AddressInfo
  const { url, origin } = await proxied(`http://127.0.0.1:${vitePort}`)

  expect(await (await fetch(`${url}/orders/17`, { headers: { accept: 'text/html' } })).text()).toContain(
    '/@vite/client',
  )
  expect(await (await fetch(`${url}/main.js`)).text()).toContain('changed')
  const client = await (await fetch(`${url}/@vite/client`)).text()
  const token = /wsToken = "([^"]+)"/.exec(client)?.[1]
  expect(token).toBeDefined()

  const connected = deferred<string>()
  // Node's WebSocket sends no Origin unless told to; a browser always does.
  const socket = new WebSocket(`${origin.replace('http', 'ws')}/?token=${token}`, {
    protocols: ['vite-hmr'],
    headers: { origin },
  } as unknown as string[])
  socket.addEventListener('message', (event) => connected.resolve(String(event.data)))
  expect(await connected.promise).toBe('{"type":"connected"}')
  socket.close()
})
