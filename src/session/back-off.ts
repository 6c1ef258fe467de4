/** How long the authorization server is left alone about a session after it had trouble (protocol.md R7). */
import { ExpiringMap } from '../expiring-map.ts'
import type { Clock } from '../runtime.ts'

export interface BackOffs {
  leftMs(key: string): number
  /** Twice as long as the last time, or as long as the server asked for. Gives how long. */
  raise(key: string, askedSeconds?: number): number
  clear(key: string): void
}

const rememberedKeys = 100_000

/** A server may ask for more than a person can wait, and then work again: `longestAskedMs` is all it gets. */
export function backOffs(
  clock: Clock,
  { firstMs, longestMs, longestAskedMs = longestMs }: { firstMs: number; longestMs: number; longestAskedMs?: number },
): BackOffs {
  const known = new ExpiringMap<{ until: number; delayMs: number }>(clock, rememberedKeys)
  return {
    leftMs: (key) => Math.max(0, (known.get(key)?.until ?? 0) - clock.now()),
    raise(key, askedSeconds) {
      const doubled = Math.min((known.get(key)?.delayMs ?? firstMs / 2) * 2, longestMs)
      const delayMs =
        askedSeconds === undefined ? doubled : Math.min(Math.max(askedSeconds * 1000, firstMs), longestAskedMs)
      const now = clock.now()
      // Remembered for longer than it is obeyed, so that the next one knows this one.
      known.set(key, { until: now + delayMs, delayMs }, now + delayMs + longestMs)
      return delayMs
    },
    clear: (key) => known.delete(key),
  }
}
