/**
 * The coordinator of a single process: for tests, demos, and servers that may forget their ledger at a restart.
 * A restart loses tombstones and newer versions with it.
 */
import type { Coordinator, LedgerEntry } from '../../coordinator.ts'
import { ExpiringMap } from '../../expiring-map.ts'
import type { Clock } from '../../runtime.ts'

export interface MemoryCoordinatorOptions {
  /** Ledger entries to keep in full; above that, confirmed ones shrink to a stub (R9). Default 100,000. */
  maxEntries?: number
  clock?: Clock
}

interface Entry {
  version: number
  payload: string | undefined
  isConfirmed: boolean
  keepUntil: number
}

/** Stubs and tombstones are small: so many times more of them than of full entries. */
const stubFactor = 10
/** Longer than any token request is waited for. */
const attemptLifetimeMs = 10 * 60 * 1000
/** How many entries one commit looks at to find one that may shrink. */
const shrinkLookahead = 16

export function memoryCoordinator(options: MemoryCoordinatorOptions = {}): Coordinator {
  const clock = options.clock ?? { now: () => Date.now() }
  const maxEntries = options.maxEntries ?? 100_000
  const entries = new ExpiringMap<Entry>(clock, maxEntries * stubFactor)
  const tombstones = new ExpiringMap<true>(clock, maxEntries * stubFactor)
  const attempts = new ExpiringMap<{ version: number; at: number }>(clock, maxEntries)
  const results = new ExpiringMap<Promise<string>>(clock, maxEntries)
  const leases = new Map<string, Promise<void>>()
  let fullEntries = 0

  function view(sessionId: string): LedgerEntry | undefined {
    const isEnded = tombstones.get(sessionId) === true
    const entry = entries.get(sessionId)
    if (!entry) return isEnded ? { version: 0, payload: undefined, attempt: undefined, isEnded } : undefined
    return { version: entry.version, payload: entry.payload, attempt: attempts.get(sessionId), isEnded }
  }

  function shrinkOne(): void {
    let looked = 0
    for (const [, entry] of entries.entries()) {
      if (entry.isConfirmed && entry.payload !== undefined) {
        entry.payload = undefined
        fullEntries--
        return
      }
      if (++looked >= shrinkLookahead) return
    }
  }

  return {
    name: 'memory',
    isInProcess: true,

    async read(sessionId) {
      return view(sessionId)
    },

    async commit(sessionId, parentVersion, { version, payload, keepUntil }) {
      if (tombstones.get(sessionId)) return 'ended'
      const known = entries.get(sessionId)
      if (known && known.version !== parentVersion) return 'stale'
      if (known?.payload === undefined) fullEntries++
      attempts.delete(sessionId)
      entries.set(sessionId, { version, payload, isConfirmed: false, keepUntil }, keepUntil)
      if (fullEntries > maxEntries) shrinkOne()
      return 'committed'
    },

    confirm(sessionId, version) {
      const entry = entries.get(sessionId)
      if (entry && entry.version === version) entry.isConfirmed = true
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
        renew: async () => true,
        release: async () => {
          if (leases.get(sessionId) === held) leases.delete(sessionId)
          release()
        },
      }
    },

    async recordAttempt(sessionId, version) {
      attempts.set(sessionId, { version, at: clock.now() }, clock.now() + attemptLifetimeMs)
    },

    async clearAttempt(sessionId) {
      attempts.delete(sessionId)
    },

    async end(sessionId, keepUntil) {
      const known = view(sessionId)
      tombstones.set(sessionId, true, keepUntil)
      const entry = entries.get(sessionId)
      if (entry) {
        if (entry.payload !== undefined) fullEntries--
        entries.delete(sessionId)
      }
      return known
    },

    once(key, ttlMs, work) {
      const known = results.get(key)
      if (known) return known
      const result = work()
      results.set(key, result, clock.now() + ttlMs)
      return result
    },

    async recall(key) {
      const pending = Symbol('pending')
      const result = results.get(key)
      if (!result) return undefined
      const settled = await Promise.race([result.catch(() => undefined), Promise.resolve(pending)])
      return settled === pending ? undefined : (settled as string | undefined)
    },

    async close() {},
  }
}
