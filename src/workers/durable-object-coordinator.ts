/** The coordinator on Workers: one Durable Object for each session (protocol.md S3). It holds ciphertext and ids only. */
import type { CommitResult, Coordinator, Count, EndedEntry, SessionNotes } from '../coordinator.ts'
import { CoatcheckError, isErrorCode } from '../errors.ts'
import { ExpiringMap } from '../expiring-map.ts'
import type { Clock } from '../runtime.ts'
import { settleWork } from '../settled-work.ts'
import type { SessionRequest } from './session-object.ts'

/** What we need of a `DurableObjectNamespace`. */
export interface SessionNamespace<Id = unknown> {
  idFromName(name: string): Id
  get(id: Id): SessionStub
}

/** What we need of a `DurableObjectStub`. What is asked through one comes to its object in that order. */
export interface SessionStub {
  fetch(url: string, init: RequestInit): Promise<Response>
}

export interface DurableObjectCoordinatorOptions {
  clock?: Clock
}

const pollMs = 25
/** An object that has not answered by then counts as out: calls go on without it while their access token lives (R2). */
const answerLimitMs = 1000
/** What is overdue for longer is not done any more, or was taken for a lost answer since. */
const attemptOverdueMs = 60_000
const rememberedAttempts = 1000

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

  /** Stubs of attempts that were given up and may be recorded yet, by session. */
  const overdueAttempts = new ExpiringMap<SessionStub>(clock, rememberedAttempts)
  const stubOf = (name: string) => namespace.get(namespace.idFromName(name))

  async function ask<Answer>(name: string, request: SessionRequest, stub = stubOf(name)): Promise<Answer | undefined> {
    const signal = AbortSignal.timeout(answerLimitMs)
    try {
      const body = JSON.stringify(request)
      const answer = await stub.fetch('https://session.internal/', { method: 'POST', body, signal })
      if (!answer.ok) throw new Error(`the session's object answered ${answer.status}`)
      return ((await answer.json()) as Answer | null) ?? undefined
    } catch (cause) {
      throw unavailable(signal.aborted ? new Overdue('the object does not answer', { cause }) : cause)
    }
  }

  /**
   * What the object did although its answer was lost is taken back, or it would be nobody's. That is waited for, because
   * what a request leaves behind dies with it. If it fails too, what was taken lapses: there is nothing more to tell.
   */
  async function take(name: string, request: SessionRequest, takeBack: SessionRequest): Promise<boolean> {
    const stub = stubOf(name)
    try {
      return (await ask<boolean>(name, request, stub)) === true
    } catch (error) {
      // What is overdue may be done yet, and only behind it on its way it can be taken back. A stub that broke stays so.
      await ask(name, takeBack, isOverdue(error) ? stub : undefined).catch(() => undefined)
      throw error
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
      const name = `session:${sessionId}`
      while (!(await take(name, { do: 'take', holder, ttlMs }, { do: 'release', holder }))) {
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
      const name = `session:${sessionId}`
      const stub = stubOf(name)
      overdueAttempts.delete(sessionId)
      try {
        return (await ask<'recorded' | 'stale' | 'ended'>(name, request, stub)) ?? 'stale'
      } catch (error) {
        if (isOverdue(error)) overdueAttempts.set(sessionId, stub, clock.now() + attemptOverdueMs)
        throw error
      }
    },

    async clearAttempt(sessionId) {
      const stub = overdueAttempts.get(sessionId)
      overdueAttempts.delete(sessionId)
      await ask(`session:${sessionId}`, { do: 'clearAttempt' }, stub)
    },

    async end(sessionId, keepUntil, ending = 'ended') {
      return toEntry(await ofSession<EndedEntry>(sessionId, { do: 'end', ttlMs: ttl(keepUntil), ending }))
    },

    async once(key, ttlMs, work) {
      const claimant = crypto.randomUUID()
      const isFirst = await take(`result:${key}`, { do: 'claim', claimant, ttlMs }, { do: 'disclaim', claimant })
      if (!isFirst) return settled(key, ttlMs)
      return settleWork(work, (settled) => ofResult(key, { do: 'settle', ...settled }))
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

/** JSON leaves out what is undefined. */
function toEntry(entry: EndedEntry | undefined): EndedEntry | undefined {
  if (entry === undefined) return undefined
  const { version, payload, attempt, ending, seenAt, revocation } = entry
  return { version, payload, attempt, ending, seenAt, revocation }
}

/** What failed in another isolate, as far as the browser may know it. */
function toError(code: string): Error {
  return isErrorCode(code) ? new CoatcheckError(code) : new Error('it failed in another isolate')
}

/** Not all at the same moment. */
function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, pollMs * (0.5 + Math.random())))
}

/** No answer in time: what was asked may be done yet. */
class Overdue extends Error {}

function isOverdue(error: unknown): boolean {
  return error instanceof CoatcheckError && error.cause instanceof Overdue
}

function unavailable(cause: unknown): CoatcheckError {
  return new CoatcheckError('store_unavailable', { headers: { 'Retry-After': '2' }, cause })
}
