import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cookieStore } from '../../src/session/stores/cookie-store.ts'
import { redisCoordinator, redisStore } from '../../src/session/stores/redis.ts'
import { redisClient, startRedis, type TestRedis } from '../support/redis.ts'
import { expectNothingIn } from './dump.ts'
import { opened, signIn, startProcess } from './processes.ts'
import { describeStore, describeTicketStore } from './store-suite.ts'

let redis: TestRedis
let count = 0

beforeAll(async () => {
  redis = await startRedis()
})
afterAll(() => redis.stop())

describeStore('cookie store on Redis', async () => {
  const prefix = `cookies-${++count}:`
  const clients = await Promise.all([redisClient(redis.url), redisClient(redis.url)])
  const [coordinator, other] = clients.map((client) => redisCoordinator({ client, prefix }))
  if (!coordinator || !other) throw new Error('two processes')
  const stop = async () => void (await Promise.all([coordinator.close(), other.close()]))
  return { store: cookieStore({ coordinator }), other: cookieStore({ coordinator: other }), stop }
})

describeTicketStore('Redis', async () => {
  const prefix = `store-${++count}:`
  const store = redisStore({ client: await redisClient(redis.url), prefix })
  const other = redisStore({ client: await redisClient(redis.url), prefix })
  const stop = async () => void (await Promise.all([store.coordinator.close(), other.coordinator.close()]))
  return { store, other, stop }
})

describe('processes whose clocks differ by more than their tokens live', () => {
  const aheadMs = 299_000
  const right = { now: () => Date.now() }
  const wrong = (ms: number) => ({ now: () => Date.now() + ms })

  it.each([
    ['signed in by the one that is right, for one that is ahead', right, wrong(aheadMs)],
    ['signed in by the one that is right, for one that is behind', right, wrong(-aheadMs)],
    ['signed in by the one that is ahead', wrong(aheadMs), right],
    ['signed in by the one that is behind', wrong(-aheadMs), right],
  ])('do not refresh in turns (R6): a session %s', async (_what, first, second) => {
    const prefix = `clocks-${++count}:`
    const store = redisStore({ client: await redisClient(redis.url), prefix, clock: first })
    const other = redisStore({ client: await redisClient(redis.url), prefix, clock: second })
    try {
      const one = startProcess(store, first, { storeKeepsTime: true })
      const two = startProcess(other, second, { storeKeepsTime: true })
      const browser = await signIn(one, { sub: 'ada', sid: 'ada-1' }, first)
      for (const process of [two, one, two, one]) {
        const open = await opened(process, browser)
        await process.sessions.refresh(open, () => undefined)
        expect(open.session.version).toBe(1)
        expect(process.sessions.hasLiveToken(open)).toBe(true)
      }
    } finally {
      await Promise.all([store.coordinator.close(), other.coordinator.close()])
    }
  })
})

describe('a dump of Redis', () => {
  it('shows nothing of anybody, and opens neither with the server’s secret nor with another ticket (S1)', async () => {
    const store = redisStore({ client: await redisClient(redis.url), prefix: 'dump:' })
    const thief = await redisClient(redis.url)
    try {
      await expectNothingIn(store, async () => {
        const lines: string[] = []
        for (const key of await thief.keys('dump:*')) {
          lines.push(key)
          const type = await thief.type(key)
          if (type === 'hash') lines.push(...Object.entries(await thief.hGetAll(key)).flat())
          else if (type === 'zset') lines.push(...(await thief.zRange(key, 0, -1)))
          else lines.push((await thief.get(key)) ?? '')
        }
        return lines.join('\n')
      })
    } finally {
      await Promise.all([store.coordinator.close(), thief.close()])
    }
  })
})
