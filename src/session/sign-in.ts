/** How a session begins: once for each callback (R12), and in the place of what its browser held before (C3). */
import type { Coordinator } from '../coordinator.ts'
import { CoatcheckError } from '../errors.ts'
import type { Report } from '../observability/events.ts'
import type { Clock } from '../runtime.ts'
import type { Carrier, Presented } from './carrier.ts'
import { type CookieChange, type RequestCookies, sessionCookieName } from './cookie-names.ts'
import { toCookies } from './cookie-parts.ts'
import type { KeyContext } from './keys.ts'
import { loginResults } from './login-results.ts'
import type { OwnSessions } from './own-sessions.ts'
import { newSession, randomId, type Session, type SessionStart, shortId } from './session.ts'
import type { TokenClock } from './token-clock.ts'

/** A sign-in that has come back. */
export interface LoginArrival {
  readonly key: string
  /** What only the browser that began it can show: its result is sealed with that. */
  readonly secret: string
  /** Keys of other sign-ins of this browser. */
  readonly rivals: readonly string[]
  /** In a word or two, for the person's own list. */
  readonly device: string
}

export interface SignIns {
  /** See `Sessions.begin`. */
  begin(login: LoginArrival, cookies: RequestCookies, start: () => Promise<SessionStart>): Promise<Session>
  /** Of a session that was just begun. @throws CoatcheckError `session_too_large` */
  sessionCookies(session: Session): Promise<CookieChange[]>
}

export interface SignInsOptions {
  secrets: readonly string[]
  context: KeyContext
  coordinator: Coordinator
  clock: Clock
  tokenClock: TokenClock
  report: Report
  carrier: Carrier
  own: OwnSessions | undefined
  /** Whether sessions lie behind tickets. */
  hasTickets: boolean
  absoluteSeconds: number
  isMarked: (session: Session) => boolean | Promise<boolean>
  presentedBy: (cookies: RequestCookies) => Presented | undefined | Promise<Presented | undefined>
  /** The session that this browser signed in to last. */
  markedId: (cookies: RequestCookies) => Promise<string | undefined>
  /** `sub` where this browser's session cookie said it. */
  onSuperseded: (session: Pick<Session, 'id' | 'sub'>) => void
}

/** A callback that arrives twice within this time gets one result (R12). */
const onceMs = 60_000

export function signIns({
  secrets,
  context,
  coordinator,
  clock,
  tokenClock,
  report,
  carrier,
  own,
  hasTickets,
  absoluteSeconds,
  isMarked,
  presentedBy,
  markedId,
  onSuperseded,
}: SignInsOptions): SignIns {
  const results = loginResults(secrets, context)

  async function sessionCookies(session: Session): Promise<CookieChange[]> {
    // The callback may have come without the Strict cookies that this browser holds.
    const changes = toCookies(sessionCookieName, await carrier.seal(session, session.createdAt), 'unknown')
    if (!changes) throw new CoatcheckError('session_too_large')
    return changes
  }

  async function supersede(cookies: RequestCookies, rivals: readonly string[]): Promise<void> {
    const ids = new Set<string>()
    const marked = await markedId(cookies)
    if (marked) ids.add(marked)
    const presented = await presentedBy(cookies)
    if (presented) ids.add(presented.id)
    for (const rival of rivals) {
      const result = await coordinator.recall(rival)
      if (result !== undefined) ids.add(results.idOf(result))
    }
    for (const id of ids) await supersedeOne(id, presented?.id === id ? presented.session : undefined)
  }

  async function supersedeOne(id: string, session: Session | undefined): Promise<void> {
    await carrier.ledger.supersede(id)
    report({ event: 'session_ended', session: shortId({ id }), reason: 'superseded' })
    onSuperseded({ id, sub: session?.sub })
  }

  /**
   * Of two sign-ins that came back at the same moment neither saw the other's session while it began its own. Once both are
   * there whoever looks sees both, and all keep the same one (C3).
   */
  async function keepOne(session: Session, { key, rivals }: LoginArrival): Promise<void> {
    const { id } = session
    for (const rival of rivals) {
      const result = await coordinator.recall(rival)
      const other = result === undefined ? id : results.idOf(result)
      if (other === id) continue
      const known = await Promise.all([coordinator.read(id), coordinator.read(other)])
      if (known.some((entry) => entry?.ending)) continue
      if (rival < key) await supersedeOne(other, undefined)
      else await supersedeOne(id, session)
    }
  }

  return {
    sessionCookies,

    async begin(login, cookies, start) {
      const { key, secret, rivals, device } = login
      const result = await coordinator.once(key, onceMs, async () => {
        await tokenClock.sync()
        const started = await start()
        // A session's own end is by this process's clock, as all that compares it is.
        const nowSeconds = Math.floor(clock.now() / 1000)
        const begun = newSession(started, nowSeconds, absoluteSeconds, hasTickets ? randomId(32) : undefined)
        const session = { ...begun, tokens: tokenClock.fromOwn(started.tokens) }
        // Before anything is ended for it: whether its cookies are not too large.
        await sessionCookies(session)
        // A logout token that came while the code was on its way.
        if (await isMarked(session)) throw new CoatcheckError('login_required')
        await carrier.begin(session, (await own?.aboutText(session, device)) ?? '')
        await own?.register(session)
        await supersede(cookies, rivals)
        // The browser's session before has given way by now: what is left to do here fails no sign-in.
        await own
          ?.endOldest(session)
          .catch((cause) => report({ event: 'store_unavailable', during: 'end oldest', cause }))
        return results.write(session, secret)
      })
      const session = await results.read(result, secret)
      await keepOne(session, login)
      return session
    },
  }
}
