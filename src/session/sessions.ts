/**
 * Sessions as the rest of the house sees them: opened from a request's cookies, begun, kept fresh, ended, and
 * turned into the cookies that go out.
 */
import type { SessionEndReason } from '../config/types.ts'
import type { Coordinator } from '../coordinator.ts'
import { CoatcheckError } from '../errors.ts'
import { ExpiringMap } from '../expiring-map.ts'
import type { Report } from '../observability/events.ts'
import type { Clock } from '../runtime.ts'
import { type CookieChange, markerCookieName, type RequestCookies, sessionCookieName } from './cookie-names.ts'
import { clearCookies, fromCookies, toCookies } from './cookie-parts.ts'
import type { KeyContext } from './keys.ts'
import { type LedgerView, ledger } from './ledger.ts'
import type { LogoutMarks } from './logout-marks.ts'
import { markedSessionId, markerCookie } from './marker.ts'
import { type KeepAlive, refresher } from './refresh.ts'
import type { Grant } from './refresh-run.ts'
import { loginRequired, storeUnavailable, successorUnknown } from './refusals.ts'
import { type Sealer, sealer } from './seal.ts'
import { idleEndsAt, newSession, type Session, type SessionStart, shortId } from './session.ts'
import { decodeSession, encodeSession } from './session-codec.ts'
import { openSessionSeal, type PresentedSession, sealSession } from './session-seal.ts'
import { canRefresh, isAlive, tokensEndAt } from './token-age.ts'

/** A session as one request holds it. */
export interface OpenSession {
  /** The newest that is known; a refresh puts the next one here. */
  session: Session
  /** As the cookie had it. */
  readonly presented: { readonly version: number; readonly seenAt: number }
  /** False where the coordinator could not be asked: nothing is refreshed, no cookie goes out (C2). */
  readonly isConfirmed: boolean
}

export interface Sessions {
  /**
   * Undefined where there is none, it has ended or idled out, or nothing opens.
   *
   * @param isForLogout takes a session that idled out too, and an old seal: what can be ended should be
   * @throws CoatcheckError `login_required` for an old seal whose successor is not kept any more (R9)
   */
  open(cookies: RequestCookies, isForLogout?: boolean): Promise<OpenSession | undefined>
  /**
   * Begins a session, once for each `key`, whoever arrives (R12), and supersedes what this browser held (C3).
   *
   * @param rivals keys of other sign-ins of this browser
   */
  begin(
    key: string,
    rivals: readonly string[],
    cookies: RequestCookies,
    start: () => Promise<SessionStart>,
  ): Promise<Session>
  /** The cookies of a session that was just begun, and an end to all others. @throws CoatcheckError `session_too_large` */
  firstCookies(session: Session): Promise<CookieChange[]>
  /** Puts usable tokens into `open.session`. @throws CoatcheckError as `Refresher.fresh` does */
  refresh(open: OpenSession, keepAlive: KeepAlive): Promise<void>
  /**
   * After a 401 of `upstream` (its origin) to a call with the tokens of `sent`: true if `open.session` holds others now
   * (R11).
   */
  refreshAfterRejection(open: OpenSession, sent: Session, upstream: string, keepAlive: KeepAlive): Promise<boolean>
  /** Whether calls can be made: false once a session without a refresh token has used its access token up. */
  isUsable(open: OpenSession): boolean
  /** What goes out with an answer, decided when its head is written (C2). */
  cookies(open: OpenSession, cookies: RequestCookies, slides: boolean): Promise<CookieChange[]>
  /** When the session idles out if nothing more happens, with this answer's cookie. Epoch seconds. */
  idleEndsAt(open: OpenSession, slides: boolean): number
  /** Tombstones, then revokes the newest tokens (E1). Gives the session as it was last known. */
  end(open: OpenSession): Promise<Session>
  /** Clears every cookie of a session that the browser sent. Only logout's answer does that (C1). */
  clearedCookies(cookies: RequestCookies): CookieChange[]
}

export type { KeepAlive } from './refresh.ts'

export interface SessionsOptions {
  secrets: readonly string[]
  context: KeyContext
  coordinator: Coordinator
  logoutMarks: LogoutMarks
  clock: Clock
  report: Report
  grant: Grant
  idleSeconds: number
  absoluteSeconds: number
  callerLimitMs: number
  onEnd: (session: Session, reason: SessionEndReason) => void
}

/** A callback that arrives twice within this time gets one result (R12). */
const onceMs = 60_000
const openedSeals = 10_000
const madeSeals = 10_000
const madeSealLifetimeMs = 60_000
const longestSlideStepSeconds = 60

