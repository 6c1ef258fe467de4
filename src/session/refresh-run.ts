/**
 * One refresh of a session, from its lease to the new version on record (protocol.md R1, R3 to R7). It belongs to the
 * session, not to the call that began it.
 */
import type { Lease } from '../coordinator.ts'
import { ExpiringMap } from '../expiring-map.ts'
import type { Report } from '../observability/events.ts'
import type { Clock } from '../runtime.ts'
import type { RefreshOutcome, TokenSet, TokenTarget } from '../tokens.ts'
import type { BackOffs } from './back-off.ts'
import { type Ledger, type LedgerView, type SaveResult, trustedForMs } from './ledger.ts'
import { comeBack, refreshImpossible, storeUnavailable, successorUnknown } from './refusals.ts'
import { revokeTokens } from './revoke-tokens.ts'
import { refreshedSession, type Session, shortId, withoutRefreshToken } from './session.ts'
import type { TokenClock } from './token-clock.ts'

export interface HeldGrant {
  readonly refreshToken: string
  readonly scope: string
  readonly sub: string | undefined
}

/** What joins sessions and the authorization server: handed in, because neither imports the other. */
export interface Grant {
  /** @param target another API than the session's own; the tokens that come are for that one */
  refresh(held: HeldGrant, target?: TokenTarget): Promise<RefreshOutcome>
  revoke(tokens: Partial<Pick<TokenSet, 'accessToken' | 'refreshToken'>>): Promise<void>
  /** The longest that one refresh request can take. */
  readonly requestLimitMs: number
}

export interface RefreshRunOptions {
  ledger: Ledger
  grant: Grant
  clock: Clock
  tokenClock: TokenClock
  report: Report
  backOff: BackOffs
  onEnd: (session: Session) => void
}

/**
 * @param openedAt when the seal was opened that `session` comes from, in milliseconds
 * @param later takes work that goes on after the tokens are there
 */
export type RefreshRun = (
  session: Session,
  openedAt: number,
  later: (work: Promise<void>) => void,
  how?: {
    /** Sends it, where it is not for the session's own access token. */
    request?: (held: HeldGrant) => Promise<RefreshOutcome>
    /** Asked once the coordinator's clock is known: by that one there may be time yet (R6). */
    isStillDue?: (session: Session) => boolean
  },
) => Promise<Session>

/** What a lease is longer than a request: between taking it and sending there are two operations of the store. */
const leaseMarginMs = 5000
/** What the record of an attempt takes at most, so that nothing comes between it and the request. */
const recordLimitMs = 2000
/** How often a version whose write failed is written again. */
const rewriteMs = 1000
/** Who finds an attempt whose holder is gone waits for this long: time for a holder who only lost the store to write. */
const settleMs = 2.5 * rewriteMs
/** What one process has just learned of a server in trouble no other has to ask for at once: back-offs are not shared (R7). */
const troubleMs = 1000
const mostRounds = 5
const rememberedDoubts = 100_000

