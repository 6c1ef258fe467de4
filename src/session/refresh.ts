/**
 * Keeps a session's tokens fresh: one refresh at a time for a session, early, and never lost to a call that
 * went away (sessions.md R1 to R7).
 */
import type { Lease } from '../coordinator.ts'
import { CoatcheckError } from '../errors.ts'
import { ExpiringMap } from '../expiring-map.ts'
import type { Report } from '../observability/events.ts'
import type { Clock } from '../runtime.ts'
import type { RefreshOutcome, TokenSet } from '../tokens.ts'
import type { Ledger } from './ledger.ts'
import { refreshedSession, type Session, shortId, withoutRefreshToken } from './session.ts'
import { isAlive, isDueForRefresh } from './token-age.ts'

/** What joins sessions and the authorization server: handed in, because neither imports the other. */
export interface Grant {
  refresh(held: { refreshToken: string; scope: string; sub: string | undefined }): Promise<RefreshOutcome>
  revoke(tokens: TokenSet): Promise<void>
  /** The longest that one refresh request can take. */
  readonly requestLimitMs: number
}

export interface Refresher {
  /**
   * The session with an access token that can be used now. While the token lives nobody waits (R2).
   *
   * @param keepAlive lets the refresh outlive the request
   * @throws CoatcheckError `login_required`, or `provider_unavailable` with `Retry-After`
   */
  fresh(session: Session, keepAlive: (work: Promise<unknown>) => void): Promise<Session>
  /** A refresh although the token looks alive: an upstream said that it is not (R11). Undefined if there is no use in it. */
  afterRejection(session: Session, keepAlive: (work: Promise<unknown>) => void): Promise<Session | undefined>
}

export interface RefresherOptions {
  ledger: Ledger
  grant: Grant
  clock: Clock
  report: Report
  /** How long a call waits for a refresh before it is told to come back. */
  callerLimitMs: number
  onEnd: (session: Session) => void
}

const firstBackoffMs = 1000
const longestBackoffMs = 15_000
/** A token that was refreshed so recently and is refused again will not get better by another refresh (R11). */
const rejectionCooldownMs = 60_000
const leaseMarginMs = 5000
const rememberedBackoffs = 100_000

