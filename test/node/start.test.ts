import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { resolveConfig } from '../../src/config/resolve.ts'
import type { UserConfig } from '../../src/config/user-config.ts'
import { type RunningServer, startServer } from '../../src/node/index.ts'
import type { CoatcheckEvent } from '../../src/observability/events.ts'
import { cookieStore } from '../../src/session/stores/cookie-store.ts'
import { freePort } from '../support/free-port.ts'
import { closedPort, closeEverything, deferred, onCleanup, rawClient, upstream } from './loopback.ts'

let dir: string
let events: CoatcheckEvent[]

beforeEach(async () => {
  events = []
  dir = await mkdtemp(path.join(tmpdir(), 'coatcheck-start-'))
  await writeFile(path.join(dir, 'index.html'), 'the app')
})

afterEach(async () => {
  await closeEverything()
  await rm(dir, { recursive: true })
})

async function started(api: string, more: Partial<UserConfig> = {}): Promise<RunningServer> {
  const port = await freePort()
  const config = resolveConfig(
    {
      baseUrl: `http://localhost:${port}`,
      provider: { issuer: 'http://127.0.0.1:1', clientId: 'app', clientSecret: 'not-used' },
      session: { secrets: [randomBytes(32).toString('base64url')], store: cookieStore() },
      spa: { dir },
      listeners: { public: `127.0.0.1:${port}` },
      routes: [{ path: '/public/*', upstream: `${api}/v1`, auth: 'none', reason: 'test' }],
      ...more,
    },
    {},
  )
  const server = await startServer(config, { report: (event) => events.push(event), closeTimeoutMs: 1_000 })
  onCleanup(() => server.close())
  return { ...server, url: config.origin }
}

test('a configuration becomes a server: pages, endpoints, routes, and 404 for the rest', async () => {
  const { origin } = await upstream((incoming, outgoing) => outgoing.end(`api ${incoming.url}`))
  const { url } = await started(origin)
  const page = await fetch(`${url}/orders`, { headers: { accept: 'text/html' } })
  expect(await page.text()).toBe('the app')
  expect(page.headers.get('content-security-policy')).toContain("object-src 'none'")
  const session = await fetch(`${url}/bff/session`, { headers: { 'x-csrf': '1' } })
  expect(await session.json()).toEqual({ authenticated: false })
  expect(await (await fetch(`${url}/public/prices?day=1`)).text()).toBe('api /v1/prices?day=1')
  const missing = await fetch(`${url}/missing.js`)
  expect([missing.status, ((await missing.json()) as { code: string }).code]).toEqual([404, 'no_route'])
})

test('a target that node-server would repair is refused as it came', async () => {
  let isCalled = false
  const { origin } = await upstream((_incoming, outgoing) => {
    isCalled = true
    outgoing.end()
  })
  const { url, port } = await started(origin)
  for (const target of ['/public/../public/x', '/public/%2e%2e/x', '/public//x', `${url}/public/x`]) {
    const request = `GET ${target} HTTP/1.1\r\nHost: localhost:${port}\r\nConnection: close\r\n\r\n`
    expect(await rawClient(port, request).closed).toMatch(/^HTTP\/1\.1 400 [\s\S]*path_not_canonical/)
  }
  expect(isCalled).toBe(false)
})

test('an API that cuts off in the middle of a body is never seen as whole', async () => {
  const { origin } = await upstream((_incoming, outgoing) => {
    outgoing.write('part', () => outgoing.destroy())
  })
  const { url } = await started(origin)
  await expect(fetch(`${url}/public/x`).then((response) => response.text())).rejects.toThrow()
})

test('a client that leaves takes its call with it', async () => {
  const arrived = deferred()
  const gone = deferred()
  const { origin } = await upstream((incoming) => {
    incoming.once('close', () => gone.resolve())
    arrived.resolve()
  })
  const { url } = await started(origin)
  const controller = new AbortController()
  const call = fetch(`${url}/public/x`, { signal: controller.signal })
  await arrived.promise
  controller.abort()
  await expect(call).rejects.toThrow()
  await gone.promise
})

test('a development server that is not there is told on the page', async () => {
  const { url } = await started('http://127.0.0.1:1', { spa: { proxy: `http://127.0.0.1:${await closedPort()}` } })
  const page = await fetch(url, { headers: { accept: 'text/html' } })
  expect([page.status, (await page.text()).includes('npx vite')]).toEqual([503, true])
})

test('a folder that is not built stops the start', async () => {
  await rm(path.join(dir, 'index.html'))
  await expect(started('http://127.0.0.1:1')).rejects.toThrow(/build the app first/)
})

test('what is inside has listeners of its own, and the public one has nothing of theirs', async () => {
  const port = await freePort()
  const config = resolveConfig(
    {
      baseUrl: `http://localhost:${port}`,
      provider: { issuer: 'http://127.0.0.1:1', clientId: 'app', clientSecret: 'not-used' },
      session: { secrets: [randomBytes(32).toString('base64url')], store: cookieStore() },
      listeners: { public: `127.0.0.1:${port}`, internal: 0, management: 0 },
      routes: [],
    },
    {},
  )
  const server = await startServer(config, { report: () => undefined })
  onCleanup(() => server.close())
  const { internal, management } = server
  const status = async (url: string | undefined) => (await fetch(`${url}/readyz`)).status
  expect([internal?.url, management?.url].map((url) => new URL(url ?? '').hostname)).toEqual(['127.0.0.1', '127.0.0.1'])
  expect([await status(management?.url), await status(config.origin)]).toEqual([200, 404])
  expect(await status(internal?.url)).toBe(404)
})

test('a listener whose port is taken starts nothing', async () => {
  const { origin } = await upstream((_incoming, outgoing) => outgoing.end())
  const taken = new URL(origin).port
  const start = started(origin, { listeners: { management: Number(taken) } })
  await expect(start).rejects.toMatchObject({
    message: `Port ${taken} of 127.0.0.1 is taken. Stop what listens there, or name another port in listeners.management.`,
    code: 'EADDRINUSE',
    cause: { code: 'EADDRINUSE', syscall: 'listen' },
  })
})

// 192.0.2.0/24 is nobody's (RFC 5737 §3).
test('a listener at an address that is not this machine’s says which setting that is', async () => {
  await expect(started('http://127.0.0.1:1', { listeners: { public: '192.0.2.1:3000' } })).rejects.toMatchObject({
    message: '192.0.2.1 is no address of this machine. Correct listeners.public.',
    code: 'EADDRNOTAVAIL',
    cause: { code: 'EADDRNOTAVAIL' },
  })
  await expect(started('http://127.0.0.1:1', { listeners: { public: 0, internal: '192.0.2.1:3000' } })).rejects.toThrow(
    '192.0.2.1 is no address of this machine. Correct listeners.internal.',
  )
})

test('a store that would lose sessions is refused, as a mistake of the configuration; one that is out is not', async () => {
  const { coordinator } = cookieStore()
  const secrets = [randomBytes(32).toString('base64url')]
  const withProblem = (problem: NonNullable<typeof coordinator.problem>) => ({
    session: { secrets, store: { ...cookieStore(), coordinator: { ...coordinator, problem } } },
  })
  const mistake = { problem: 'throws sessions away', cure: 'set noeviction there' }
  await expect(
    started(
      'http://127.0.0.1:1',
      withProblem(async () => mistake),
    ),
  ).rejects.toThrow('set noeviction there')
  await started(
    'http://127.0.0.1:1',
    withProblem(() => Promise.reject(new Error('out'))),
  )
  expect(events).toMatchObject([{ event: 'store_unavailable', during: 'start' }])
})
