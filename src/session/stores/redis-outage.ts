/**
 * Remembers that Redis does not answer. While it is frozen each call would wait for `commandTimeoutMs` by itself, also one
 * that can go on without it: its access token lives (R2).
 */
import type { Clock } from '../../runtime.ts'

/** How often one is sent all the same, to see. */
const tryEveryMs = 1000

export interface Outage {
  /** Whether to fail at once: an earlier command is overdue, and no other has been answered since. */
  isOn(): boolean
  began(): void
  /** Redis answered, however late. */
  ended(): void
}

export function outageOf(clock: Clock): Outage {
  let isOut = false
  let tryAt = 0
  return {
    isOn() {
      if (!isOut) return false
      const now = clock.now()
      if (now < tryAt) return true
      tryAt = now + tryEveryMs
      return false
    },
    began() {
      isOut = true
      tryAt = clock.now() + tryEveryMs
    },
    ended() {
      isOut = false
    },
  }
}
