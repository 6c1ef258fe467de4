/**
 * Sessions as the rest of the house sees them: opened from a request's cookies, begun, kept fresh, ended, and
 * turned into the cookies that go out.
 */
import type { SessionEndReason } from '../config/user-config.ts'
import type { Coordinator, Ending, SessionStore } from '../coordinator.ts'
import { CoatcheckError } from '../errors.ts'
import type { Report } from '../observability/events.ts'
import type { Clock, RawDeflate } from '../runtime.ts'
import { requireNoMore, tokenCache } from '../token-cache.ts'
import type { TokenTarget } from '../tokens.ts'
import type { Found, Presented, PresentedVersion } from './carrier.ts'
import { cloneWatch } from './clone-watch.ts'
import { cookieCarrier } from './cookie-carrier.ts'
import { type CookieChange, markerCookieName, type RequestCookies, sessionCookieName } from './cookie-names.ts'
import { clearCookies, fromCookies } from './cookie-parts.ts'
import type { KeyContext } from './keys.ts'
import type { LogoutMarks } from './logout-marks.ts'
import { markedSessionId, markerCookie } from './marker.ts'
import { type OwnSessions, ownSessions } from './own-sessions.ts'
import { type KeepAlive, refresher } from './refresh.ts'
import type { Grant } from './refresh-run.ts'
import { loginRequired, storeUnavailable } from './refusals.ts'
import { revokeTokens } from './revoke-tokens.ts'
import { sealer } from './seal.ts'
import { idleEndsAt, type Session, type SessionStart, shortId } from './session.ts'
import { type LoginArrival, signIns } from './sign-in.ts'
import { ticketCarrier } from './ticket-carrier.ts'
import { canRefresh, isAlive, isDueForRefresh, tokensEndAt } from './token-age.ts'
import { tokenClock } from './token-clock.ts'

/** A session as one request holds it. */
export interface OpenSession {
  /** The newest that is known; a refresh puts the next one here. */
  session: Session
  /** Epoch seconds. */
  readonly seenAt: number
  readonly presented: PresentedVersion
  /** When the cookie came, in milliseconds. */
  readonly openedAt: number
  /** All of ours that came with it. */
  readonly cookies: RequestCookies
  /** False where the coordinator could not be asked: nothing is refreshed, no cookie goes out (C2). */
  readonly isConfirmed: boolean
}

export interface Sessions {
  /**
   * Undefined where there is none, it has ended or idled out, or nothing opens.
   *
   * @param isForLogout takes a session that idled out too, and an old seal: what can be ended should be
   * @param device what tells one device from another, such as `User-Agent` (R10)
   * @throws CoatcheckError `login_required` for an old seal whose successor is not kept any more (R9)
   */
  open(cookies: RequestCookies, isForLogout?: boolean, device?: string): Promise<OpenSession | undefined>
  /** Begins a session, once for each `login.key`, whoever arrives (R12), and supersedes what this browser held (C3). */
  begin(login: LoginArrival, cookies: RequestCookies, start: () => Promise<SessionStart>): Promise<Session>
  /** The cookies of a session that was just begun, and an end to all others. @throws CoatcheckError `session_too_large` */
  firstCookies(session: Session): Promise<CookieChange[]>
  /**
   * Puts usable tokens into `open.session`; undefined where they are fresh, as with most calls: nothing to wait for.
   *
   * @throws CoatcheckError as `Refresher.fresh` does
   */
  refresh(open: OpenSession, keepAlive: KeepAlive): Promise<void> | undefined
  /**
   * After a 401 of `upstream` (its origin) to a call with the tokens of `sent`: true if `open.session` holds others now
   * (R11).
   */
  refreshAfterRejection(open: OpenSession, sent: Session, upstream: string, keepAlive: KeepAlive): Promise<boolean>
  /**
   * An access token for another API than the session's own, by a refresh for that one: kept in this process until it ends
   * or the session's own is refreshed, asked for once however many calls want it.
   *
   * @throws CoatcheckError `token_refused`, and as `refresh` does
   */
  tokenFor(open: OpenSession, target: TokenTarget, keepAlive: KeepAlive): Promise<string>
  /** Whether calls can be made: false once a session without a refresh token has used its access token up. */
  isUsable(open: OpenSession): boolean
  /** What goes out with an answer, decided when its head is written (C2). */
  cookies(open: OpenSession, cookies: RequestCookies, slides: boolean): CookieChange[] | Promise<CookieChange[]>
  /** When the session idles out if nothing more happens, with this answer's cookie. Epoch seconds. */
  idleEndsAt(open: OpenSession, slides: boolean): number
  /**
   * Whether a session that was opened a while ago still is one, for what outlives its request (E6). Never rejects;
   * `unknown` where the store cannot be asked. When it idles out is not looked at.
   */
  standing(open: OpenSession): Promise<'stands' | 'ended' | 'unknown'>
  hasLiveToken(open: OpenSession): boolean
  /**
   * Tombstones, then revokes the newest tokens (E1). Gives the session as it was last known.
   *
   * @throws CoatcheckError `store_unavailable`: it may have ended, and its tokens were revoked as far as they are known
   */
  end(open: OpenSession): Promise<Session>
  /**
   * Ends what this browser signed in to last, where that is not the session whose id is `but`: a late answer of an earlier
   * session may have put its cookie over it (C3), and whoever signs out means both. Gives what is known of it, if anything is.
   *
   * @throws CoatcheckError `store_unavailable`
   */
  endLast(cookies: RequestCookies, but: string | undefined): Promise<Pick<Session, 'idToken' | 'sub'> | undefined>
  /** Clears every cookie of a session that the browser sent. Only logout's answer does that (C1). */
  clearedCookies(cookies: RequestCookies): CookieChange[]
  /** A person's own sessions: undefined where they lie in cookies, and nobody knows of all of them. */
  readonly own: OwnSessions | undefined
}

