/**
 * What processes share about a session that is being refreshed or ended (protocol.md, "What there is").
 *
 * A coordinator keeps opaque payloads; what is in them, and whether they are sealed, is the ledger's
 * business (`session/ledger.ts`). Times are milliseconds of the coordinator's own clock (R6). Every operation
 * that changes something resolves once the change is durable. When the coordinator cannot be asked,
 * operations reject with CoatcheckError `store_unavailable`.
 */

/**
 * How a session ended, as its tombstone says. The tokens of a refresh that comes back to one that has `ended` are revoked
 * (E1). The other two share the provider's grant with a session that goes on, which a revocation would end too (C3):
 * `superseded` gave way to another sign-in of the same browser, and `ended_alone` was ended by its person elsewhere.
 */
export type Ending = 'ended' | 'ended_alone' | 'superseded'

const weakestFirst: readonly Ending[] = ['superseded', 'ended_alone', 'ended']

/** What a tombstone says that is written over another. */
export function strongerEnding(ending: Ending, before: Ending | undefined): Ending {
  return before !== undefined && weakestFirst.indexOf(before) > weakestFirst.indexOf(ending) ? before : ending
}

/** What the coordinator knows of one session. */
export interface LedgerEntry {
  readonly version: number
  /** The session at this version; absent when only a stub is left (R9). */
  readonly payload: string | undefined
  /** A refresh that was begun and whose answer was not written yet (R3), and how long ago by the coordinator's clock (R6). */
  readonly attempt: { readonly version: number; readonly ageMs: number } | undefined
  /** Its tombstone, where there is one. */
  readonly ending: Ending | undefined
  /** Epoch seconds, by `touch`. */
  readonly seenAt: number | undefined
}

/** What `end` gives: with the copy that tokens are revoked by. */
export interface EndedEntry extends LedgerEntry {
  readonly revocation: string | undefined
}

/** One version, as it is written. */
export interface NewEntry {
  readonly version: number
  readonly payload: string
  readonly keepUntil: number
  /** Epoch seconds; stands until the first `touch`. */
  readonly seenAt?: number | undefined
  /** What the server may read without the browser's ticket (S1), about the session: what was written first stays. */
  readonly about?: string | undefined
  /** And what revokes its tokens: the newest stands. */
  readonly revocation?: string | undefined
}

/** What the server may read without the browser's ticket. */
export interface SessionNotes {
  readonly about: string
  readonly seenAt: number | undefined
}

export type CommitResult = 'committed' | 'stale' | Ending

export interface Coordinator {
  /** What `coatcheck check` and the log call it. */
  readonly name: string
  /** True when payloads never leave this process, so that they need no sealing. */
  readonly isInProcess: boolean

  /**
   * Every call asks this: a coordinator that knows the answer gives it at once.
   *
   * @param holds the version that the caller has: its payload need not be sent again
   */
  read(sessionId: string, holds?: number): LedgerEntry | undefined | Promise<LedgerEntry | undefined>

  /**
   * Writes a version if the newest one is `parentVersion` (or nothing is known of the session) and there
   * is no tombstone (R5). Clears the attempt.
   *
   * `stale`: another version is there already. An ending: there is a tombstone.
   */
  commit(sessionId: string, parentVersion: number, entry: NewEntry): Promise<CommitResult>

  /** Moves the idle clock of a session that is known, forward only. */
  touch(sessionId: string, seenAt: number, keepUntil: number): Promise<void>

  /** Undefined for a session that is not known, has ended, or was written without notes. */
  readNotes(sessionId: string): Promise<SessionNotes | undefined>

  /** The browser has shown that it holds this version: the entry may shrink to a stub when room is needed (R9). */
  confirm(sessionId: string, version: number): void

  /** Waits for the lease, and takes it. It lapses after `ttlMs` unless renewed (R6). */
  acquireLease(sessionId: string, ttlMs: number): Promise<Lease>

  /**
   * Makes durable that a refresh of this version is about to be sent (R3). Rejects if it cannot. Of a session
   * that is not known yet, a stub of this version is kept from now on.
   *
   * `stale`: another version is the newest, so this one's refresh token may be spent and must not be sent. `ended`:
   * there is a tombstone. Neither records anything.
   */
  recordAttempt(sessionId: string, version: number, keepUntil: number): Promise<'recorded' | 'stale' | 'ended'>

  /**
   * Takes back the attempt of a request that surely did not reach the authorization server; also one whose record failed
   * here, and may be made yet: it does not overtake that.
   */
  clearAttempt(sessionId: string): Promise<void>

  /**
   * Writes the tombstone and gives what was known of the session; once it is there it stays (E1, E3).
   *
   * @param ending what the tombstone says, `ended` by default. Of two it says the stronger: `ended` before `ended_alone`, and
   *   that before `superseded`
   */
  end(sessionId: string, keepUntil: number, ending?: Ending): Promise<EndedEntry | undefined>

  /**
   * Does a thing once for all processes, and gives everyone its result (R12). The first caller's `work` runs;
   * who comes within `ttlMs` gets the same value, or waits for it. Rejects with `work`'s error, for all who wait. What `work`
   * gave counts also where it cannot be written: it is not to be done twice (`settleWork`).
   */
  once(key: string, ttlMs: number, work: () => Promise<string>): Promise<string>

  /** The value that `once` gave for this key within its time; undefined where there is none yet. */
  recall(key: string): Promise<string | undefined>

  /**
   * Counts one more under this key, exactly for all processes. What was counted is forgotten when `windowMs` have passed
   * since the first of it; it need not outlive a crash.
   */
  count(key: string, windowMs: number): Promise<Count>

  /** Sessions under keys, such as a person's. Entries leave by themselves. */
  readonly index: SessionIndex

  /** Milliseconds since the epoch by the coordinator's own clock; absent where that is this process's (R6). */
  now?(): Promise<number>

  /** What is wrong with how the store is set up, as a mistake of the configuration is told; undefined where nothing is. */
  problem?(): Promise<{ problem: string; cure: string } | undefined>

  close(): Promise<void>
}

/** What was counted in a window that has begun, the newest included. */
export interface Count {
  readonly count: number
  /** Until the window ends. */
  readonly remainingMs: number
}

export interface SessionIndex {
  add(key: string, sessionId: string, keepUntil: number): Promise<void>
  /** At most `limit` ids, those that are kept longest first. */
  list(key: string, limit: number): Promise<string[]>
  remove(key: string, sessionIds: readonly string[]): Promise<void>
}

export interface Lease {
  /** Milliseconds of this process's clock, from before the request that took it: it lapses no sooner than `ttlMs` after. */
  readonly takenAt: number
  /** Extends the lease; false if it was lost. */
  renew(ttlMs: number): Promise<boolean>
  /** @param othersWaitMs for so long no other process gets it; of no matter where there is one process */
  release(othersWaitMs?: number): Promise<void>
}

/** Where sessions live: in the browser's cookie, or behind a ticket. Made by `cookieStore()` and its kin. */
export interface SessionStore {
  readonly name: string
  /** What the cookie carries: the session itself, or a ticket for one that the coordinator keeps. */
  readonly cookie: 'session' | 'ticket'
  readonly coordinator: Coordinator
}
