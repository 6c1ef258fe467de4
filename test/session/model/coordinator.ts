/**
 * The coordinator that the model's processes share: the real one of memory, and each operation on it a step that can be
 * late, fail before it did anything, or fail after. Leases lapse, and what a process began and did not finish stays so.
 */
import type { Coordinator, LedgerEntry } from '../../../src/coordinator.ts'
import { storeUnavailable } from '../../../src/session/refusals.ts'
import { memoryCoordinator } from '../../../src/session/stores/memory-coordinator.ts'
import type { Lab, Owner } from './lab.ts'

export interface SharedStore {
  /** As one process sees it. */
  of(owner: Owner, now: () => number): Coordinator
  /** What stands in it, for the checks. */
  peek(sessionId: string): LedgerEntry | undefined
  /**
   * `id version` whose newest attempt was recorded although somebody had tried to write the next version, whatever came of
   * that. What is tried after an attempt comes too late: its request may be on its way.
   */
  readonly triedBeforeAttempt: ReadonlySet<string>
  /**
   * Sessions whose attempt stands although it may never have been sent: it could not be taken back, or its process died. Or a
   * lost answer could not be asked for once more, because the store did not say that the lease still stands (R3).
   */
  readonly unclear: ReadonlySet<string>
  /** Sessions of whose end the store did not tell: who ended them by their id does not know what to revoke. */
  readonly unclearEnds: ReadonlySet<string>
  /** Whether it has tokens of this session now. */
  hasTokens(sessionId: string): boolean
  died(owner: Owner): void
  /** How many operations have failed so far. */
  failures(): number
}

const commandLimitMs = 1000

