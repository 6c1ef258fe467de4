/** How long the store keeps what speaks of a session. Epoch milliseconds. */
import type { Session } from './session.ts'

/** Tombstones, marks and entries outlive the seals that they speak of by this much: clocks disagree. */
export const skewMs = 60_000

/** Until this session has ended by every clock. */
export function endOf({ endsAt }: Pick<Session, 'endsAt'>): number {
  return endsAt * 1000 + skewMs
}

/** Until every session that was begun by now has ended: for what is said of one of which little is known. */
export function furthestEnd(nowMs: number, absoluteSeconds: number): number {
  return nowMs + absoluteSeconds * 1000 + skewMs
}
