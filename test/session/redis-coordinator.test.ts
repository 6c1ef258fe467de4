import { createClient } from 'redis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CoatcheckError } from '../../src/errors.ts'
import { redisCoordinator } from '../../src/session/stores/redis-coordinator.ts'
import { outageOf } from '../../src/session/stores/redis-outage.ts'
import { redisClient, startRedis, type TestRedis } from '../support/redis.ts'
import { describeCoordinator } from './coordinator-suite.ts'

let redis: TestRedis
let count = 0

beforeAll(async () => {
  redis = await startRedis()
})
afterAll(() => redis.stop())

describeCoordinator('Redis', async () => {
  const prefix = `test-${++count}:`
  const coordinator = redisCoordinator({ client: await redisClient(redis.url), prefix })
  const other = redisCoordinator({ client: await redisClient(redis.url), prefix })
  return {
    coordinator,
    other,
    clock: { now: () => Date.now() },
    // Redis's clock is not ours to move: the time has to pass.
    advance: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    async stop() {
      await coordinator.close()
      await other.close()
    },
  }
})

describe('a Redis that goes while a thing is done once', () => {
  it('does not take away what was done, or why it failed (R12)', async () => {
    const coordinator = redisCoordinator({ client: await redisClient(redis.url), prefix: 'goes:' })
    const done = coordinator.once('done', 60_000, async () => {
      await redis.kill()
      return 'value'
    })
    expect(await done).toBe('value')
    await redis.startAgain()
    await expect.poll(() => coordinator.recall('other').catch(() => 'out')).toBeUndefined()
    const failed = coordinator.once('failed', 60_000, async () => {
      await redis.kill()
      throw new CoatcheckError('provider_unavailable')
    })
    await expect(failed).rejects.toMatchObject({ code: 'provider_unavailable' })
    await redis.startAgain()
    await coordinator.close()
  })
})

describe('a Redis that is away', () => {
  const entry = (version: number) => ({ version, payload: 'p', keepUntil: Date.now() + 60_000 })
  const isOut = { code: 'store_unavailable' }

  it('is a store that cannot be asked, at once, and works again when it is back', async () => {
    const coordinator = redisCoordinator({ client: await redisClient(redis.url), prefix: 'killed:' })
    await coordinator.commit('s', 1, entry(2))
    await redis.kill()
    await expect(coordinator.read('s')).rejects.toMatchObject(isOut)
    await expect(coordinator.commit('s', 2, entry(3))).rejects.toMatchObject(isOut)
    await expect(coordinator.acquireLease('s', 1000)).rejects.toMatchObject(isOut)
    await expect(coordinator.recordAttempt('s', 2, Date.now() + 60_000)).rejects.toMatchObject(isOut)
    await expect(coordinator.once('k', 1000, async () => 'never')).rejects.toMatchObject(isOut)
    await redis.startAgain()
    await expect.poll(() => coordinator.commit('s', 2, entry(3)).catch(() => 'out')).toBe('committed')
    await coordinator.close()
  })

  it('and one that is frozen keeps nobody waiting longer than a command may take', async () => {
    const coordinator = redisCoordinator({
      client: await redisClient(redis.url),
      prefix: 'frozen:',
      commandTimeoutMs: 100,
    })
    redis.freeze()
    try {
      await expect(coordinator.read('s')).rejects.toMatchObject(isOut)
    } finally {
      redis.thaw()
    }
    await expect.poll(() => Promise.resolve(coordinator.read('s')).catch(() => 'out')).toBeUndefined()
    await coordinator.close()
  })

  it('and one that is frozen keeps few waiting: the others go on at once, until it answers (R2)', async () => {
    const commandTimeoutMs = 500
    const client = await redisClient(redis.url)
    const coordinator = redisCoordinator({ client, prefix: 'remembered:', commandTimeoutMs })
    await coordinator.commit('s', 1, entry(2))
    redis.freeze()
    try {
      await expect(coordinator.read('s')).rejects.toMatchObject(isOut)
      const began = performance.now()
      for (let count = 0; count < 20; count++) await expect(coordinator.read('s')).rejects.toMatchObject(isOut)
      await expect(coordinator.acquireLease('s', 1000)).rejects.toMatchObject(isOut)
      expect(performance.now() - began).toBeLessThan(commandTimeoutMs)
    } finally {
      redis.thaw()
    }
    await expect.poll(() => Promise.resolve(coordinator.read('s')).catch(() => 'out')).toMatchObject({ version: 2 })
    await coordinator.close()
  })

  it('and one that is frozen is tried once a second all the same', () => {
    let now = 0
    const outage = outageOf({ now: () => now })
    expect(outage.isOn()).toBe(false)
    outage.began()
    const tried: number[] = []
    for (; now < 3000; now += 100) if (!outage.isOn()) tried.push(now)
    expect(tried).toEqual([1000, 2000])
    outage.ended()
    expect([outage.isOn(), outage.isOn()]).toEqual([false, false])
  })

  it('and one that takes a lease when nobody waits for it any more gives it back', async () => {
    const coordinator = redisCoordinator({
      client: await redisClient(redis.url),
      prefix: 'orphaned-lease:',
      commandTimeoutMs: 100,
    })
    // What a script is, Redis remembers: the first time of one takes longer.
    await (await coordinator.acquireLease('s', 60_000)).release()
    redis.freeze()
    try {
      await expect(coordinator.acquireLease('s', 60_000)).rejects.toMatchObject(isOut)
    } finally {
      redis.thaw()
    }
    await expect
      .poll(() => coordinator.acquireLease('s', 60_000).catch(() => 'out'))
      .toMatchObject({ takenAt: expect.any(Number) })
    await coordinator.close()
  })

  it('and one that begins what is done once when nobody waits for it any more lets it be done (R12)', async () => {
    const coordinator = redisCoordinator({
      client: await redisClient(redis.url),
      prefix: 'orphaned-once:',
      commandTimeoutMs: 100,
    })
    await coordinator.once('before', 60_000, async () => 'done')
    redis.freeze()
    try {
      await expect(coordinator.once('k', 60_000, async () => 'never')).rejects.toMatchObject(isOut)
    } finally {
      redis.thaw()
    }
    await expect.poll(() => coordinator.once('k', 60_000, async () => 'done').catch(() => 'out')).toBe('done')
    await coordinator.close()
  })

  it('and one that is full refuses, and loses nothing that it has', async () => {
    const admin = await redisClient(redis.url)
    const coordinator = redisCoordinator({ client: await redisClient(redis.url), prefix: 'full:' })
    await coordinator.commit('s', 1, entry(2))
    await admin.configSet({ 'maxmemory-policy': 'noeviction', maxmemory: '1' })
    await expect(coordinator.commit('s', 2, entry(3))).rejects.toMatchObject(isOut)
    await admin.configSet({ maxmemory: '0' })
    expect(await coordinator.read('s')).toMatchObject({ version: 2, payload: 'p' })
    await coordinator.close()
    await admin.close()
  })

  it('does not say what was in a command, in the error', async () => {
    const client = createClient({ url: 'redis://127.0.0.1:1', disableOfflineQueue: true })
    const coordinator = redisCoordinator({ client })
    const refused = await coordinator
      .commit('secret-id', 1, { version: 2, payload: 'secret-payload', keepUntil: Date.now() + 1000 })
      .catch((error: Error) => error)
    expect(refused).toBeInstanceOf(Error)
    const { cause } = refused as Error
    expect(`${String(refused)} ${String(cause)} ${JSON.stringify(cause)}`).not.toContain('secret')
  })
})
