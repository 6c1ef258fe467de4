/** What an operator reads of a call that failed for a fault behind us, to find where it is. */
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import type { RouteConfig } from '../../src/config/user-routes.ts'
import { CoatcheckError } from '../../src/errors.ts'
import { failedCalls } from '../../src/observability/failed-calls.ts'
import { type Attacked, startAttacked } from '../security/attacked.ts'

let served: Attacked
const route: RouteConfig = {
  path: '/shops/:shop/*',
  upstream: '/s/:shop',
  auth: 'none',
  reason: 'a test',
  timeout: '1s',
}
beforeAll(async () => {
  served = await startAttacked({ routes: [route] })
})
afterAll(() => served.stop())
beforeEach(() => {
  served.upstream.reset()
  served.events.length = 0
})

const logged = () => served.lines().map((line) => JSON.parse(line))
const call = (target: string, fields: Record<string, string> = {}) => fetch(served.origin + target, { headers: fields })

it('an API that hangs up is named with its route, and nothing of the request is (SEC-8)', async () => {
  served.upstream.answerWith((socket) => socket.destroy())
  expect((await call('/shops/acme/orders?page=secret', { cookie: 'a=secret' })).status).toBe(502)
  expect(logged()).toEqual([
    {
      event: 'request_failed',
      code: 'upstream_unreachable',
      ...{ route: '/shops/:shop/*', upstream: served.upstream.origin },
      cause: expect.stringMatching(/^(SocketError UND_ERR_SOCKET|Error ECONNRESET)$/),
    },
  ])
})

it('so is one that does not answer in time', async () => {
  served.upstream.answerWith(() => undefined)
  expect((await call('/shops/acme/orders')).status).toBe(504)
  expect(logged()).toMatchObject([
    { code: 'upstream_timeout', route: '/shops/:shop/*', upstream: served.upstream.origin },
  ])
})

it('what fails without a cause has none in the log', () => {
  const lines: unknown[] = []
  const tell = failedCalls({ clock: Date, hasSharedTimers: false, every: () => () => {} }, (event) => lines.push(event))
  const binding = { fetch: async () => new Response() }
  const upstream = { origin: 'https://binding.internal', basePath: '', binding }
  tell(new CoatcheckError('websocket_unsupported'), { method: 'GET', route: { path: '/x', upstream } })
  tell(new CoatcheckError('internal_error'), { method: 'GET', route: undefined })
  expect(lines).toEqual([
    { event: 'request_failed', code: 'websocket_unsupported', route: '/x', upstream: 'service binding' },
    { event: 'request_failed', code: 'internal_error' },
  ])
})
