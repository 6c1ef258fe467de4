/** The ledger: a coordinator's opaque payloads read and written as sessions (protocol.md, "What there is"). */
import type { CommitResult, Coordinator, Ending, Lease, LedgerEntry, NewEntry } from '../coordinator.ts'
import { CoatcheckError } from '../errors.ts'
import { ExpiringMap } from '../expiring-map.ts'
import type { Report } from '../observability/events.ts'
import type { Clock } from '../runtime.ts'
import { endOf, furthestEnd, skewMs } from './kept-until.ts'
import type { Session } from './session.ts'

export interface LedgerView {
  readonly version: number
  /** Absent where only a stub is left: the version is known, its tokens are not (R9). And where the caller holds it. */
  readonly session: Session | undefined
  /** How long ago a refresh of this version was begun whose answer was not written. */
  readonly attemptAgeMs: number | undefined
  /** Epoch seconds, where the ledger keeps the idle clock too. */
  readonly seenAt: number | undefined
  readonly ending: Ending | undefined
  /** This version is known to this process alone: the coordinator could not be told yet. */
  readonly isHeld: boolean
}

/** `held`: the coordinator is out. The version is kept in this process, and `writeHeld` has to be tried again. */
export type SaveResult = CommitResult | 'held'

export interface Ledger {
  /** @param holds the version that the caller has already: its session is not read again */
  read(session: SessionName, holds?: number): LedgerView | undefined | Promise<LedgerView | undefined>
  /**
   * The first version of a session that lives in the ledger; `about` is what the server may read of it without the ticket.
   *
   * @throws CoatcheckError `store_unavailable`
   */
  begin(session: Session, about: string): Promise<CommitResult>
  /** Moves the idle clock. */
  touch(session: Session, seenAt: number): Promise<void>
  /** Compare-and-set on the parent version, and no tombstone (R5). Never rejects: the tokens in hand are the only live ones. */
  commit(parentVersion: number, session: Session): Promise<SaveResult>
  /** Tries once more to write what is held; `held` if it is to be tried again. */
  writeHeld(sessionId: string): Promise<SaveResult>
  /**
   * Takes over a seal that is newer than what is known: the ledger lost something, and learns it again (R9).
   *
   * @param knownVersion undefined where nothing is known. @throws CoatcheckError `store_unavailable`
   */
  adopt(knownVersion: number | undefined, session: Session): Promise<CommitResult>
  confirm(sessionId: string, version: number): void
  /** Tombstones, and gives the newest session that was known (E1). */
  end(session: Session): Promise<Session | undefined>
  /** The same where its id alone is known: it cannot live longer than any session (E3). */
  endById(sessionId: string): Promise<Session | undefined>
  /** Another sign-in takes its place (C3), as `endById`. */
  supersede(sessionId: string): Promise<void>
  acquireLease(sessionId: string, ttlMs: number): Promise<Lease>
  recordAttempt(session: Session): Promise<'recorded' | 'stale' | 'ended'>
  clearAttempt(session: Session): Promise<void>
}

/** So long after a seal was opened the ledger still knows its successor, if there is one, although the seal idles out. */
export const trustedForMs = 60_000
const maxHeld = 10_000
/** Whole payloads: some kilobytes each. */
const maxOpened = 2000

/** A version that is to be written, and the one on record that it stands on. */
interface Held {
  readonly parentVersion: number
  readonly session: Session
}

/** How a session is written down. */
export interface LedgerRecords {
  write(session: Session): Promise<Pick<NewEntry, 'payload' | 'revocation'>>
  /** Undefined for what does not open, and for another session's: entries that were swapped are nobody's. */
  read(payload: string, session: SessionName): Promise<Session | undefined>
}

/** What finds a session in the ledger, and opens it there. */
export type SessionName = Pick<Session, 'id' | 'ticketKey'>

export interface LedgerOptions {
  coordinator: Coordinator
  records: LedgerRecords
  clock: Clock
  idleSeconds: number
  absoluteSeconds: number
  /** What the authorization server has ended by itself. */
  isMarked: (session: Session) => Promise<boolean>
  /** Told of a session whose mark was found as it was written, once its tombstone is there. */
  onMarked: (session: Session) => void
  report: Report
}

