import { afterAll, beforeAll, describe, it } from 'vitest'
import { redisStore } from '../../src/session/stores/redis.ts'
import { redisClient, startRedis, type TestRedis } from '../support/redis.ts'
import { expectNothingIn } from './dump.ts'
import { describeTicketStore } from './store-suite.ts'

let redis: TestRedis
let count = 0

beforeAll(async () => {
  redis = await startRedis()
})
afterAll(() => redis.stop())

describeTicketStore('Redis', async () => {
  const prefix = `store-${++count}:`
  const store = redisStore({ client: await redisClient(redis.url), prefix })
  const other = redisStore({ client: await redisClient(redis.url), prefix })
  const stop = async () => void (await Promise.all([store.coordinator.close(), other.coordinator.close()]))
  return { store, other, stop }
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
