/** A session that ends in another process closes the streams of this one (protocol.md E4, E6). */
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import WebSocket from 'ws'
import { type RunningProvider, startProvider } from '../../spa-example/provider/index.ts'
import { resolveConfig } from '../../src/config/resolve.ts'
import { type StartedServer, startServer } from '../../src/node/serve.ts'
import { sqliteCoordinator } from '../../src/node/sqlite-coordinator.ts'
import { cookieStore } from '../../src/session/stores/cookie-store.ts'
import { UserAgent } from '../support/browser.ts'
import { freePort } from '../support/free-port.ts'
import { testSecret } from '../support/system.ts'
import { startUpstream, type TestUpstream } from '../support/upstream.ts'
import { closeOf, takeWebSockets } from '../support/websocket-upstream.ts'

let origin: string
let ports: [number, number]
let folder: string
let provider: RunningProvider
let upstream: TestUpstream
let servers: StartedServer[]

/** Two processes' worth of Coatcheck over one ledger, both for the same origin. */
beforeAll(async () => {
  ports = [await freePort(), await freePort()]
  origin = `http://localhost:${ports[0]}`
  folder = await mkdtemp(path.join(tmpdir(), 'coatcheck-elsewhere-'))
  upstream = await startUpstream()
  takeWebSockets(upstream)
  provider = await startProvider({
    appOrigin: origin,
    accessTokenSeconds: 600,
  })
  servers = []
  for (const port of ports) {
    const config = resolveConfig(
      {
        baseUrl: origin,
        provider: { issuer: provider.issuer, clientId: provider.clientId, clientSecret: provider.clientSecret },
        session: {
          secrets: [testSecret],
          store: cookieStore({ coordinator: sqliteCoordinator({ file: path.join(folder, 'ledger.sqlite') }) }),
        },
        listeners: { public: `127.0.0.1:${port}` },
        routes: [{ path: '/api/live', upstream: `${upstream.origin}/live`, auth: 'session', kinds: ['websocket'] }],
      },
      {},
    )
    servers.push(await startServer(config, { report: () => undefined }))
  }
})
afterAll(async () => {
  await Promise.all(servers.map((server) => server.close()))
  await Promise.all([provider.stop(), upstream.stop()])
  await rm(folder, { recursive: true })
})

it('a sign-out at one process closes what is open at the other', async () => {
  const browser = new UserAgent()
  await browser.signIn(`${origin}/bff/login?return_to=/`, { username: 'ada', password: 'ada-demo' })
  const headers = { Host: new URL(origin).host, Origin: origin, Cookie: browser.cookies.header(origin) ?? '' }
  const socket = new WebSocket(`ws://127.0.0.1:${ports[1]}/api/live`, { headers })
  await once(socket, 'open')
  const closed = closeOf(socket)
  const answer = await browser.fetch(`${origin}/bff/logout`, { method: 'POST', headers: { 'X-CSRF': '1' } })
  expect(answer.status).toBe(200)
  expect(await closed).toEqual({ code: 4401, reason: 'session_ended' })
})