export function refreshRun({
  ledger,
  grant,
  clock,
  tokenClock,
  report,
  backOff,
  onEnd,
}: RefreshRunOptions): RefreshRun {
  const leaseMs = grant.requestLimitMs + leaseMarginMs
  /** Versions whose refresh token may be spent, because an answer was lost. */
  const doubtful = new ExpiringMap<number>(clock, rememberedDoubts)
  const doubt = ({ id, version, endsAt }: Session) => doubtful.set(id, version, endsAt * 1000)
  const isDoubtful = ({ id, version }: Session) => doubtful.get(id) === version

  const run: RefreshRun = async (session, openedAt, later, { request, isStillDue } = {}) => {
    await tokenClock.sync()
    const lease = proven(await ledger.acquireLease(session.id, leaseMs), grant.requestLimitMs, clock)
    let goesOn: Promise<void> | undefined
    let othersWaitMs = 0
    try {
      if (isStillDue?.(session) === false) return session
      const other = await begin(session, openedAt, lease)
      if (other) return other
      const outcome = await sendTwiceIfLost(session, lease, request ?? ((held) => grant.refresh(held)))
      if (isTrouble(outcome)) othersWaitMs = troubleMs
      return await settle(session, outcome, (next) => {
        goesOn = writeUntilDone(next, lease)
      })
    } finally {
      if (goesOn) later(goesOn)
      else await release(lease, othersWaitMs)
    }
  }

  /** Records the attempt. Gives the session instead where somebody else's refresh came first. */
  async function begin(session: Session, openedAt: number, lease: ProvenLease): Promise<Session | undefined> {
    for (let round = 0; round < mostRounds; round++) {
      const known = await ledger.read(session)
      if (known?.isHeld && known.session && (await writeLeftBehind(known.session))) continue
      const other = successor(known, session)
      if (other) return other
      // A process that was stopped for long: the seal may have idled out, and with it what was known of its successor.
      // An attempt alone tells nothing of that: another process that was stopped may just have recorded it.
      if (!known?.session && clock.now() - openedAt > trustedForMs)
        throw storeUnavailable(new Error('the seal is to be read again'))
      if (known && known.version < session.version) await ledger.adopt(known.version, session)
      if (known?.attemptAgeMs !== undefined && known.version === session.version && !isDoubtful(session)) {
        // Somebody sent this refresh token before and left no answer (R6). A lease outlasts its request, so within the
        // limit of one it was given back, and the answer is lost; after that its holder may live, without the store.
        doubt(session)
        if (known.attemptAgeMs >= grant.requestLimitMs) {
          await pause(settleMs)
          continue
        }
      }
      await requireCover(lease, recordLimitMs)
      const recorded = await record(session)
      if (recorded === 'ended') throw refreshImpossible(session)
      if (recorded === 'recorded') {
        // Asks only if that took still longer: what another process writes meanwhile would not be seen.
        await requireCover(lease)
        return undefined
      }
    }
    // A version that this process could not write yet, or others that come and go.
    throw storeUnavailable(new Error('the attempt cannot be recorded'))
  }

  /** A version whose writer has ended without it, as Workers end one: who has the lease writes it. False: not yet. */
  async function writeLeftBehind(version: Session): Promise<boolean> {
    const result = await ledger.writeHeld(version.id)
    if (result === 'ended') await revokeTokens({ grant, report }, version)
    return result !== 'held'
  }

  /** An attempt that may be on record although nothing was sent is taken back: it would be taken for a lost answer. */
  async function record(session: Session): Promise<'recorded' | 'stale' | 'ended'> {
    try {
      return await ledger.recordAttempt(session)
    } catch (error) {
      if (!isDoubtful(session)) await takeBack(session)
      throw error
    }
  }

  /** Never rejects: what the server said counts, also where the store does not take this. */
  async function takeBack(session: Session): Promise<void> {
    await ledger.clearAttempt(session).catch(reportUnclear)
  }

  /**
   * An answer that may have been lost is asked for once more, at once: servers' grace periods are for that (R7). Once for
   * all processes: who finds that done, and gets no answer either, waits like everybody.
   */
  async function sendTwiceIfLost(
    session: Session,
    lease: ProvenLease,
    send: (held: HeldGrant) => Promise<RefreshOutcome>,
  ): Promise<RefreshOutcome | AnswerLost> {
    const { refreshToken, scope } = session.tokens
    if (refreshToken === undefined) throw refreshImpossible(session)
    const held = { refreshToken, scope, sub: session.sub }
    let outcome = await send(held)
    if (outcome.kind === 'lost') {
      const isFirst = !isDoubtful(session)
      doubt(session)
      if (isFirst && (await lease.coversRequest().catch(reportRenewal))) outcome = await send(held)
    }
    if (!isDoubtful(session)) return outcome
    // A request did reach the server, and its answer carried the token that is now the only live one. Some servers say of a
    // token that they do not know that the request is invalid.
    if (outcome.kind === 'invalid_grant' || outcome.kind === 'refused') return { kind: 'answer_lost' }
    // This one did not reach it, but the one before may have: the attempt stays on record.
    return outcome.kind === 'unreached' ? { kind: 'lost', cause: outcome.cause } : outcome
  }

  async function settle(
    session: Session,
    outcome: RefreshOutcome | AnswerLost,
    keepWriting: (next: Session) => void,
  ): Promise<Session> {
    switch (outcome.kind) {
      case 'refreshed':
        backOff.clear(session.id)
        return save(session, refreshedSession(session, outcome.tokens, outcome.idToken), keepWriting)
      case 'answer_lost':
        report({ event: 'refresh_answer_lost', session: shortId(session) })
        return save(session, withoutRefreshToken(session), keepWriting)
      case 'invalid_grant':
      case 'refused':
      case 'identity_changed':
        return endRefused(session, outcome)
      case 'target_refused':
        // The server may have said so before it looked at the refresh token: a doubt about that stays.
        if (!isDoubtful(session)) await takeBack(session)
        // Of no concern to others who wait for this refresh: whoever asked for that API has heard it (R1).
        return session
      case 'unreached':
        await takeBack(session)
        return trouble(session, outcome)
      case 'lost':
        return trouble(session, outcome)
      case 'unavailable':
        // An answer, and no new tokens in it: this attempt is over. One before it may still be in doubt.
        if (!isDoubtful(session)) await takeBack(session)
        return trouble(session, outcome, outcome.retryAfterSeconds)
    }
  }

  async function save(session: Session, next: Session, keepWriting: (next: Session) => void): Promise<Session> {
    const result = await ledger.commit(session.version, next)
    switch (result) {
      case 'held':
        keepWriting(next)
        return next
      case 'committed':
        if (!next.isRefreshLost) report({ event: 'session_refreshed', session: shortId(next), version: next.version })
        return next
      case 'stale':
        return (await ledger.read(session))?.session ?? unknownTokens()
      case 'superseded':
      case 'ended_alone':
        // A session that goes on may hold tokens of the same grant: nothing is revoked (C3).
        throw refreshImpossible(session)
      case 'ended':
        // A sign-out came first: what was just issued must not outlive it (E1).
        await revokeTokens({ grant, report }, next)
        throw refreshImpossible(session)
    }
  }

  /** The tokens in hand are the only live ones, so nobody else may refresh until they are on record (R5). */
  async function writeUntilDone(next: Session, lease: Lease): Promise<void> {
    let result: SaveResult = 'held'
    while (result === 'held') {
      await pause(rewriteMs)
      // Where it cannot be renewed nobody else can take it either; the write below says that the store is out.
      await lease.renew(leaseMs).catch(() => undefined)
      result = await ledger.writeHeld(next.id)
    }
    if (result === 'ended') await revokeTokens({ grant, report }, next)
    await release(lease)
  }

  /** The session ends, but only if the refused refresh token is still the newest one (R7). */
  async function endRefused(session: Session, outcome: { kind: string; cause: unknown }): Promise<Session> {
    const other = successor(await ledger.read(session), session)
    if (other) return other
    report({ event: 'refresh_failed', session: shortId(session), kind: outcome.kind, cause: outcome.cause })
    await ledger.end(session)
    report({ event: 'session_ended', session: shortId(session), reason: 'refresh_refused' })
    onEnd(session)
    throw refreshImpossible(session)
  }

  /** The session stands; the server is left alone for a while. */
  function trouble(session: Session, outcome: { kind: string; cause: unknown }, askedSeconds?: number): never {
    const delayMs = backOff.raise(session.id, askedSeconds)
    report({ event: 'refresh_failed', session: shortId(session), kind: outcome.kind, cause: outcome.cause })
    throw comeBack(delayMs, outcome.cause)
  }

  function reportUnclear(cause: unknown): void {
    report({ event: 'store_unavailable', during: 'clear attempt', cause })
  }

  function reportRenewal(cause: unknown): false {
    report({ event: 'store_unavailable', during: 'renew', cause })
    return false
  }

  /** A lease that cannot be given back lapses; the answer in hand is worth more (R5). */
  async function release(lease: Lease, othersWaitMs = 0): Promise<void> {
    await lease.release(othersWaitMs).catch((cause) => report({ event: 'store_unavailable', during: 'release', cause }))
  }

  return run
}