export function ledger(options: LedgerOptions): Ledger {
  const { coordinator, records, clock, idleSeconds, absoluteSeconds, isMarked, onMarked, report } = options
  /** Versions whose write failed, by session id. */
  const held = new ExpiringMap<Held>(clock, maxHeld)
  /** What was written or opened last, by session id: the same text need not be opened again, and a refresh begins at once. */
  const opened = new ExpiringMap<{ payload: string; session: Session }>(clock, maxOpened)
  const longestEnd = () => furthestEnd(clock.now(), absoluteSeconds)

  // Every older seal idles out by then, and calls that came with one are over (R9): only the newest goes out now.
  const keepUntil = (session: Session) =>
    Math.min(clock.now() + idleSeconds * 1000 + skewMs + trustedForMs, endOf(session))

  async function write(parentVersion: number, session: Session, about?: string): Promise<CommitResult> {
    const record = await records.write(session)
    remember(record.payload, session)
    return coordinator.commit(session.id, parentVersion, {
      ...record,
      version: session.version,
      keepUntil: keepUntil(session),
      ...(about !== undefined && { about, seenAt: session.createdAt }),
    })
  }

  function remember(payload: string | undefined, session: Session): void {
    if (payload !== undefined) opened.set(session.id, { payload, session }, keepUntil(session))
  }

  function sessionIn(payload: string, name: SessionName): Session | Promise<Session | undefined> {
    const known = opened.get(name.id)
    if (known?.payload === payload && known.session.ticketKey === name.ticketKey) return known.session
    return records.read(payload, name).then((session) => {
      if (session) remember(payload, session)
      return session
    })
  }

  /** An ancestor that was held too may have been written after all, although no answer came. */
  async function writeOnParent(parentVersion: number, session: Session) {
    const result = await write(parentVersion, session)
    const direct = session.version - 1
    return result === 'stale' && parentVersion !== direct ? write(direct, session) : result
  }

  /**
   * A session that the authorization server has ended gets its tombstone here: the attempt on record would be taken for a
   * lost answer, and its refresh token sent once more.
   */
  async function writeUnlessMarked({ parentVersion, session }: Held): Promise<CommitResult> {
    if (!(await isMarked(session))) return writeOnParent(parentVersion, session)
    await coordinator.end(session.id, endOf(session))
    onMarked(session)
    return 'ended'
  }

  async function end(name: SessionName, until: number): Promise<Session | undefined> {
    const known = await coordinator.end(name.id, until)
    const own = held.get(name.id)?.session
    held.delete(name.id)
    opened.delete(name.id)
    if (own && own.version > (known?.version ?? 0)) return own
    return known?.payload === undefined ? undefined : records.read(known.payload, name)
  }

  async function writeHeld(sessionId: string): Promise<SaveResult> {
    const one = held.get(sessionId)
    if (!one) return 'committed'
    try {
      const result = await writeUnlessMarked(one)
      // Not one that was put here in the meantime.
      if (held.get(sessionId) === one) held.delete(sessionId)
      return result
    } catch (cause) {
      report({ event: 'store_unavailable', during: 'commit', cause })
      return 'held'
    }
  }

  function readEntry(name: SessionName, holds: number): ReturnType<Ledger['read']> {
    const view = (entry: LedgerEntry | undefined) => {
      if (entry?.payload === undefined || entry.version <= holds) return entry && viewOf(entry, undefined)
      const session = sessionIn(entry.payload, name)
      return session instanceof Promise ? session.then((read) => viewOf(entry, read)) : viewOf(entry, session)
    }
    const entry = coordinator.read(name.id, holds)
    return isPromise(entry) ? Promise.resolve(entry).then(view) : view(entry)
  }

  async function readHeld(name: SessionName, holds: number): Promise<LedgerView | undefined> {
    const reading = (async () => readEntry(name, holds))()
    const [known, failure] = await reading.then((entry) => [entry, undefined] as const, unavailable)
    const session = held.get(name.id)?.session
    // It was written while we asked in vain.
    if (failure && !session) throw failure
    // Written while we read, or ended, or overtaken: the coordinator's word stands.
    if (!session || known?.ending || (known && known.version >= session.version)) return known
    const { version } = session
    const { seenAt } = known ?? {}
    return { version, session, attemptAgeMs: undefined, ending: undefined, seenAt, isHeld: true }
  }

  return {
    read: (name, holds = 0) => (held.get(name.id) ? readHeld(name, holds) : readEntry(name, holds)),

    begin: (session, about) => write(0, session, about),

    touch: (session, seenAt) => coordinator.touch(session.id, seenAt, keepUntil(session)),

    async commit(parentVersion, session) {
      // A parent that was never written stands on one that was.
      const before = held.get(session.id)
      const parent = before?.session.version === parentVersion ? before.parentVersion : parentVersion
      held.set(session.id, { parentVersion: parent, session }, endOf(session))
      return writeHeld(session.id)
    },

    writeHeld,

    // With nothing known, on nothing: another call may have adopted it meanwhile, and begun a refresh.
    adopt: (knownVersion, session) => write(knownVersion ?? 0, session),

    confirm: (sessionId, version) => coordinator.confirm(sessionId, version),

    end: (session) => end(session, endOf(session)),
    endById: (id) => end({ id, ticketKey: undefined }, longestEnd()),

    async supersede(sessionId) {
      await coordinator.end(sessionId, longestEnd(), 'superseded')
    },

    acquireLease: (sessionId, ttlMs) => coordinator.acquireLease(sessionId, ttlMs),
    recordAttempt: (session) => coordinator.recordAttempt(session.id, session.version, endOf(session)),
    clearAttempt: (session) => coordinator.clearAttempt(session.id),
  }
}

/** An operator's own store may have promises of another make. */
function isPromise<Value>(given: Value | Promise<Value>): given is Promise<Value> {
  return typeof (given as Partial<Promise<Value>> | undefined)?.then === 'function'
}

function viewOf({ version, attempt, ending, seenAt }: LedgerEntry, session: Session | undefined): LedgerView {
  const attemptAgeMs = attempt?.version === version ? attempt.ageMs : undefined
  return { version, session, attemptAgeMs, ending, seenAt, isHeld: false }
}

function unavailable(error: unknown): readonly [undefined, CoatcheckError] {
  if (error instanceof CoatcheckError && error.code === 'store_unavailable') return [undefined, error]
  throw error
}
