/**
 * The coordinator of many machines: Redis 6 or newer, or Valkey. It holds ciphertext and random ids only (S1).
 *
 * Every operation is one script on one key, so it is one step there and runs on a cluster too. What Redis forgets,
 * such as a write that a failover lost, is learnt again from the browsers' own seals (R9); a sign-out that a failover
 * lost is not: set `min-replicas-to-write` where that matters.
 */
import type { CommitResult, Coordinator, EndedEntry, Ending } from '../../coordinator.ts'
import { CoatcheckError, isErrorCode } from '../../errors.ts'
import type { Clock } from '../../runtime.ts'
import { settleWork } from '../../settled-work.ts'
import { randomId } from '../session.ts'
import { type RedisClient, type RedisConnections, redisConnections } from './redis-client.ts'
import { outageOf } from './redis-outage.ts'
import { durable, inOrder, scripts, spared } from './redis-scripts.ts'

export type { RedisClient } from './redis-client.ts'

export interface RedisCoordinatorOptions {
  /** Connected by whoever made it, with TLS, users and sentinels as they are needed there. Closed by us. */
  client: RedisClient
  /** Before every key. Default `coatcheck:`. */
  prefix?: string
  /** How long one command may take before the store counts as out of reach. Milliseconds. Default 1000. */
  commandTimeoutMs?: number
  /** How long a rotation or a sign-out waits for a replica to have it too, where there is one. Milliseconds. Default 200. */
  replicaTimeoutMs?: number
  clock?: Clock
}

/** More than that at once is more than one command of Redis should have to do. */
const mostRemoved = 500

/** Results begin with a letter that says what they are: being done (and by whom), done, failed. */
const pending = 'p'
const pollMs = 25