/** A lease that is long enough for one more request. */
interface ProvenLease extends Lease {
  /** @param spareMs what is done before the request is sent */
  coversRequest(spareMs?: number): Promise<boolean>
}

/**
 * A process that was stopped for a while (a frozen machine, a store that did not answer) has lost its lease without
 * noticing, and somebody else may have spent the refresh token. So it is asked again before anything is sent, unless it
 * was taken so lately that it outlasts the request.
 */
function proven(lease: Lease, requestLimitMs: number, clock: Clock): ProvenLease {
  let heldSince = lease.takenAt
  return {
    ...lease,
    async coversRequest(spareMs = 0) {
      for (let round = 0; round < mostRounds; round++) {
        if (clock.now() - heldSince <= leaseMarginMs - spareMs) return true
        const askedAt = clock.now()
        if (!(await lease.renew(requestLimitMs + leaseMarginMs))) return false
        heldSince = askedAt
      }
      return false
    },
  }
}

async function requireCover(lease: ProvenLease, spareMs = 0): Promise<void> {
  if (!(await lease.coversRequest(spareMs))) throw storeUnavailable(new Error('the lease was lost'))
}

/** The session stands, and is tried again. */
function isTrouble({ kind }: RefreshOutcome | AnswerLost): boolean {
  return kind === 'lost' || kind === 'unreached' || kind === 'unavailable'
}

interface AnswerLost {
  readonly kind: 'answer_lost'
}

/** What the ledger holds besides this session's own tokens: a newer version, or the same one with other tokens. */
function successor(known: LedgerView | undefined, session: Session): Session | undefined {
  if (known?.ending) throw refreshImpossible(session)
  if (!known || known.version < session.version) return undefined
  if (known.version > session.version) return known.session ?? unknownTokens()
  const isOther = known.session && known.session.tokens.refreshToken !== session.tokens.refreshToken
  return isOther ? known.session : undefined
}

function unknownTokens(): never {
  throw successorUnknown()
}

/** Does not keep a process alive that has nothing else to do. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer: unknown = setTimeout(resolve, ms)
    if (typeof timer === 'object') (timer as { unref?: () => void }).unref?.()
  })
}
