/** Coatcheck behind a real nginx, with the configuration of docs/node.md. */
import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type RunningProvider, startProvider } from '../../spa-example/provider/index.ts'
import { resolveConfig } from '../../src/config/resolve.ts'
import { type StartedServer, startServer } from '../../src/node/serve.ts'
import { cookieStore } from '../../src/session/stores/cookie-store.ts'
import { memoryCoordinator } from '../../src/session/stores/memory-coordinator.ts'
import { UserAgent } from '../support/browser.ts'
import { freePort } from '../support/free-port.ts'
import { startNginx } from '../support/nginx.ts'
import { testSecret } from '../support/system.ts'
import { startUpstream, type TestUpstream } from '../support/upstream.ts'
import { messageOf, pageSocket, takeWebSockets } from '../support/websocket-upstream.ts'

let origin: string
let provider: RunningProvider
let upstream: TestUpstream
let server: StartedServer
let nginx: { stop(): Promise<void> }

beforeAll(async () => {
  const [port, publicPort] = [await freePort(), await freePort()]
  origin = `http://localhost:${port}`
  upstream = await startUpstream()
  provider = await startProvider({ appOrigin: origin, accessTokenSeconds: 600, gracePeriodSeconds: 60 })
  const { issuer, clientId, clientSecret } = provider
  const config = resolveConfig(
    {
      baseUrl: origin,
      provider: { issuer, clientId, clientSecret },
      session: { secrets: [testSecret], store: cookieStore({ coordinator: memoryCoordinator() }) },
      listeners: { public: `127.0.0.1:${publicPort}` },
      routes: [{ path: '/live', upstream: `${upstream.origin}/live`, auth: 'session', kinds: ['fetch', 'websocket'] }],
    },
    {},
  )
  server = await startServer(config, { report: () => undefined })
  const page = await readFile(new URL('../../docs/node.md', import.meta.url), 'utf8')
  const documented = /```nginx\n([\s\S]*?)```/.exec(page)?.[1] ?? ''
  const [, around = '', locations = ''] = /^([\s\S]*?)^server \{\n([\s\S]*)\n\}\s*$/m.exec(documented) ?? []
  expect(around).toContain('127.0.0.1:3000')
  // The test listens on a port of its own, without a certificate.
  const withoutTls = locations.replace(/^ *(listen|http2|server_name|ssl_\w+) .*$/gm, '')
  nginx = await startNginx(port, withoutTls, around.replace('127.0.0.1:3000', `127.0.0.1:${publicPort}`))
})
afterAll(async () => {
  await nginx?.stop()
  await server?.close()
  await Promise.all([provider?.stop(), upstream?.stop()])
})

it('a person signs in, and calls and WebSockets pass', async () => {
  takeWebSockets(upstream)
  const browser = new UserAgent()
  await browser.signIn(`${origin}/bff/login?return_to=/`, { username: 'ada', password: 'ada-demo' })
  const answer = await browser.fetch(`${origin}/live`, { headers: { 'X-CSRF': '1' } })
  expect(answer.status).toBe(200)
  expect(upstream.requests[0]?.headers).not.toHaveProperty('upgrade')
  const socket = pageSocket(browser, origin, '/live')
  const echo = messageOf(socket)
  socket.on('open', () => socket.send('hello'))
  expect(await echo).toBe('hello')
  socket.terminate()
})
