/**
 * Keeps a session's tokens fresh: early, one refresh at a time for a session, and never lost to a call that went away
 * (protocol.md R1, R2, R4, R7, R11). What one refresh does is `refresh-run.ts`.
 */
import { CoatcheckError, tokenRefused } from '../errors.ts'
import type { Report } from '../observability/events.ts'
import type { Clock } from '../runtime.ts'
import { SharedWork } from '../shared-work.ts'
import type { RefreshOutcome, TokenSet, TokenTarget } from '../tokens.ts'
import { backOffs } from './back-off.ts'
import type { Ledger } from './ledger.ts'
import { type Grant, type HeldGrant, type RefreshRun, refreshRun } from './refresh-run.ts'
import { comeBack, loginRequired, refreshImpossible } from './refusals.ts'
import type { Session } from './session.ts'
import { canRefresh, isAlive, isDueForRefresh } from './token-age.ts'
import type { TokenClock } from './token-clock.ts'

/** Lets work outlive the request that began it. */
export type KeepAlive = (work: Promise<unknown>) => void

export interface Refresher {
  /**
   * The session with an access token that can be used now. While the token lives nobody waits (R2).
   *
   * @param openedAt when the seal that it comes from was opened, in milliseconds
   * @throws CoatcheckError `login_required`, or `provider_unavailable` with `Retry-After`
   */
  fresh(session: Session, openedAt: number, keepAlive: KeepAlive): Promise<Session>
  /**
   * A refresh although the token looks alive: `upstream` said that it is not (R11). Undefined if there is no use in it.
   */
  afterRejection(
    session: Session,
    openedAt: number,
    upstream: string,
    keepAlive: KeepAlive,
  ): Promise<Session | undefined>
  /**
   * Tokens for another API than the session's own, by a refresh that takes its turn among the others (R1), and the
   * session after it: its own access token stays, its refresh token is the new one.
   *
   * @throws CoatcheckError `token_refused`, and as `fresh` does
   */
  forTarget(session: Session, openedAt: number, target: TokenTarget, keepAlive: KeepAlive): Promise<TargetTokens>
}

export interface TargetTokens {
  readonly tokens: TokenSet
  readonly session: Session
}

export interface RefresherOptions {
  ledger: Ledger
  grant: Grant
  clock: Clock
  /** What the times of tokens are by. */
  tokenClock: TokenClock
  report: Report
  /** How long a call waits for a refresh before it is told to come back. */
  callerLimitMs: number
  onEnd: (session: Session) => void
}

const firstBackOffMs = 1000
const storeLimitMs = 30_000
const longestBackOffMs = 15_000
const longestAskedBackOffMs = 5 * 60_000
/** A token that was refreshed so recently and is refused again will not get better by another refresh (R11). */
const rejectionCooldownMs = 60_000
const longestRejectionCooldownMs = 60 * 60_000
/** Tokens older than this were not brought by the refresh that a call waited for. */
const justIssuedMs = 5000

