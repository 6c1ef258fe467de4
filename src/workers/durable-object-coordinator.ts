/** The coordinator on Workers: one Durable Object for each session (sessions.md S3). It holds ciphertext and ids only. */
import type { CommitResult, Coordinator, Count, EndedEntry, SessionNotes } from '../coordinator.ts'
import { CoatcheckError, isErrorCode } from '../errors.ts'
import type { Clock } from '../runtime.ts'
import type { SessionRequest } from './session-object.ts'

/** What we need of a `DurableObjectNamespace`. */
export interface SessionNamespace<Id = unknown> {
  idFromName(name: string): Id
  get(id: Id): { fetch(url: string, init: RequestInit): Promise<Response> }
}

export interface DurableObjectCoordinatorOptions {
  clock?: Clock
}

const pollMs = 25

/**
 * @param namespace the binding of the class `CoatcheckSession`, which the Worker has to export
 *
 * @example
 * ```ts
 * export { CoatcheckSession } from 'coatcheck/workers'
 * export default worker<Env>((env) => ({
 *   session: { secrets: [env.SESSION_SECRET], store: cookieStore({ coordinator: durableObjectCoordinator(env.SESSIONS) }) },
 *   …
 * }))
 * ```
 */
export function durableObjectCoordinator<Id>(
  namespace: SessionNamespace<Id>,
  options: DurableObjectCoordinatorOptions = {},
): Coordinator {
  const clock = options.clock ?? { now: () => Date.now() }
  /** Objects go by their own clock: what is sent there is how long. */
  const ttl = (until: number) => Math.max(1, Math.ceil(until - clock.now()))

  async function ask<Answer>(name: string, request: SessionRequest): Promise<Answer | undefined> {
    try {
      const object = namespace.get(namespace.idFromName(name))
      const answer = await object.fetch('https://session.internal/', { method: 'POST', body: JSON.stringify(request) })
      if (!answer.ok) throw new Error(`the session's object answered ${answer.status}`)
      return ((await answer.json()) as Answer | null) ?? undefined
    } catch (cause) {
      throw unavailable(cause)
    }
  }
  const ofSession = <Answer>(id: string, request: SessionRequest) => ask<Answer>(`session:${id}`, request)
  const ofIndex = <Answer>(key: string, request: SessionRequest) => ask<Answer>(`index:${key}`, request)
  const ofResult = <Answer>(key: string, request: SessionRequest) => ask<Answer>(`result:${key}`, request)

  async function settled(key: string, ttlMs: number): Promise<string> {
    const end = clock.now() + ttlMs
    while (clock.now() < end) {
      const result = await ofResult<{ value?: string; error?: string }>(key, { do: 'recall' })
      if (result === undefined) break
      if (result.value !== undefined) return result.value
      if (result.error !== undefined) throw toError(result.error)
      await pause()
    }
    // Whoever did it is gone, and it must not be done twice.
    throw unavailable(new Error('what another isolate began was never finished'))
  }

  return {
    name: 'durable object',
    isInProcess: false,

    async read(sessionId, holds) {
      return toEntry(await ofSession<EndedEntry>(sessionId, { do: 'read', holds }))
    },

    async commit(sessionId, parentVersion, { keepUntil, ...entry }) {
      const request = { do: 'commit', parentVersion, ...entry, ttlMs: ttl(keepUntil) } as const
      return (await ofSession<CommitResult>(sessionId, request)) ?? 'stale'
    },

    async touch(sessionId, seenAt, keepUntil) {
      await ofSession(sessionId, { do: 'touch', seenAt, ttlMs: ttl(keepUntil) })
    },

    readNotes: (sessionId) => ofSession<SessionNotes>(sessionId, { do: 'readNotes' }),

    /** Objects forget by themselves, when every older seal has idled out (R9). */
    confirm() {},

    async acquireLease(sessionId, ttlMs) {
      const holder = crypto.randomUUID()
      let takenAt = clock.now()
      const take = () => ofSession<boolean>(sessionId, { do: 'take', holder, ttlMs })
      const takeBack = () => ofSession(sessionId, { do: 'release', holder })
      while (!(await orTakeBack(take, takeBack))) {
        await pause()
        takenAt = clock.now()
      }
      return {
        takenAt,
        renew: async (moreMs) => (await ofSession<boolean>(sessionId, { do: 'renew', holder, ttlMs: moreMs })) === true,
        async release(othersWaitMs = 0) {
          const ttlMs = othersWaitMs
          await ofSession(sessionId, ttlMs > 0 ? { do: 'renew', holder, ttlMs } : { do: 'release', holder })
        },
      }
    },

    async recordAttempt(sessionId, version, keepUntil) {
      const request = { do: 'recordAttempt', version, ttlMs: ttl(keepUntil) } as const
      return (await ofSession<'recorded' | 'stale' | 'ended'>(sessionId, request)) ?? 'stale'
    },

    async clearAttempt(sessionId) {
      await ofSession(sessionId, { do: 'clearAttempt' })
    },

    async end(sessionId, keepUntil, isSuperseded = false) {
      return toEntry(await ofSession<EndedEntry>(sessionId, { do: 'end', ttlMs: ttl(keepUntil), isSuperseded }))
    },

    async once(key, ttlMs, work) {
      const claimant = crypto.randomUUID()
      const claim = () => ofResult<boolean>(key, { do: 'claim', claimant, ttlMs })
      const disclaim = () => ofResult(key, { do: 'disclaim', claimant })
      if (!(await orTakeBack(claim, disclaim))) return settled(key, ttlMs)
      try {
        const value = await work()
        await ofResult(key, { do: 'settle', value })
        return value
      } catch (error) {
        await ofResult(key, { do: 'settle', error: error instanceof CoatcheckError ? error.code : '' })
        throw error
      }
    },

    async recall(key) {
      return (await ofResult<{ value?: string }>(key, { do: 'recall' }))?.value
    },

    async count(key, windowMs) {
      return (await ask<Count>(`count:${key}`, { do: 'count', windowMs })) ?? { count: 1, remainingMs: windowMs }
    },

    index: {
      add: async (key, id, keepUntil) => void (await ofIndex(key, { do: 'add', id, ttlMs: ttl(keepUntil) })),
      list: async (key, limit) => (await ofIndex<string[]>(key, { do: 'list', limit })) ?? [],
      remove: async (key, ids) => void (await ofIndex(key, { do: 'remove', ids })),
    },

    async close() {},
  }
}

/**
 * What the object did although its answer was lost is taken back, or it would be nobody's. That is waited for, because what
 * a request leaves behind dies with it. If it fails too, what was taken lapses: there is nothing more to tell.
 */
async function orTakeBack<Value>(take: () => Promise<Value>, takeBack: () => Promise<unknown>): Promise<Value> {
  try {
    return await take()
  } catch (error) {
    await takeBack().catch(() => undefined)
    throw error
  }
}

/** JSON leaves out what is undefined. */
function toEntry(entry: EndedEntry | undefined): EndedEntry | undefined {
  if (entry === undefined) return undefined
  const { version, payload, attempt, isEnded, isSuperseded, seenAt, revocation } = entry
  return { version, payload, attempt, isEnded, isSuperseded, seenAt, revocation }
}

/** What failed in another isolate, as far as the browser may know it. */
function toError(code: string): Error {
  return isErrorCode(code) ? new CoatcheckError(code) : new Error('it failed in another isolate')
}

/** Not all at the same moment. */
function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, pollMs * (0.5 + Math.random())))
}

function unavailable(cause: unknown): CoatcheckError {
  return new CoatcheckError('store_unavailable', { headers: { 'Retry-After': '2' }, cause })
}