/** @param hasOwnClock tells the time by it (R6): where the processes' clocks differ. Else theirs is the store's. */
export function sharedStore(lab: Lab, hasOwnClock: boolean): SharedStore {
  const memory = memoryCoordinator({ clock: { now: () => lab.now } })
  const leases = new Map<string, { holder: symbol; until: number }>()
  const results = new Map<string, { value?: string; error?: unknown; until: number }>()
  /** As `memory` has it after each operation. */
  const views = new Map<string, LedgerEntry | undefined>()
  /** `id version` of what was to be written. */
  const triedSaves = new Set<string>()
  const triedBeforeAttempt = new Set<string>()
  const unclear = new Set<string>()
  const unclearEnds = new Set<string>()
  /** Who recorded the newest attempt, by session. */
  const attemptOf = new Map<string, Owner>()
  let failures = 0
  const fail = (): never => {
    failures += 1
    throw storeUnavailable(undefined)
  }

  function of(owner: Owner, now: () => number): Coordinator {
    function operation<Value>(label: string, effect: () => Promise<Value> | Value): Promise<Value> {
      return lab.send<Value>(
        owner,
        label,
        {
          done: effect,
          'done, slowly': async () => {
            const value = await effect()
            const fates = { arrives: () => value, 'is lost': fail }
            return lab.send(owner, `${label}, its answer`, fates, { limitMs: commandLimitMs })
          },
          fails: fail,
          'done, answer lost': async () => {
            await effect()
            return fail()
          },
        },
        { limitMs: commandLimitMs },
      )
    }

    /** One that may change what is known of a session. */
    const onSession = <Value>(label: string, id: string, effect: () => Promise<Value>) =>
      operation(`${label} ${short(id)}`, async () => {
        const value = await effect()
        views.set(id, await memory.read(id))
        return value
      })

    const short = (id: string) => id.slice(0, 4)
    const pause = () => new Promise<void>((resolve) => void setTimeout(resolve, 1000))

    async function settled(key: string): Promise<string> {
      for (;;) {
        const result = await operation(`recalls ${key}`, () => results.get(key))
        if (!result || result.until <= lab.now) throw storeUnavailable(undefined)
        if (result.error) throw result.error
        if (result.value !== undefined) return result.value
        await pause()
      }
    }

    return {
      name: 'model',
      isInProcess: false,
      read: (id, holds) => onSession('reads', id, async () => memory.read(id, holds)),
      touch: (id, seenAt, keepUntil) => onSession('touches', id, () => memory.touch(id, seenAt, keepUntil)),
      readNotes: (id) => onSession('reads notes of', id, () => memory.readNotes(id)),
      index: {
        add: (key, ...rest) => operation('adds to the index', () => memory.index.add(key, ...rest)),
        list: (key, limit) => operation('asks the index', () => memory.index.list(key, limit)),
        remove: async (key, ids) =>
          ids.length > 0 ? operation('takes out of the index', () => memory.index.remove(key, ids)) : undefined,
      },
      count: memory.count,
      commit: (id, parent, entry) =>
        onSession(`commits ${parent} → ${entry.version} of`, id, () => {
          triedSaves.add(`${id} ${entry.version}`)
          return memory.commit(id, parent, entry)
        }),
      confirm: (id, version) => memory.confirm(id, version),
      recordAttempt: (id, version, keepUntil) =>
        onSession(`records an attempt of ${version} of`, id, () => {
          if (triedSaves.has(`${id} ${version + 1}`)) triedBeforeAttempt.add(`${id} ${version}`)
          else triedBeforeAttempt.delete(`${id} ${version}`)
          attemptOf.set(id, owner)
          return memory.recordAttempt(id, version, keepUntil)
        }),
      clearAttempt: (id) =>
        onSession('clears the attempt of', id, () => memory.clearAttempt(id)).catch((error) => {
          unclear.add(id)
          throw error
        }),
      end: (id, keepUntil, ending) =>
        onSession(ending === 'superseded' ? 'supersedes' : 'ends', id, () => memory.end(id, keepUntil, ending)).catch(
          (error) => {
            unclearEnds.add(id)
            throw error
          },
        ),
      close: async () => undefined,
      ...(hasOwnClock && { now: () => operation('asks for the time', () => lab.now) }),

      async acquireLease(id, ttlMs) {
        const holder = Symbol(owner.name)
        for (;;) {
          const takenAt = now()
          const isTaken = await operation(`asks for the lease of ${short(id)}`, () => {
            const lease = leases.get(id)
            if (lease && lease.until > lab.now) return false
            leases.set(id, { holder, until: lab.now + ttlMs })
            return true
          })
          if (!isTaken) {
            await pause()
            continue
          }
          return {
            takenAt,
            renew: (moreMs) =>
              operation(`renews the lease of ${short(id)}`, () => {
                const lease = leases.get(id)
                if (lease?.holder !== holder || lease.until <= lab.now) return false
                lease.until = lab.now + moreMs
                return true
              }).catch((error) => {
                unclear.add(id)
                throw error
              }),
            release: (othersWaitMs = 0) =>
              operation(`gives back the lease of ${short(id)}`, () => {
                if (leases.get(id)?.holder !== holder) return
                if (othersWaitMs > 0) leases.set(id, { holder, until: lab.now + othersWaitMs })
                else leases.delete(id)
              }),
          }
        }
      },

      async once(key, ttlMs, work) {
        const isFirst = await operation(`claims ${key}`, () => {
          const result = results.get(key)
          if (result && result.until > lab.now) return false
          results.set(key, { until: lab.now + ttlMs })
          return true
        })
        if (!isFirst) return settled(key)
        const settle = (settlement: { value: string } | { error: unknown }) =>
          operation(`settles ${key}`, () => {
            const result = results.get(key)
            if (result) Object.assign(result, settlement)
          })
        let value: string
        try {
          value = await work()
        } catch (error) {
          await settle({ error })
          throw error
        }
        await settle({ value })
        return value
      },

      recall: (key) => operation(`recalls ${key}`, () => results.get(key)?.value),
    }
  }

  function died(owner: Owner): void {
    for (const [id, holder] of attemptOf) if (holder === owner && views.get(id)?.attempt) unclear.add(id)
  }

  return {
    of,
    peek: (sessionId) => views.get(sessionId),
    triedBeforeAttempt,
    unclear,
    unclearEnds,
    hasTokens(sessionId) {
      const entry = memory.read(sessionId)
      return !(entry instanceof Promise) && entry?.payload !== undefined
    },
    died,
    failures: () => failures,
  }
}
