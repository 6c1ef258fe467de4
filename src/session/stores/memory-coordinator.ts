/**
 * The coordinator of a single process: for tests, demos, and servers that may forget their ledger at a restart.
 * A restart loses tombstones and newer versions with it.
 */
import { type Coordinator, type EndedEntry, type Ending, type SessionIndex, strongerEnding } from '../../coordinator.ts'
import { ExpiringMap } from '../../expiring-map.ts'
import type { Clock } from '../../runtime.ts'
import { memoryCounter } from './memory-counter.ts'

export interface MemoryCoordinatorOptions {
  /** Ledger entries to keep in full; above that, confirmed ones shrink to a stub (R9). Default 100,000. */
  maxEntries?: number
  clock?: Clock
}

/** What is kept beside a version. */
interface Details {
  readonly seenAt: number | undefined
  readonly about: string | undefined
  readonly revocation: string | undefined
}

/** What `once` does or did. */
interface Result {
  readonly promise: Promise<string>
  value: string | undefined
}

/** Stubs and tombstones are small: so many times more of them than of full entries. */
const stubFactor = 10

export function memoryCoordinator(options: MemoryCoordinatorOptions = {}): Coordinator {
  const clock = options.clock ?? { now: () => Date.now() }
  const maxEntries = options.maxEntries ?? 100_000
  /** The stubs: every entry's version. Without a payload that is all there is. */
  const versions = new ExpiringMap<{ version: number; keepUntil: number }>(clock, maxEntries * stubFactor)
  const payloads = new ExpiringMap<string>(clock, maxEntries * stubFactor)
  /** Those of `payloads` that may go when room is needed, the first confirmed first. */
  const confirmed = new ExpiringMap<true>(clock, maxEntries * stubFactor)
  const tombstones = new ExpiringMap<{ keepUntil: number; ending: Ending }>(clock, maxEntries * stubFactor)
  const details = new ExpiringMap<Details>(clock, maxEntries * stubFactor)
  const attempts = new ExpiringMap<{ version: number; at: number }>(clock, maxEntries)
  const results = new ExpiringMap<Result>(clock, maxEntries)
  const count = memoryCounter(clock)
  const leases = new Map<string, Promise<void>>()

  function view(sessionId: string): EndedEntry | undefined {
    const tombstone = tombstones.get(sessionId)
    const ending = tombstone?.ending
    const version = versions.get(sessionId)?.version
    if (version === undefined) return tombstone && { ...nothing, ending }
    const { seenAt, revocation } = details.get(sessionId) ?? nothing
    const attempt = attempts.get(sessionId)
    return {
      version,
      payload: payloads.get(sessionId),
      attempt: attempt && { version: attempt.version, ageMs: clock.now() - attempt.at },
      ending,
      seenAt,
      revocation,
    }
  }

  function shrinkOne(): void {
    for (const [sessionId] of confirmed.entries()) {
      payloads.delete(sessionId)
      confirmed.delete(sessionId)
      return
    }
  }

  return {
    name: 'memory',
    isInProcess: true,

    read(sessionId, holds) {
      const known = view(sessionId)
      return known?.version === holds && known ? { ...known, payload: undefined } : known
    },

    async commit(sessionId, parentVersion, { version, payload, keepUntil, seenAt, about, revocation }) {
      const tombstone = tombstones.get(sessionId)
      if (tombstone) return tombstone.ending
      const known = versions.get(sessionId)
      if (known && known.version !== parentVersion) return 'stale'
      attempts.delete(sessionId)
      versions.set(sessionId, { version, keepUntil }, keepUntil)
      payloads.set(sessionId, payload, keepUntil)
      const before = details.get(sessionId)
      const after = { seenAt: before?.seenAt ?? seenAt, about: before?.about ?? about, revocation }
      details.set(sessionId, after, keepUntil)
      confirmed.delete(sessionId)
      if (payloads.size > maxEntries) shrinkOne()
      return 'committed'
    },

    async touch(sessionId, seenAt, keepUntil) {
      const known = versions.get(sessionId)
      const payload = payloads.get(sessionId)
      const before = details.get(sessionId)
      if (!known || payload === undefined || !before || (before.seenAt ?? 0) >= seenAt) return
      versions.set(sessionId, { version: known.version, keepUntil }, keepUntil)
      payloads.set(sessionId, payload, keepUntil)
      details.set(sessionId, { ...before, seenAt }, keepUntil)
    },

    async readNotes(sessionId) {
      const { about, seenAt } = details.get(sessionId) ?? nothing
      return about === undefined ? undefined : { about, seenAt }
    },

    confirm(sessionId, version) {
      const known = versions.get(sessionId)
      if (known?.version !== version || payloads.get(sessionId) === undefined || confirmed.get(sessionId)) return
      confirmed.set(sessionId, true, known.keepUntil)
    },

    async acquireLease(sessionId) {
      // In one process a holder cannot vanish without its `finally`: no lease lapses, the next in line waits.
      const previous = leases.get(sessionId)
      let release: () => void = () => undefined
      const held = new Promise<void>((resolve) => {
        release = resolve
      })
      leases.set(sessionId, held)
      await previous
      return {
        takenAt: clock.now(),
        renew: async () => true,
        release: async () => {
          if (leases.get(sessionId) === held) leases.delete(sessionId)
          release()
        },
      }
    },

    async recordAttempt(sessionId, version, keepUntil) {
      if (tombstones.get(sessionId)) return 'ended'
      const known = versions.get(sessionId)
      if (known && known.version !== version) return 'stale'
      attempts.set(sessionId, { version, at: clock.now() }, keepUntil)
      if (!known) versions.set(sessionId, { version, keepUntil }, keepUntil)
      return 'recorded'
    },

    async clearAttempt(sessionId) {
      attempts.delete(sessionId)
    },

    async end(sessionId, keepUntil, ending = 'ended') {
      const known = view(sessionId)
      const before = tombstones.get(sessionId)
      const until = Math.max(keepUntil, before?.keepUntil ?? 0)
      tombstones.set(sessionId, { keepUntil: until, ending: strongerEnding(ending, before?.ending) }, until)
      versions.delete(sessionId)
      payloads.delete(sessionId)
      details.delete(sessionId)
      confirmed.delete(sessionId)
      return known
    },

    once(key, ttlMs, work) {
      const known = results.get(key)
      if (known) return known.promise
      const promise = work().then((value) => {
        result.value = value
        return value
      })
      const result: Result = { promise, value: undefined }
      results.set(key, result, clock.now() + ttlMs)
      return promise
    },

    async recall(key) {
      return results.get(key)?.value
    },

    count: async (key, windowMs) => count(key, windowMs),
    index: memoryIndex(clock, maxEntries),

    async close() {},
  }
}

const nothing = {
  version: 0,
  payload: undefined,
  attempt: undefined,
  seenAt: undefined,
  about: undefined,
  revocation: undefined,
}

function memoryIndex(clock: Clock, maxKeys: number): SessionIndex {
  const keys = new ExpiringMap<Map<string, number>>(clock, maxKeys)
  return {
    async add(key, sessionId, keepUntil) {
      const ids = keys.get(key) ?? new Map<string, number>()
      for (const [id, until] of ids) if (until <= clock.now()) ids.delete(id)
      ids.set(sessionId, keepUntil)
      keys.set(key, ids, Math.max(...ids.values()))
    },
    async list(key, limit) {
      return [...(keys.get(key) ?? [])]
        .filter(([, until]) => until > clock.now())
        .sort(([, one], [, other]) => other - one)
        .slice(0, limit)
        .map(([id]) => id)
    },
    async remove(key, sessionIds) {
      for (const id of sessionIds) keys.get(key)?.delete(id)
    },
  }
}
