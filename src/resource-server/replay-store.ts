/** Which DPoP proofs were used (RFC 9449 §11.1). */
import { readCount } from './option-numbers.ts'

/**
 * Remembers proofs. One of a single process is the default; several processes that answer for one API share one.
 *
 * @example
 * ```ts
 * const replayStore: ReplayStore = {
 *   add: async (key, expiresAt) => (await redis.set(key, '1', { NX: true, PXAT: expiresAt * 1000 })) === 'OK',
 * }
 * ```
 */
export interface ReplayStore {
  /**
   * Remembers the key, at once for all that share the store.
   *
   * @param expiresAt epoch seconds: the last moment at which it has to be remembered
   * @returns false if it was there
   */
  add(key: string, expiresAt: number): boolean | Promise<boolean>
}

/**
 * Keeps proofs in memory. When it is full, the oldest goes: it is the one that would expire first.
 *
 * @param options `maxEntries`: default 100000, which is 1500 calls a second
 * @throws TypeError if an option cannot be used
 *
 * @example
 * ```ts
 * const guard = jwtGuard({
 *   issuer: 'https://login.example.com',
 *   audience: 'https://api.example.com',
 *   dpop: { origin: 'https://api.example.com', replayStore: memoryReplayStore({ maxEntries: 10_000 }) },
 * })
 * ```
 */
export function memoryReplayStore(options: { maxEntries?: number; now?: () => number } = {}): ReplayStore {
  const { now = Date.now } = options
  const maxEntries = readCount(options.maxEntries ?? 100_000, 'maxEntries')
  const seen = new Map<string, number>()
  return {
    add(key, expiresAt) {
      const nowSeconds = now() / 1000
      const before = seen.get(key)
      if (before !== undefined && before >= nowSeconds) return false
      // In the order of insertion, which is nearly that of expiry: a few at each call keep it small.
      let looked = 0
      for (const [oldest, oldestExpiresAt] of seen) {
        if (seen.size < maxEntries && (oldestExpiresAt >= nowSeconds || ++looked > 4)) break
        seen.delete(oldest)
      }
      seen.delete(key)
      seen.set(key, expiresAt)
      return true
    },
  }
}
