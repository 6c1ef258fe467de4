/** A WebSocket to an API behind a service binding. By URL: test/contract/websocket.test.ts. */
import { once } from 'node:events'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type RunningProvider, startProvider } from '../../spa-example/provider/index.ts'
import { UserAgent } from '../support/browser.ts'
import { freePort } from '../support/free-port.ts'
import { testSecret } from '../support/system.ts'
import { closeOf, messageOf, pageSocket } from '../support/websocket-upstream.ts'
import { type RunningWorkerd, startWorkerd } from '../support/workerd.ts'

let origin: string
let provider: RunningProvider
let running: RunningWorkerd
beforeAll(async () => {
  const port = await freePort()
  origin = `http://localhost:${port}`
  provider = await startProvider({ appOrigin: origin, accessTokenSeconds: 600 })
  const config = {
    baseUrl: origin,
    provider: { issuer: provider.issuer, clientId: provider.clientId, clientSecret: provider.clientSecret },
    session: { secrets: [testSecret] },
    routes: [],
  }
  running = await startWorkerd(
    [
      {
        name: 'coatcheck',
        entry: new URL('./plain-worker.ts', import.meta.url),
        vars: { CONFIG: JSON.stringify(config) },
        services: { LIVE: 'api' },
      },
      { name: 'api', entry: new URL('./socket-worker.ts', import.meta.url) },
    ],
    port,
  )
})
afterAll(async () => {
  await running.stop()
  await provider.stop()
})

it('gets the token, carries messages, and ends with the session', async () => {
  const browser = new UserAgent()
  await browser.signIn(`${origin}/bff/login?return_to=/`, { username: 'ada', password: 'ada-demo' })
  const socket = pageSocket(browser, origin, '/live/room')
  const first = messageOf(socket)
  await once(socket, 'open')
  const [path, authorization, cookie] = JSON.parse(await first) as [string, string, string | null]
  expect([path, cookie]).toEqual(['/room', null])
  expect(authorization).toMatch(/^Bearer ey/)
  socket.send('hello')
  expect(await messageOf(socket)).toBe('hello, too')
  const closed = closeOf(socket)
  await browser.fetch(`${origin}/bff/logout`, { method: 'POST', headers: { 'X-CSRF': '1' } })
  expect(await closed).toEqual({ code: 4401, reason: 'session_ended' })
})