export type { KeepAlive } from './refresh.ts'
export type { LoginArrival } from './sign-in.ts'

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
  onEnd: (session: Pick<Session, 'id' | 'sub'>, reason: SessionEndReason) => void
  /** What the cookie carries. */
  cookie: SessionStore['cookie']
  /** Sessions that one person may have at once; a sign-in ends the oldest. */
  maxSessions?: number | undefined
  /** Default: the web's. */
  rawDeflate?: RawDeflate | undefined
  /** Told of the idle end that an answer's cookie stands for. Epoch seconds. */
  onSeen?: (sessionId: string, idleEndsAt: number) => void
}

const longestSlideStepSeconds = 60
/** Of tokens for other APIs: they are not used to their last second, and some do not say when that is. */
const targetMarginSeconds = 5
const unknownLifeSeconds = 60

export function sessions(options: SessionsOptions): Sessions {
  const { secrets, context, coordinator, logoutMarks, clock, report, idleSeconds, onEnd, grant } = options
  const markerSealer = sealer(secrets, 'marker', context)
  const { isMarked } = logoutMarks
  const timeOfTokens = tokenClock(clock, coordinator)
  const carrier = (options.cookie === 'ticket' ? ticketCarrier : cookieCarrier)({
    ...options,
    tokenClock: timeOfTokens,
    isMarked: async (session) => isMarked(session),
    onMarked: tellOfMarked,
  })
  const book = carrier.ledger
  const own = options.cookie === 'ticket' ? ownSessions({ ...options, onEnd: ended }) : undefined
  const refreshing = refresher({
    ledger: book,
    grant,
    clock,
    tokenClock: timeOfTokens,
    report,
    callerLimitMs: options.callerLimitMs,
    onEnd: (session) => ended(session, 'refresh_refused'),
  })
  const markedId = (cookies: RequestCookies) => markedSessionId(markerSealer, cookies)
  const starting = signIns({
    ...options,
    tokenClock: timeOfTokens,
    carrier,
    own,
    hasTickets: options.cookie === 'ticket',
    isMarked,
    presentedBy,
    markedId,
    onSuperseded: (session) => ended(session, 'superseded'),
  })
  const signOfClone = cloneWatch(clock)
  const targetTokens = tokenCache<string>(timeOfTokens)
  /** The idle clock is written on when it is worth a cookie, not with every call. */
  const slideStepSeconds = Math.min(longestSlideStepSeconds, Math.max(1, Math.floor(idleSeconds / 10)))
  const nowSeconds = () => Math.floor(clock.now() / 1000)

  function presentedBy(cookies: RequestCookies): Presented | undefined | Promise<Presented | undefined> {
    const opened = fromCookies(sessionCookieName, cookies).map((value) => carrier.open(value))
    const [first] = opened
    // Nearly all: one cookie, and known.
    if (opened.length < 2 && !(first instanceof Promise)) return first
    return Promise.all(opened).then((all) => all.reduce(newest, undefined))
  }

  function ended(session: Pick<Session, 'id' | 'sub'>, reason: SessionEndReason): void {
    carrier.forget(session.id)
    onEnd(session, reason)
  }

  /** A sign-out whose answer was lost is done once more, so that its tokens are surely revoked (E1). */
  async function ofEnded(
    { id, session, seenAt }: Presented,
    ending: Ending,
    { cookies, isForLogout }: { cookies: RequestCookies; isForLogout: boolean },
  ): Promise<Found | undefined> {
    if (isForLogout) return ending === 'ended' && session && seenAt !== undefined ? { session, seenAt } : undefined
    if (ending === 'superseded' || (await isOvertaken(id, cookies))) throw loginRequired(true)
    return undefined
  }

  /**
   * The marker is the callback's alone, so it names what this browser signed in to last. A late answer of a session before
   * that one may have put its cookie over it: when that session ends, in whatever way, a silent sign-in brings the later
   * one back (C3).
   */
  async function isOvertaken(id: string, cookies: RequestCookies): Promise<boolean> {
    const marked = await markedId(cookies)
    return marked !== undefined && marked !== id
  }

  function tellOfClones({ id, session: presented }: Presented, newest: Session, device: string | undefined): void {
    const { version } = newest
    const sign = signOfClone({ sessionId: id, version: presented?.version ?? version, newestVersion: version, device })
    if (sign) report({ event: 'session_cloned', session: shortId({ id }), sign })
  }

  /** The authorization server has ended it: from now on that is known without asking. */
  async function endMarked(session: Session): Promise<void> {
    // The mark is durable; a store that takes no writes now does not keep the session alive.
    await book.end(session).catch((cause) => report({ event: 'store_unavailable', during: 'end', cause }))
    tellOfMarked(session)
  }

  function tellOfMarked(session: Session): void {
    report({ event: 'session_ended', session: shortId(session), reason: 'backchannel_logout' })
    ended(session, 'backchannel_logout')
  }

  async function newestOf(session: Session): Promise<Session> {
    try {
      return (await book.read(session, session.version))?.session ?? session
    } catch {
      // What comes next says what is wrong with the store.
      return session
    }
  }

  function nextSeenAt(open: OpenSession, slides: boolean): number {
    const { seenAt } = open.presented
    return slides && nowSeconds() - seenAt >= slideStepSeconds ? nowSeconds() : seenAt
  }

  async function refreshNow(open: OpenSession, keepAlive: KeepAlive): Promise<void> {
    if (!open.isConfirmed) throw storeUnavailable(undefined)
    try {
      open.session = await refreshing.fresh(open.session, open.openedAt, keepAlive)
    } catch (error) {
      const isOut = error instanceof CoatcheckError && error.code === 'login_required'
      throw isOut && (await isOvertaken(open.session.id, open.cookies)) ? loginRequired(true) : error
    }
  }

  return {
    own,

    async open(cookies, isForLogout = false, device = undefined) {
      const openedAt = clock.now()
      const opening = presentedBy(cookies)
      const presented = opening instanceof Promise ? await opening : opening
      if (!presented) return undefined
      try {
        const finding = carrier.find(presented, openedAt, isForLogout)
        const known = finding instanceof Promise ? await finding : finding
        const found = typeof known === 'string' ? await ofEnded(presented, known, { cookies, isForLogout }) : known
        if (!found) return undefined
        // A process that was just started has never needed the tokens' clock.
        if (!timeOfTokens.isKnown) await timeOfTokens.sync()
        const { session, seenAt } = found
        const marking = !isForLogout && isMarked(session)
        if (marking instanceof Promise ? await marking : marking) {
          await endMarked(session)
          if (await isOvertaken(session.id, cookies)) throw loginRequired(true)
          return undefined
        }
        tellOfClones(presented, session, device)
        const version = presented.session?.version ?? session.version
        const asPresented = { version, seenAt, session: presented.session }
        return { session, seenAt, presented: asPresented, openedAt, cookies, isConfirmed: true }
      } catch (cause) {
        if (cause instanceof CoatcheckError && cause.code !== 'store_unavailable') throw cause
        report({ event: 'store_unavailable', during: 'open', cause })
        const { session, seenAt } = presented
        if (session === undefined || seenAt === undefined) throw storeUnavailable(cause)
        const { version } = session
        return { session, seenAt, presented: { version, seenAt }, openedAt, cookies, isConfirmed: false }
      }
    },

    begin: starting.begin,

    firstCookies: async (session) => [
      ...(await starting.sessionCookies(session)),
      await markerCookie(markerSealer, session.id),
    ],

    refresh(open, keepAlive) {
      const { session, isConfirmed } = open
      const isFresh = isConfirmed
        ? !isDueForRefresh(session, timeOfTokens.now())
        : isAlive(session.tokens, timeOfTokens.now())
      return isFresh ? undefined : refreshNow(open, keepAlive)
    },

    async tokenFor(open, target, keepAlive) {
      // Anew with every access token of the session's own: what an API has refused is asked for once more then (R11).
      const { id, tokens: own } = open.session
      const key = JSON.stringify([id, own.issuedAt, target.resource, target.scopes])
      const ask = async () => {
        if (!open.isConfirmed) throw storeUnavailable(undefined)
        const { tokens, session } = await refreshing.forTarget(open.session, open.openedAt, target, keepAlive)
        open.session = session
        requireNoMore(target.scopes, tokens.scope)
        const end = tokens.expiresAt ?? tokens.issuedAt + unknownLifeSeconds
        return { value: tokens.accessToken, expiresAt: (end - targetMarginSeconds) * 1000 }
      }
      return targetTokens.get(key, ask, keepAlive)
    },

    async refreshAfterRejection(open, sent, upstream, keepAlive) {
      // Another call of the same request was quicker.
      if (open.session.tokens.accessToken !== sent.tokens.accessToken) return true
      if (!open.isConfirmed) return false
      const next = await refreshing.afterRejection(open.session, open.openedAt, upstream, keepAlive)
      if (!next) return false
      open.session = next
      return true
    },

    isUsable: ({ session: { tokens } }) =>
      canRefresh(tokens, timeOfTokens.now()) || isAlive(tokens, timeOfTokens.now()),

    cookies(open, cookies, slides) {
      if (!open.isConfirmed) return []
      const seenAt = nextSeenAt(open, slides)
      options.onSeen?.(open.session.id, idleEndsAt(open.session, seenAt, idleSeconds))
      const noCookies = (cause: unknown) => {
        report({ event: 'store_unavailable', during: 'cookies', cause })
        return []
      }
      try {
        const changes = carrier.answer(open, seenAt, cookies)
        return changes instanceof Promise ? changes.catch(noCookies) : changes
      } catch (cause) {
        return noCookies(cause)
      }
    },

    idleEndsAt(open, slides) {
      const { session } = open
      const end = idleEndsAt(session, nextSeenAt(open, slides), idleSeconds)
      const tokensEnd = tokensEndAt(session.tokens)
      return tokensEnd === undefined ? end : Math.min(end, timeOfTokens.toOwn(tokensEnd))
    },

    async standing(open) {
      try {
        const known = await book.read(open.session, open.session.version)
        if (known?.session) open.session = known.session
        const { session } = open
        // What lies in the ledger alone has ended when it is gone from there.
        const isGone = !known && session.ticketKey !== undefined
        if (isGone || known?.ending || session.endsAt <= nowSeconds()) return 'ended'
        if (await isMarked(session)) {
          await endMarked(session)
          return 'ended'
        }
        if (known?.seenAt !== undefined) options.onSeen?.(session.id, idleEndsAt(session, known.seenAt, idleSeconds))
        return this.isUsable(open) ? 'stands' : 'ended'
      } catch {
        return 'unknown'
      }
    },

    hasLiveToken: ({ session: { tokens } }) => isAlive(tokens, timeOfTokens.now()),

    async end(open) {
      const before = await newestOf(open.session)
      const known = await book.end(before).catch(async (cause) => {
        // The store may have done it all the same, and whoever signs out once more need not know tokens as new as these.
        await revokeTokens(options, before)
        throw cause
      })
      const newest = known && known.version > before.version ? known : before
      report({ event: 'session_ended', session: shortId(newest), reason: 'logout' })
      await revokeTokens(options, newest)
      ended(newest, 'logout')
      return newest
    },

    async endLast(cookies, but) {
      const id = await markedId(cookies)
      if (id === undefined || id === but) return undefined
      if (own) {
        const known = await own.endById(id)
        return known && { idToken: undefined, sub: known.sub }
      }
      const session = await book.endById(id)
      report({ event: 'session_ended', session: shortId({ id }), reason: 'logout' })
      if (session) await revokeTokens(options, session)
      ended({ id, sub: session?.sub }, 'logout')
      return session && { idToken: session.idToken, sub: session.sub }
    },

    clearedCookies: (cookies) => [
      ...clearCookies(sessionCookieName, cookies),
      ...(cookies.has(markerCookieName)
        ? [{ name: markerCookieName, value: undefined, sameSite: 'Lax' as const }]
        : []),
    ],
  }
}

/** Of two that the browser holds: the one of the later sign-in, else the later version. */
function newest(one: Presented | undefined, other: Presented | undefined): Presented | undefined {
  return other && (!one || isNewer(other, one)) ? other : one
}

function isNewer(one: Presented, other: Presented): boolean {
  const version = ({ session }: Presented) => session?.version ?? 0
  return one.createdAt === other.createdAt ? version(one) > version(other) : one.createdAt > other.createdAt
}
