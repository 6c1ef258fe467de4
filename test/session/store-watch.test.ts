/** A real Redis, met by a handler that nobody started with `coatcheck serve` (protocol.md S2). */
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import type { CoatcheckEvent, Report } from '../../src/observability/events.ts'
import { cookieStore } from '../../src/session/stores/cookie-store.ts'
import { redisCoordinator } from '../../src/session/stores/redis.ts'
import { tokenHandler } from '../../src/token-handler.ts'
import { webRuntime } from '../../src/web-runtime.ts'
import { good, resolve, secret } from '../config/good.ts'
import { redisClient, startRedis, type TestRedis } from '../support/redis.ts'

let redis: TestRedis
let now = Date.now()
const events: CoatcheckEvent[] = []
const stops: (() => Promise<unknown>)[] = []

beforeAll(async () => {
  redis = await startRedis(['--maxmemory-policy', 'allkeys-lru'])
})
afterAll(async () => {
  for (const stop of stops) await stop()
  await redis.stop()
})
beforeEach(() => {
  events.length = 0
})

async function handler() {
  const coordinator = redisCoordinator({ client: await redisClient(redis.url) })
  stops.push(() => coordinator.close())
  const config = resolve(good({ session: { secrets: [secret], store: cookieStore({ coordinator }) } }))
  const runtime = { ...webRuntime(), clock: { now: () => now } }
  // The call itself is no page's, and is refused.
  const report: Report = (event) => void (event.event !== 'calls_refused' && events.push(event))
  const { routes } = tokenHandler(config, { runtime, report })
  return {
    coordinator,
    call: () => routes.request('https://app.example.com/bff/session', { headers: { host: 'app.example.com' } }),
  }
}

const misconfigured = [
  {
    event: 'store_misconfigured',
    problem: expect.stringContaining('allkeys-lru'),
    cure: 'set maxmemory-policy noeviction there',
  },
]

it('a Redis that may throw sessions away is told of with the first call, and an hour later again', async () => {
  const { call, coordinator } = await handler()
  await call()
  await expect.poll(() => events).toEqual(misconfigured)
  now += 59 * 60_000
  await call()
  // Answered after all that was asked before.
  await coordinator.now?.()
  expect(events).toEqual(misconfigured)
  now += 60_000
  await call()
  await expect.poll(() => events).toEqual([...misconfigured, ...misconfigured])
})

it('and so is one that was out at the first call', async () => {
  const { call, coordinator } = await handler()
  await redis.kill()
  await call()
  await redis.startAgain()
  await expect.poll(() => coordinator.now?.().catch(() => undefined)).toBeGreaterThan(0)
  expect(events).toEqual([])
  now += 5000
  await call()
  await expect.poll(() => events).toEqual(misconfigured)
})
