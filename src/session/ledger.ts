/** The ledger: a coordinator's opaque payloads read and written as sessions (sessions.md, "What there is"). */
import type { Coordinator, Lease } from '../coordinator.ts'
import { ExpiringMap } from '../expiring-map.ts'
import type { Report } from '../observability/events.ts'
import type { Clock } from '../runtime.ts'
import type { Sealer } from './seal.ts'
import type { Session } from './session.ts'
import { decodeSession, encodeSession } from './session-codec.ts'

export interface LedgerView {
  readonly version: number
  /** Absent where only a stub is left: the version is known, its tokens are not (R9). And where the caller holds it. */
  readonly session: Session | undefined
  readonly attemptedAt: number | undefined
  readonly isEnded: boolean
}

export interface Ledger {
  /** @param holds the version that the caller has already: its session is not read again */
  read(sessionId: string, holds?: number): Promise<LedgerView | undefined>
  /**
   * Compare-and-set on the parent version, and no tombstone (R5). Never rejects: where the coordinator cannot
   * be reached the version is held here, counts as committed, and is written at the next chance, because the
   * tokens in hand are the only live ones.
   */
  commit(parentVersion: number, session: Session): Promise<'committed' | 'stale' | 'ended'>
  confirm(sessionId: string, version: number): void
  /** Tombstones, and gives the newest session that was known (E1). */
  end(session: Session): Promise<Session | undefined>
  /** Tombstones a session of which only the id is known; it cannot live longer than any session (E3). */
  endById(sessionId: string): Promise<void>
  acquireLease(sessionId: string, ttlMs: number): Promise<Lease>
  recordAttempt(session: Session): Promise<void>
  clearAttempt(session: Session): Promise<void>
}

/** Tombstones and entries outlive the seals they speak of by this much: clocks disagree. */
const skewMs = 60_000
const maxUnwritten = 10_000

export interface LedgerOptions {
  coordinator: Coordinator
  sealer: Sealer
  clock: Clock
  idleSeconds: number
  absoluteSeconds: number
  /** What the authorization server has ended by itself. */
  isMarked: (session: Session) => Promise<boolean>
  report: Report
}

export function ledger({
  coordinator,
  sealer,
  clock,
  idleSeconds,
  absoluteSeconds,
  isMarked,
  report,
}: LedgerOptions): Ledger {
  const toPayload = async (session: Session) => {
    const text = encodeSession(session)
    return coordinator.isInProcess ? text : sealer.seal(text)
  }
  const fromPayload = async (payload: string, sessionId: string) => {
    const text = coordinator.isInProcess ? payload : await sealer.open(payload)
    const session = text === undefined ? undefined : decodeSession(text)
    // Entries of two sessions that were swapped in the store are nobody's.
    return session?.id === sessionId ? session : undefined
  }
  /** Versions whose write failed, by session id. */
  const unwritten = new ExpiringMap<{ parentVersion: number; session: Session }>(clock, maxUnwritten)

  const write = async (parentVersion: number, session: Session) =>
    coordinator.commit(session.id, parentVersion, {
      version: session.version,
      payload: await toPayload(session),
      // Every older seal idles out by then (R9): from now on only the newest goes out.
      keepUntil: Math.min(clock.now() + idleSeconds * 1000 + skewMs, endOf(session)),
    })
  const writeHeld = async (held: { parentVersion: number; session: Session }) => {
    await write(held.parentVersion, held.session)
    // Not one that was put here in the meantime.
    if (unwritten.get(held.session.id) === held) unwritten.delete(held.session.id)
  }
  const endOf = (session: Session) => session.endsAt * 1000 + skewMs

  return {
    async read(sessionId, holds = 0) {
      const held = unwritten.get(sessionId)
      if (held) {
        try {
          await writeHeld(held)
        } catch (cause) {
          report({ event: 'store_unavailable', during: 'commit', cause })
          return { version: held.session.version, session: held.session, attemptedAt: undefined, isEnded: false }
        }
      }
      const entry = await coordinator.read(sessionId)
      if (!entry) return undefined
      return {
        version: entry.version,
        session:
          entry.payload === undefined || entry.version <= holds
            ? undefined
            : await fromPayload(entry.payload, sessionId),
        attemptedAt: entry.attempt?.version === entry.version ? entry.attempt.at : undefined,
        isEnded: entry.isEnded,
      }
    },
    async commit(parentVersion, session) {
      // A parent that was never written stands on one that was.
      const held = unwritten.get(session.id)
      const next = {
        parentVersion: held?.session.version === parentVersion ? held.parentVersion : parentVersion,
        session,
      }
      try {
        if (await isMarked(session)) return 'ended'
        const result = await write(next.parentVersion, session)
        if (held && unwritten.get(session.id) === held) unwritten.delete(session.id)
        return result
      } catch (cause) {
        report({ event: 'store_unavailable', during: 'commit', cause })
        unwritten.set(session.id, next, endOf(session))
        return 'committed'
      }
    },
    confirm: (sessionId, version) => coordinator.confirm(sessionId, version),
    async end(session) {
      const known = await coordinator.end(session.id, endOf(session))
      const held = unwritten.get(session.id)?.session
      unwritten.delete(session.id)
      if (held && held.version > (known?.version ?? 0)) return held
      return known?.payload === undefined ? undefined : fromPayload(known.payload, session.id)
    },
    async endById(sessionId) {
      await coordinator.end(sessionId, clock.now() + absoluteSeconds * 1000 + skewMs)
    },
    acquireLease: (sessionId, ttlMs) => coordinator.acquireLease(sessionId, ttlMs),
    recordAttempt: (session) => coordinator.recordAttempt(session.id, session.version, endOf(session)),
    clearAttempt: (session) => coordinator.clearAttempt(session.id),
  }
}