export function redisCoordinator(options: RedisCoordinatorOptions): Coordinator {
  const { client, prefix = 'coatcheck:', commandTimeoutMs = 1000, replicaTimeoutMs = 200 } = options
  const clock = options.clock ?? { now: () => Date.now() }
  const connections = redisConnections(client, { replicaTimeoutMs, clock })
  const outage = outageOf(clock)
  /** The connection that writes may be held up by a replica, and in a cluster one server says nothing of another. */
  const isNoted = (name: keyof typeof scripts) => wayOf(name) === connections.run && connections.isOneServer
  const indexKey = (key: string) => `${prefix}index:${key}`
  const sessionKey = (id: string) => `${prefix}session:${id}`
  /** A cluster keeps it where the session is: a failover that forgot the lease alone would let a second refresh begin (R6). */
  const leaseKey = (id: string) => `${prefix}lease:{${sessionKey(id)}}`
  const resultKey = (key: string) => `${prefix}result:${key}`
  /** Keys live by Redis's own clock: what goes there is how long. */
  const ttl = (until: number) => String(Math.max(1, Math.ceil(until - clock.now())))

  function wayOf(name: keyof typeof scripts): RedisConnections['run'] {
    if (durable.has(name)) return connections.runDurably
    return inOrder.has(name) ? connections.runInOrder : connections.run
  }

  async function answerTo(name: keyof typeof scripts, key: string, parameters: string[]): Promise<unknown> {
    if (spared.has(name) && outage.isOn()) throw new NotSent('Redis did not answer a moment ago')
    const answer = wayOf(name)(scripts[name], key, parameters)
    // An error may be the client's own, which has waited long enough: it says nothing of Redis.
    if (isNoted(name)) answer.then(outage.ended, () => undefined)
    return answer
  }

  async function run(name: keyof typeof scripts, key: string, ...parameters: string[]): Promise<unknown> {
    let timer: ReturnType<typeof setTimeout> | undefined
    const limit = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        if (isNoted(name)) outage.began()
        reject(new Error('Redis does not answer'))
      }, commandTimeoutMs)
    })
    try {
      return await Promise.race([answerTo(name, key, parameters), limit])
    } catch (cause) {
      throw unavailable(cause)
    } finally {
      clearTimeout(timer)
    }
  }

  /** @returns whether the key is the taker's now. What came from no answer is taken back, or it would be nobody's. */
  async function take(key: string, taker: string, ttlMs: number): Promise<boolean> {
    try {
      return (await run('take', key, taker, String(ttlMs))) === 1
    } catch (error) {
      // Redis may run the first command yet, and this one after it. Nobody is told if it fails too: then it lapses.
      if (!wasNotSent(error)) run('release', key, taker).catch(() => undefined)
      throw error
    }
  }

  async function settled(key: string, ttlMs: number): Promise<string> {
    const end = clock.now() + ttlMs
    while (clock.now() < end) {
      const value = await run('recall', resultKey(key))
      if (typeof value !== 'string') break
      if (!value.startsWith(pending)) return resultOf(value)
      await pause()
    }
    // Whoever did it is gone, and it must not be done twice.
    throw unavailable(new Error('what another process began was never finished'))
  }

  return {
    name: 'redis',
    isInProcess: false,

    async read(sessionId, holds = 0) {
      return toEntry(await run('read', sessionKey(sessionId), String(holds)))
    },

    async commit(sessionId, parentVersion, { version, payload, keepUntil, seenAt, about, revocation }) {
      const details = [String(seenAt ?? ''), about ?? '', revocation ?? '']
      const parameters = [String(parentVersion), String(version), payload, ttl(keepUntil), ...details]
      return (await run('commit', sessionKey(sessionId), ...parameters)) as CommitResult
    },

    async touch(sessionId, seenAt, keepUntil) {
      await run('touch', sessionKey(sessionId), String(seenAt), ttl(keepUntil))
    },

    async readNotes(sessionId) {
      const [about, seenAt] = (await run('readNotes', sessionKey(sessionId))) as (string | null)[]
      return about ? { about, seenAt: seenAt ? Number(seenAt) : undefined } : undefined
    },

    /** Entries leave by Redis's own expiry, when every older seal has idled out (R9). */
    confirm() {},

    async acquireLease(sessionId, ttlMs) {
      const key = leaseKey(sessionId)
      const holder = randomId(12)
      let takenAt = clock.now()
      while (!(await take(key, holder, ttlMs))) {
        await pause()
        takenAt = clock.now()
      }
      return {
        takenAt,
        renew: async (moreMs) => (await run('renew', key, holder, String(moreMs))) === 1,
        release: async (othersWaitMs = 0) => {
          if (othersWaitMs > 0) await run('renew', key, holder, String(othersWaitMs))
          else await run('release', key, holder)
        },
      }
    },

    async recordAttempt(sessionId, version, keepUntil) {
      const parameters = [String(version), ttl(keepUntil)]
      return (await run('recordAttempt', sessionKey(sessionId), ...parameters)) as 'recorded' | 'stale' | 'ended'
    },

    async clearAttempt(sessionId) {
      await run('clearAttempt', sessionKey(sessionId))
    },

    async end(sessionId, keepUntil, ending = 'ended') {
      return toEntry(await run('end', sessionKey(sessionId), ttl(keepUntil), ending))
    },

    async once(key, ttlMs, work) {
      if (!(await take(resultKey(key), pending + randomId(12), ttlMs))) return settled(key, ttlMs)
      return settleWork(work, (settled) =>
        run('settle', resultKey(key), 'value' in settled ? `v${settled.value}` : `e${settled.error}`),
      )
    },

    async recall(key) {
      const value = await run('recall', resultKey(key))
      return typeof value === 'string' && value.startsWith('v') ? value.slice(1) : undefined
    },

    async count(key, windowMs) {
      const [count, remainingMs] = (await run('count', `${prefix}count:${key}`, String(windowMs))) as [number, number]
      return { count: Number(count), remainingMs: Number(remainingMs) }
    },

    async now() {
      return Number(await run('time', `${prefix}time`))
    },

    index: {
      async add(key, sessionId, keepUntil) {
        await run('addToIndex', indexKey(key), sessionId, ttl(keepUntil))
      },
      list: async (key, limit) => (await run('listIndex', indexKey(key), String(limit))) as string[],
      async remove(key, sessionIds) {
        for (let at = 0; at < sessionIds.length; at += mostRemoved) {
          await run('removeFromIndex', indexKey(key), ...sessionIds.slice(at, at + mostRemoved))
        }
      },
    },

    async problem() {
      const policy = await run('policy', sessionKey('policy'))
      if (typeof policy !== 'string' || policy === 'noeviction') return undefined
      const problem = `is a Redis with maxmemory-policy ${policy}: when it is full it throws sessions and sign-outs away`
      return { problem, cure: 'set maxmemory-policy noeviction there' }
    },

    close: () => connections.close(),
  }
}

function toEntry(reply: unknown): EndedEntry | undefined {
  const [version, payload, attemptVersion, attemptAge, end, seenAt, revocation] = reply as (string | number | null)[]
  if (!version && !end) return undefined
  return {
    version: Number(version ?? 0),
    payload: payload === null || payload === undefined ? undefined : String(payload),
    attempt: attemptVersion ? { version: Number(attemptVersion), ageMs: Number(attemptAge) } : undefined,
    ending: end ? (end as Ending) : undefined,
    seenAt: seenAt ? Number(seenAt) : undefined,
    revocation: revocation ? String(revocation) : undefined,
  }
}

/** @throws what failed in another process, as far as the browser may know it */
function resultOf(value: string): string {
  if (value.startsWith('v')) return value.slice(1)
  const code = value.slice(1)
  throw isErrorCode(code) ? new CoatcheckError(code) : new Error('it failed in another process')
}

/** Not all at the same moment. */
function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, pollMs * (0.5 + Math.random())))
}

/** A command that was spared the wait for a Redis that does not answer. */
class NotSent extends Error {}

function wasNotSent(error: unknown): boolean {
  return error instanceof CoatcheckError && error.cause instanceof NotSent
}

function unavailable(cause: unknown): CoatcheckError {
  return new CoatcheckError('store_unavailable', { headers: { 'Retry-After': '2' }, cause })
}
