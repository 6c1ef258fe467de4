/** Somebody's own app, served as the README says: it has what the configuration says, as `startServer` has. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Hono } from 'hono'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { resolveConfig } from '../../src/config/resolve.ts'
import type { Config } from '../../src/config/types.ts'
import type { UserConfig } from '../../src/config/user-config.ts'
import { appPages, nodeRuntime, serve, startServer } from '../../src/node/index.ts'
import type { CoatcheckEvent } from '../../src/observability/events.ts'
import { cookieStore } from '../../src/session/stores/cookie-store.ts'
import { memoryCoordinator } from '../../src/session/stores/memory-coordinator.ts'
import { tokenHandler } from '../../src/token-handler.ts'
import { freePort } from '../support/free-port.ts'
import { closeEverything, deferred, onCleanup, upstream } from './loopback.ts'

afterEach(closeEverything)

async function configOf(api: string, more: Partial<UserConfig> = {}): Promise<Config> {
  const port = await freePort()
  return resolveConfig(
    {
      baseUrl: `http://localhost:${port}`,
      provider: { issuer: 'http://127.0.0.1:1', clientId: 'app', clientSecret: 'not-used' },
      session: {
        secrets: [randomBytes(32).toString('base64url')],
        store: cookieStore({ coordinator: memoryCoordinator() }),
      },
      listeners: { public: `127.0.0.1:${port}` },
      routes: [{ path: '/open/*', upstream: api, auth: 'none', reason: 'test' }],
      ...more,
    },
    {},
  )
}

const ignore = () => {}

/** As an app of somebody's own. */
async function mounted(config: Config, options: { pages?: boolean; report?: (event: CoatcheckEvent) => void } = {}) {
  const runtime = nodeRuntime()
  const { report = ignore } = options
  const pages = options.pages ? await appPages(config, runtime, report) : undefined
  const bff = tokenHandler(config, { runtime, report, pages })
  const app = new Hono().get('/hello', (c) => c.text('hello')).route('/', bff.routes as unknown as Hono)
  const server = await serve(app, { ...config.listeners.public, runtime, closeTimeoutMs: 100 })
  onCleanup(() => server.close())
}

async function started(config: Config) {
  const server = await startServer(config, { report: ignore, closeTimeoutMs: 100 })
  onCleanup(() => server.close())
}

const bothWays = [
  ['in an app of one’s own', mounted],
  ['by itself', started],
] as const

test.each(bothWays)('without maxRequests there are as many answers as memory has room for, %s', async (_how, start) => {
  const constrained = vi.spyOn(process, 'constrainedMemory').mockReturnValue(128 * 1024)
  onCleanup(async () => constrained.mockRestore())
  await expectRoomForOne(start, {})
})

test.each(bothWays)('maxRequests of the configuration holds %s', (_how, start) =>
  expectRoomForOne(start, { maxRequests: 1 }),
)

test.each(bothWays)(
  'maxRequests of the configuration holds %s where memory has room for fewer',
  async (_how, start) => {
    const constrained = vi.spyOn(process, 'constrainedMemory').mockReturnValue(1)
    onCleanup(async () => constrained.mockRestore())
    const { origin } = await upstream((_incoming, outgoing) => outgoing.end('done'))
    const config = await configOf(origin, { maxRequests: 50 })
    await start(config)
    const answers = await Promise.all(Array.from({ length: 10 }, () => fetch(`${config.origin}/open/x`)))
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200))
  },
)

async function expectRoomForOne(start: (config: Config) => Promise<void>, more: Partial<UserConfig>) {
  const held = deferred()
  const arrived = deferred()
  const { origin } = await upstream(async (_incoming, outgoing) => {
    arrived.resolve()
    await held.promise
    outgoing.end('done')
  })
  const config = await configOf(origin, more)
  await start(config)
  const first = fetch(`${config.origin}/open/x`)
  await arrived.promise
  expect((await fetch(`${config.origin}/open/x`)).status).toBe(503)
  held.resolve()
  expect(await (await first).text()).toBe('done')
  expect((await fetch(`${config.origin}/open/x`)).status).toBe(200)
}

test('a port that is taken is said by the option that it comes from', async () => {
  const { origin } = await upstream((_incoming, outgoing) => outgoing.end())
  const port = Number(new URL(origin).port)
  await expect(serve(new Hono(), { host: '127.0.0.1', port })).rejects.toMatchObject({
    message: `Port ${port} of 127.0.0.1 is taken. Stop what listens there, or name another port in the option port.`,
    code: 'EADDRINUSE',
    cause: { code: 'EADDRINUSE' },
  })
})

describe('the app’s pages in an app of one’s own', () => {
  async function folder(): Promise<string> {
    const dir = await mkdtemp(path.join(tmpdir(), 'coatcheck-serve-'))
    onCleanup(() => rm(dir, { recursive: true }))
    await writeFile(path.join(dir, 'index.html'), 'the app')
    return dir
  }
  const cdn = () => upstream((_incoming, outgoing) => outgoing.setHeader('content-type', 'text/html').end('the app'))
  const places = [
    ['a folder', async () => ({ dir: await folder() })],
    ['a CDN', async () => ({ origin: (await cdn()).origin })],
    ['a development server', async () => ({ proxy: (await cdn()).origin })],
  ] as const

  test.each(places)('come from %s by appPages, with their security headers', async (_what, spa) => {
    const events: CoatcheckEvent[] = []
    const config = await configOf('http://127.0.0.1:1', { spa: await spa() })
    await mounted(config, { pages: true, report: (event) => events.push(event) })
    const page = await fetch(`${config.origin}/orders`, { headers: { accept: 'text/html' } })
    expect([page.status, await page.text()]).toEqual([200, 'the app'])
    expect(page.headers.get('content-security-policy')).toContain("object-src 'none'")
    expect(await (await fetch(`${config.origin}/hello`)).text()).toBe('hello')
    expect(events).toEqual([])
  })

  test.each(places)('that nothing serves are told of at the start: %s', async (_what, spa) => {
    const events: CoatcheckEvent[] = []
    const config = await configOf('http://127.0.0.1:1', { spa: await spa() })
    await mounted(config, { report: (event) => events.push(event) })
    expect(events).toMatchObject([{ event: 'pages_not_served', setting: 'spa' }])
    expect((await fetch(`${config.origin}/`)).status).toBe(404)
  })

  test('that the app around serves are none of ours to tell of', async () => {
    const events: CoatcheckEvent[] = []
    const config = await configOf('http://127.0.0.1:1', { spa: { dir: 'dist' } })
    tokenHandler(config, { fallthrough: true, report: (event) => events.push(event) })
    expect(events).toEqual([])
  })
})