export function refresher(options: RefresherOptions): Refresher {
  const { ledger, grant, clock, report, callerLimitMs, onEnd } = options
  const leaseMs = grant.requestLimitMs + leaseMarginMs
  const running = new Map<string, Promise<Session>>()
  const backoffs = new ExpiringMap<{ until: number; delayMs: number }>(clock, rememberedBackoffs)
  /** Versions whose refresh token may be spent, because an answer was lost. */
  const doubtful = new ExpiringMap<number>(clock, rememberedBackoffs)

  /** One at a time for a session, whoever asks, and not tied to the call that began it (R1, R4). */
  function start(session: Session): Promise<Session> {
    const known = running.get(session.id)
    if (known) return known
    const work = underLease(session)
      .catch(reportUnavailable)
      .finally(() => running.delete(session.id))
    running.set(session.id, work)
    return work
  }

  async function underLease(session: Session): Promise<Session> {
    const lease = await ledger.acquireLease(session.id, leaseMs)
    try {
      const known = await ledger.read(session.id)
      if (known?.isEnded) throw loginRequired(session)
      if (known && known.version > session.version) return known.session ?? tokensUnknown(session)
      // Somebody sent this refresh token before and left no answer: a process that died, or its lease lapsed (R6).
      if (known?.attemptedAt !== undefined) doubtful.set(session.id, session.version, session.endsAt * 1000)
      await ledger.recordAttempt(session)
      return await settle(session, await sendTwiceIfLost(session, lease))
    } finally {
      // A lease that cannot be given back lapses; the answer in hand is worth more (R5).
      await lease.release().catch((cause) => report({ event: 'store_unavailable', during: 'release', cause }))
    }
  }

  function reportUnavailable(error: unknown): never {
    if (error instanceof CoatcheckError && error.code === 'store_unavailable') {
      report({ event: 'store_unavailable', during: 'refresh', cause: error })
    }
    throw error
  }

  /** An answer that may have been lost is asked for once more, at once: servers' grace periods are for that (R7). */
  async function sendTwiceIfLost(session: Session, lease: Lease): Promise<RefreshOutcome | AnswerLost> {
    const { refreshToken, scope } = session.tokens
    if (refreshToken === undefined) throw loginRequired(session)
    const held = { refreshToken, scope, sub: session.sub }
    let outcome = await grant.refresh(held)
    if (outcome.kind === 'lost') {
      doubtful.set(session.id, session.version, session.endsAt * 1000)
      // It was for one request. Where it cannot be renewed the store is out, so nobody else can take it either.
      await lease.renew(leaseMs).catch((cause) => report({ event: 'store_unavailable', during: 'renew', cause }))
      outcome = await grant.refresh(held)
    }
    if (doubtful.get(session.id) !== session.version) return outcome
    // A request did reach the server, and its answer carried the token that is now the only live one.
    if (outcome.kind === 'invalid_grant') return { kind: 'answer_lost' }
    // This one did not reach it, but the one before may have: the attempt stays on record.
    return outcome.kind === 'unreached' ? { kind: 'lost', cause: outcome.cause } : outcome
  }

  async function settle(session: Session, outcome: RefreshOutcome | AnswerLost): Promise<Session> {
    switch (outcome.kind) {
      case 'refreshed':
        backoffs.delete(session.id)
        return save(session, refreshedSession(session, outcome.tokens, outcome.idToken))
      case 'answer_lost':
        report({ event: 'refresh_answer_lost', session: shortId(session) })
        return save(session, withoutRefreshToken(session))
      case 'invalid_grant':
      case 'refused':
      case 'identity_changed':
        return endRefused(session, outcome)
      case 'unreached':
        await ledger.clearAttempt(session)
        return backOff(session, outcome, undefined)
      case 'lost':
        return backOff(session, outcome, undefined)
      case 'unavailable':
        // An answer, and no new tokens in it: this attempt is over. One before it may still be in doubt.
        if (doubtful.get(session.id) !== session.version) await ledger.clearAttempt(session)
        return backOff(session, outcome, outcome.retryAfterSeconds)
    }
  }

  async function save(session: Session, next: Session): Promise<Session> {
    const result = await ledger.commit(session.version, next)
    if (result === 'committed') {
      if (!next.isRefreshLost) report({ event: 'session_refreshed', session: shortId(next), version: next.version })
      return next
    }
    if (result === 'stale') {
      const known = await ledger.read(session.id)
      return known?.session ?? tokensUnknown(session)
    }
    // A sign-out came first: what was just issued must not outlive it (E1).
    await revoke(next)
    throw loginRequired(session)
  }

  /** The session ends, but only if the refused refresh token is still the newest one (R7). */
  async function endRefused(session: Session, outcome: { kind: string; cause: unknown }): Promise<Session> {
    const known = await ledger.read(session.id)
    if (known?.isEnded) throw loginRequired(session)
    if (known && known.version > session.version) return known.session ?? tokensUnknown(session)
    report({ event: 'refresh_failed', session: shortId(session), kind: outcome.kind, cause: outcome.cause })
    await ledger.end(session)
    report({ event: 'session_ended', session: shortId(session), reason: 'refresh_refused' })
    onEnd(session)
    throw loginRequired(session)
  }

  /** The session stands; the server is left alone for a while. */
  function backOff(
    session: Session,
    outcome: { kind: string; cause: unknown },
    askedSeconds: number | undefined,
  ): never {
    const lastDelayMs = backoffs.get(session.id)?.delayMs ?? firstBackoffMs / 2
    const delayMs = askedSeconds === undefined ? Math.min(lastDelayMs * 2, longestBackoffMs) : askedSeconds * 1000
    const now = clock.now()
    // Remembered for longer than it is obeyed, so that the next delay knows this one.
    backoffs.set(session.id, { until: now + delayMs, delayMs }, now + delayMs + longestBackoffMs)
    report({ event: 'refresh_failed', session: shortId(session), kind: outcome.kind, cause: outcome.cause })
    throw comeBack(delayMs, outcome.cause)
  }

  async function revoke(session: Session): Promise<void> {
    try {
      await grant.revoke(session.tokens)
    } catch (cause) {
      report({ event: 'revocation_failed', session: shortId(session), cause })
    }
  }

  /** Who waited for a refresh whose answer was lost does not go on with a token that is past its end (R7). */
  function usable(session: Session): Session {
    if (session.tokens.refreshToken === undefined && !isAlive(session.tokens, clock.now())) throw loginRequired(session)
    return session
  }

  function isBackingOff(session: Session): number {
    return Math.max(0, (backoffs.get(session.id)?.until ?? 0) - clock.now())
  }

  return {
    async fresh(session, keepAlive) {
      const { tokens } = session
      if (!isDueForRefresh(session, clock.now())) return session
      const canGoOn = isAlive(tokens, clock.now())
      if (tokens.refreshToken === undefined) {
        if (canGoOn) return session
        throw loginRequired(session)
      }
      const waitMs = isBackingOff(session)
      if (waitMs > 0) {
        if (canGoOn) return session
        throw comeBack(waitMs, undefined)
      }
      const work = start(session)
      // What failed is reported where it failed; who waits for it below is told.
      keepAlive(work.catch(() => undefined))
      return canGoOn ? session : usable(await withinLimit(work, callerLimitMs))
    },

    async afterRejection(session, keepAlive) {
      const known = await ledger.read(session.id)
      if (known?.isEnded) throw loginRequired(session)
      if (known?.session && known.version > session.version) return known.session
      const isRecent = clock.now() - session.tokens.issuedAt * 1000 < rejectionCooldownMs
      if (isRecent || session.tokens.refreshToken === undefined || isBackingOff(session) > 0) return undefined
      const work = start(session)
      keepAlive(work.catch(() => undefined))
      return withinLimit(work, callerLimitMs)
    },
  }
}

interface AnswerLost {
  readonly kind: 'answer_lost'
}

/** Gives up waiting, not the work (R4). */
async function withinLimit(work: Promise<Session>, limitMs: number): Promise<Session> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(comeBack(firstBackoffMs, new Error('the refresh takes too long'))), limitMs)
  })
  try {
    return await Promise.race([work, limit])
  } finally {
    clearTimeout(timer)
  }
}

function comeBack(delayMs: number, cause: unknown): CoatcheckError {
  return new CoatcheckError('provider_unavailable', {
    headers: { 'Retry-After': String(Math.max(1, Math.ceil(delayMs / 1000))) },
    cause,
  })
}

/** `silent`: a sign-in with `prompt=none` may do, because the server did not refuse the person (R7). */
function loginRequired(session: Session): CoatcheckError {
  const mayBeSilent = session.isRefreshLost || session.tokens.refreshToken === undefined
  return new CoatcheckError('login_required', mayBeSilent ? { members: { silent: true } } : {})
}

/** An old seal whose successor's tokens are not kept any more: its own refresh token is spent, and never sent (R9). */
function tokensUnknown(session: Session): never {
  throw loginRequired(session)
}
