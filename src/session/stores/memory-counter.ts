/** Counting in one process: for its own coordinator, and where another cannot be asked. */
import type { Count } from '../../coordinator.ts'
import { ExpiringMap } from '../../expiring-map.ts'
import type { Clock } from '../../runtime.ts'

/** When there are more keys than this the one that was counted first is forgotten. */
const mostKeys = 100_000

export function memoryCounter(clock: Clock): (key: string, windowMs: number) => Count {
  const windows = new ExpiringMap<{ count: number; readonly endsAt: number }>(clock, mostKeys)
  return (key, windowMs) => {
    const now = clock.now()
    const window = windows.get(key)
    if (window) {
      window.count += 1
      return { count: window.count, remainingMs: window.endsAt - now }
    }
    windows.set(key, { count: 1, endsAt: now + windowMs }, now + windowMs)
    return { count: 1, remainingMs: windowMs }
  }
}