export function sessions(options: SessionsOptions): Sessions {
  const { secrets, context, coordinator, logoutMarks, clock, report, idleSeconds, absoluteSeconds, onEnd, grant } =
    options
  const sessionSealer = sealer(secrets, 'session', context)
  const markerSealer = sealer(secrets, 'marker', context)
  const ledgerSealer = sealer(secrets, 'ledger', context)
  const { isMarked } = logoutMarks
  const book = ledger({ coordinator, sealer: ledgerSealer, clock, idleSeconds, absoluteSeconds, isMarked, report })
  const refreshing = refresher({
    ledger: book,
    grant,
    clock,
    report,
    callerLimitMs: options.callerLimitMs,
    onEnd: (session) => onEnd(session, 'refresh_refused'),
  })
  const opened = openedSealCache(sessionSealer, clock, idleSeconds)
  const made = new ExpiringMap<Promise<string>>(clock, madeSeals)
  /** The idle clock is written on when it is worth a cookie, not with every call. */
  const slideStepSeconds = Math.min(longestSlideStepSeconds, Math.max(1, Math.floor(idleSeconds / 10)))
  const nowSeconds = () => Math.floor(clock.now() / 1000)

  async function presentedBy(cookies: RequestCookies): Promise<PresentedSession | undefined> {
    let newest: PresentedSession | undefined
    for (const value of fromCookies(sessionCookieName, cookies)) {
      const presented = await opened.open(value)
      if (presented && (!newest || isNewer(presented.session, newest.session))) newest = presented
    }
    return newest
  }

  /** One seal for all answers that carry the same thing: a burst at expiry is sealed once. */
  function sealOnce(session: Session, seenAt: number): Promise<string> {
    const key = `${session.id}.${session.version}.${seenAt}`
    const known = made.get(key)
    if (known) return known
    const seal = sealSession(sessionSealer, { session, seenAt }).then((value) => {
      opened.remember(value, { session, seenAt })
      return value
    })
    made.set(key, seal, clock.now() + madeSealLifetimeMs)
    return seal
  }

  /**
   * The ledger's word on a session, after it has learnt what this seal tells it: one that is authentic and newer than
   * what is known heals a ledger that lost something (R9). So does one that was refreshed before and of which nothing is
   * known: an older one that comes after it is then served, and its spent refresh token is not sent.
   */
  async function newestKnown(session: Session): Promise<LedgerView | undefined> {
    const known = await book.read(session.id, session.version)
    if (known?.isEnded || (known && known.version > session.version)) return known
    if (known?.version === session.version) book.confirm(session.id, session.version)
    else if (known || session.version > 1) {
      const result = await book.adopt(known?.version, session)
      if (result !== 'committed') return book.read(session.id, session.version)
    }
    return known
  }

  /**
   * A late answer of the session before may have put its cookie over that of a sign-in. Then the marker, which only a
   * sign-in sets, names another session than the cookie, and a silent sign-in brings it back (C3).
   */
  async function refuseOvertaken(session: Session, cookies: RequestCookies, isForLogout: boolean): Promise<void> {
    const marked = isForLogout ? undefined : await markedSessionId(markerSealer, cookies)
    if (marked !== undefined && marked !== session.id) throw loginRequired(true)
  }

  async function supersede(cookies: RequestCookies, rivals: readonly string[]): Promise<void> {
    const ids = new Set<string>()
    const marked = await markedSessionId(markerSealer, cookies)
    if (marked) ids.add(marked)
    const presented = await presentedBy(cookies)
    if (presented) ids.add(presented.session.id)
    for (const rival of rivals) {
      const result = await coordinator.recall(rival)
      if (result !== undefined) ids.add((await fromResult(result)).id)
    }
    for (const id of ids) {
      await book.endById(id)
      report({ event: 'session_ended', session: shortId({ id }), reason: 'superseded' })
    }
    if (presented) onEnd(presented.session, 'superseded')
  }

  /** The authorization server has ended it: from now on that is known without asking. */
  async function endMarked(session: Session): Promise<undefined> {
    await book.end(session)
    report({ event: 'session_ended', session: shortId(session), reason: 'backchannel_logout' })
    onEnd(session, 'backchannel_logout')
  }

  const toResult = async (session: Session) =>
    coordinator.isInProcess ? encodeSession(session) : ledgerSealer.seal(encodeSession(session))
  async function fromResult(result: string): Promise<Session> {
    const text = coordinator.isInProcess ? result : await ledgerSealer.open(result)
    const session = text === undefined ? undefined : decodeSession(text)
    if (!session) throw storeUnavailable(new Error('a result that does not open'))
    return session
  }

  function nextSeenAt(open: OpenSession, slides: boolean): number {
    const { seenAt } = open.presented
    return slides && nowSeconds() - seenAt >= slideStepSeconds ? nowSeconds() : seenAt
  }

  return {
    async open(cookies, isForLogout = false) {
      const presented = await presentedBy(cookies)
      if (!presented) return undefined
      const { session, seenAt } = presented
      const end = isForLogout ? session.endsAt : idleEndsAt(session, seenAt, idleSeconds)
      if (end <= nowSeconds()) return undefined
      const open: OpenSession = { session, presented: { version: session.version, seenAt }, isConfirmed: true }
      try {
        const known = await newestKnown(session)
        if (known?.isEnded) {
          await refuseOvertaken(session, cookies, isForLogout)
          return undefined
        }
        if (!isForLogout && (await isMarked(session))) return await endMarked(session)
        if (!known || known.version <= session.version) return open
        if (known.session) return { ...open, session: known.session }
        if (isForLogout) return open
        report({ event: 'refresh_token_spent', session: shortId(session) })
        throw successorUnknown()
      } catch (cause) {
        if (cause instanceof CoatcheckError && cause.code !== 'store_unavailable') throw cause
        report({ event: 'store_unavailable', during: 'open', cause })
        return { ...open, isConfirmed: false }
      }
    },

    async begin(key, rivals, cookies, start) {
      const result = await coordinator.once(key, onceMs, async () => {
        const session = newSession(await start(), nowSeconds(), absoluteSeconds)
        // Before anything is ended for it.
        if (!toCookies(sessionCookieName, await sealOnce(session, session.createdAt), 'unknown')) {
          throw new CoatcheckError('session_too_large')
        }
        // A logout token that came while the code was on its way.
        if (await isMarked(session)) throw new CoatcheckError('login_required')
        await supersede(cookies, rivals)
        return toResult(session)
      })
      return fromResult(result)
    },

    async firstCookies(session) {
      // The callback may have come without the Strict cookies that this browser holds.
      const changes = toCookies(sessionCookieName, await sealOnce(session, session.createdAt), 'unknown')
      if (!changes) throw new CoatcheckError('session_too_large')
      return [...changes, await markerCookie(markerSealer, session.id)]
    },

    async refresh(open, keepAlive) {
      if (open.isConfirmed) {
        open.session = await refreshing.fresh(open.session, keepAlive)
      } else if (!isAlive(open.session.tokens, clock.now())) {
        throw storeUnavailable(undefined)
      }
    },

    async refreshAfterRejection(open, sent, upstream, keepAlive) {
      // Another call of the same request was quicker.
      if (open.session.tokens.accessToken !== sent.tokens.accessToken) return true
      if (!open.isConfirmed) return false
      const next = await refreshing.afterRejection(open.session, upstream, keepAlive)
      if (!next) return false
      open.session = next
      return true
    },

    isUsable: ({ session: { tokens } }) => canRefresh(tokens, clock.now()) || isAlive(tokens, clock.now()),

    async cookies(open, cookies, slides) {
      if (!open.isConfirmed) return []
      try {
        const known = await book.read(open.session.id, open.session.version)
        // With a stub, the tokens that are newest are not known (R9): what this call holds is older.
        if (known?.isEnded || (known && known.version > open.session.version && !known.session)) return []
        const newest = known?.session ?? open.session
        // What only this process knows goes out whatever else is out of reach: it is all there is (R5).
        if (await isMarked(newest).catch((error) => known?.isHeld !== true && rethrow(error))) return []
        const seenAt = nextSeenAt(open, slides)
        if (newest.version === open.presented.version && seenAt === open.presented.seenAt) return []
        return toCookies(sessionCookieName, await sealOnce(newest, seenAt), cookies) ?? []
      } catch (cause) {
        report({ event: 'store_unavailable', during: 'cookies', cause })
        return []
      }
    },

    idleEndsAt(open, slides) {
      const { session } = open
      const end = idleEndsAt(session, nextSeenAt(open, slides), idleSeconds)
      return Math.min(end, tokensEndAt(session.tokens) ?? end)
    },

    async end(open) {
      const known = await book.end(open.session)
      const newest = known && known.version > open.session.version ? known : open.session
      report({ event: 'session_ended', session: shortId(newest), reason: 'logout' })
      try {
        await grant.revoke(newest.tokens)
      } catch (cause) {
        report({ event: 'revocation_failed', session: shortId(newest), cause })
      }
      onEnd(newest, 'logout')
      return newest
    },

    clearedCookies: (cookies) => [
      ...clearCookies(sessionCookieName, cookies),
      ...(cookies.has(markerCookieName)
        ? [{ name: markerCookieName, value: undefined, sameSite: 'Lax' as const }]
        : []),
    ],
  }
}

function rethrow(error: unknown): never {
  throw error
}

/** Of two that the browser holds: the one of the later sign-in, else the later version. */
function isNewer(one: Session, other: Session): boolean {
  return one.createdAt === other.createdAt ? one.version > other.version : one.createdAt > other.createdAt
}

/** Seals that were opened lately, by their text: opening one is ten times a call's other work. */
function openedSealCache(sessionSealer: Sealer, clock: Clock, idleSeconds: number) {
  const cache = new ExpiringMap<PresentedSession>(clock, openedSeals)
  const remember = (seal: string, presented: PresentedSession) => {
    const { session, seenAt } = presented
    cache.set(seal, presented, idleEndsAt(session, seenAt, idleSeconds) * 1000)
  }
  return {
    remember,
    async open(seal: string): Promise<PresentedSession | undefined> {
      const known = cache.get(seal)
      if (known) return known
      const presented = await openSessionSeal(sessionSealer, seal)
      if (presented) remember(seal, presented)
      return presented
    },
  }
}