export function refresher(options: RefresherOptions): Refresher {
  const { ledger, clock, tokenClock, report, callerLimitMs, onEnd } = options
  const grant = byTokenClock(options.grant, tokenClock)
  const backOff = backOffs(clock, {
    firstMs: firstBackOffMs,
    longestMs: longestBackOffMs,
    longestAskedMs: longestAskedBackOffMs,
  })
  /** By session and upstream: an API that refuses every token gets no more than a refresh an hour in the end. */
  const rejections = backOffs(clock, { firstMs: rejectionCooldownMs, longestMs: longestRejectionCooldownMs })
  const run = refreshRun({ ledger, grant, clock, tokenClock, report, backOff, onEnd })
  // Twice sent, behind another's lease, and a while for the store.
  const running = new SharedWork<Session>(clock, 4 * grant.requestLimitMs + storeLimitMs)

  /** One at a time for a session, whoever asks, and not tied to the call that began it (R1, R4). */
  function start(
    session: Session,
    openedAt: number,
    keepAlive: KeepAlive,
    how?: Parameters<RefreshRun>[3],
  ): Promise<Session> {
    const work = running.join(session.id, () => run(session, openedAt, keepAlive, how).catch(reportUnavailable))
    // What failed is reported where it failed; who waits for it is told.
    keepAlive(work.catch(() => undefined))
    return work
  }

  function reportUnavailable(error: unknown): never {
    if (error instanceof CoatcheckError && error.code === 'store_unavailable') {
      report({ event: 'store_unavailable', during: 'refresh', cause: error })
    }
    throw error
  }

  async function fresh(session: Session, openedAt: number, keepAlive: KeepAlive): Promise<Session> {
    const now = tokenClock.now()
    if (!isDueForRefresh(session, now)) return session
    const canGoOn = isAlive(session.tokens, now)
    if (!canRefresh(session.tokens, now)) {
      if (canGoOn) return session
      throw loginRequired(true)
    }
    const waitMs = backOff.leftMs(session.id)
    if (waitMs > 0) {
      if (canGoOn) return session
      throw comeBack(waitMs, undefined)
    }
    const work = start(session, openedAt, keepAlive, { isStillDue: (one) => isDueForRefresh(one, tokenClock.now()) })
    if (canGoOn) return session
    const next = await withinLimit(work, callerLimitMs)
    // Somebody else's refresh, and we waited for it until its token was over too; or one that was lost (R7).
    const isOver =
      !isAlive(next.tokens, tokenClock.now()) && tokenClock.now() - next.tokens.issuedAt * 1000 > justIssuedMs
    return isOver ? fresh(next, openedAt, keepAlive) : next
  }

  async function forTarget(
    ...[session, openedAt, target, keepAlive]: Parameters<Refresher['forTarget']>
  ): Promise<TargetTokens> {
    let obtained: TokenSet | undefined
    let refusal: Extract<RefreshOutcome, { kind: 'target_refused' }> | undefined
    let newest = session
    const until = clock.now() + callerLimitMs
    while (clock.now() < until) {
      if (!canRefresh(newest.tokens, tokenClock.now())) throw loginRequired(true)
      const waitMs = backOff.leftMs(session.id)
      if (waitMs > 0) throw comeBack(waitMs, undefined)
      const own = newest.tokens
      const request = async (held: HeldGrant) => {
        const outcome = await grant.refresh(held, target)
        if (outcome.kind === 'target_refused') refusal = outcome
        if (outcome.kind !== 'refreshed') return outcome
        obtained = outcome.tokens
        return { ...outcome, tokens: withRefreshTokenOf(own, obtained) }
      }
      newest = await withinLimit(start(newest, openedAt, keepAlive, { request }), callerLimitMs)
      if (refusal) throw tokenRefused(refusal.cause)
      // Else it was somebody else's turn.
      if (obtained) return { tokens: obtained, session: newest }
    }
    throw comeBack(firstBackOffMs, new Error('others refresh all the time'))
  }

  return {
    fresh,
    forTarget,

    async afterRejection(session, openedAt, upstream, keepAlive) {
      const known = await ledger.read(session)
      if (known?.ending) throw refreshImpossible(session)
      const newest = known?.session && known.version > session.version ? known.session : session
      // A newer version has the same token where it was refreshed for another API.
      if (newest.tokens.accessToken !== session.tokens.accessToken) return newest
      const now = tokenClock.now()
      const ageMs = now - newest.tokens.issuedAt * 1000
      // What was issued in the future was issued by another clock, and may be old.
      const isRecent = ageMs > -rejectionCooldownMs / 10 && ageMs < rejectionCooldownMs
      const key = `${session.id} ${upstream}`
      if (isRecent || !canRefresh(newest.tokens, now)) return undefined
      // The other calls of a burst were refused too, and share the refresh that the first of them began (R1).
      const isJoined = running.isUnderWay(session.id)
      if (!isJoined) {
        if (backOff.leftMs(session.id) > 0 || rejections.leftMs(key) > 0) return undefined
        rejections.raise(key)
      }
      const next = await withinLimit(start(newest, openedAt, keepAlive), callerLimitMs)
      if (next.tokens.accessToken !== session.tokens.accessToken) return next
      // What was under way was for another API: the session's own turn comes after it.
      return isJoined ? this.afterRejection(next, openedAt, upstream, keepAlive) : undefined
    },
  }
}

/** The server says how long tokens live; until when that is, is told by the clock that all processes share. */
function byTokenClock(grant: Grant, clock: TokenClock): Grant {
  return {
    ...grant,
    async refresh(held, target) {
      const outcome = await grant.refresh(held, target)
      return outcome.kind === 'refreshed' ? { ...outcome, tokens: clock.fromOwn(outcome.tokens) } : outcome
    },
  }
}

/** Every refresh may bring a new refresh token, whatever it was for. */
function withRefreshTokenOf(own: TokenSet, { refreshToken, refreshTokenExpiresAt }: TokenSet): TokenSet {
  const { refreshToken: _spent, refreshTokenExpiresAt: _end, ...rest } = own
  return {
    ...rest,
    ...(refreshToken !== undefined && { refreshToken }),
    ...(refreshTokenExpiresAt !== undefined && { refreshTokenExpiresAt }),
  }
}

/** Gives up waiting, not the work (R4). */
async function withinLimit(work: Promise<Session>, limitMs: number): Promise<Session> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(comeBack(firstBackOffMs, new Error('the refresh takes too long'))), limitMs)
  })
  try {
    return await Promise.race([work, limit])
  } finally {
    clearTimeout(timer)
  }
}
