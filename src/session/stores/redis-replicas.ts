/**
 * Waiting for a replica (S2). `WAIT` covers every write that its connection made before it, and holds up everything behind
 * it there. So one is enough for all writes that are answered while another is under way, and after one that no replica
 * answered there is none for a while: else a replica that is connected and frozen would hold up each write by itself, and
 * every refresh and sign-out would fail until Redis drops it.
 */
import type { Clock } from '../../runtime.ts'

/** So long after a `WAIT` in vain writes count as those of a Redis without a replica. */
const pauseMs = 1000

/**
 * @returns resolves once a replica of `master` has what was written before the call, or none did in time; rejects as
 *   `sendWait` does, which gives how many have it
 */
export function replicaWaits(clock: Clock): (master: string, sendWait: () => Promise<unknown>) => Promise<void> {
  /** A failover makes a new one: there are few. */
  const masters = new Map<string, ReturnType<typeof waitsOf>>()
  return (master, sendWait) => {
    const waits = masters.get(master) ?? waitsOf(clock)
    masters.set(master, waits)
    return waits(sendWait)
  }
}

function waitsOf(clock: Clock): (sendWait: () => Promise<unknown>) => Promise<void> {
  let underWay: Promise<void> | undefined
  /** Not sent yet, so whoever comes is covered. */
  let next: Promise<void> | undefined
  let pausedUntil = 0

  async function waitInTurn(sendWait: () => Promise<unknown>): Promise<void> {
    // Also where none is under way this lets the other writes join whose answers came in one piece with this one's.
    await underWay?.catch(() => undefined)
    next = undefined
    if (clock.now() < pausedUntil) return
    underWay = sendWait().then((replicas) => {
      if (Number(replicas) < 1) pausedUntil = clock.now() + pauseMs
    })
    await underWay
  }

  return async (sendWait) => {
    if (clock.now() < pausedUntil) return
    next ??= waitInTurn(sendWait)
    await next
  }
}
