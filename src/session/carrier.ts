/**
 * What the session cookie carries, and so where the session is read: all that sessions in cookies
 * (`cookie-carrier.ts`) and sessions behind tickets (`ticket-carrier.ts`) differ in.
 */
import type { Ending } from '../coordinator.ts'
import type { Clock, RawDeflate } from '../runtime.ts'
import type { CookieChange, RequestCookies } from './cookie-names.ts'
import type { KeyContext } from './keys.ts'
import type { Ledger, LedgerOptions } from './ledger.ts'
import type { Session } from './session.ts'
import type { TokenClock } from './token-clock.ts'

/** What a cookie said. */
export interface Presented {
  readonly id: string
  readonly createdAt: number
  /** The session in it; behind a ticket, what this process remembers of the session. */
  readonly session: Session | undefined
  readonly ticketKey: string | undefined
  /** Epoch seconds: where the idle clock stands; behind a ticket, where it stood when this process last looked. */
  readonly seenAt: number | undefined
}

/** As the cookie had it. */
export interface PresentedVersion {
  readonly version: number
  readonly seenAt: number
  /** Absent behind a ticket: the cookie has none. */
  readonly session?: Session | undefined
}

/** What was found of it. */
export interface Found {
  /** The newest that is known. */
  readonly session: Session
  readonly seenAt: number
}

export type FoundSession = Found | Ending | undefined

export interface Carrier {
  readonly ledger: Ledger
  /** Undefined for what does not open. Asks nobody. */
  open(cookieValue: string): Presented | Promise<Presented | undefined>
  /**
   * Undefined where there is no such session any more, or it has idled out.
   *
   * @param openedAt when the cookie came, in milliseconds
   * @param isForLogout takes one that idled out too, and an old seal
   * @throws CoatcheckError `login_required` for an old seal whose successor is not kept (R9); `store_unavailable`
   */
  find(presented: Presented, openedAt: number, isForLogout: boolean): FoundSession | Promise<FoundSession>
  /** The cookie's value. */
  seal(session: Session, seenAt: number): Promise<string>
  /** Makes a session that has just begun durable where it has to be, before anything goes out. `about`: see `Ledger`. */
  begin(session: Session, about: string): Promise<void>
  /** The cookies of an answer, decided when its head is written (C2), and the idle clock moved to `seenAt`. */
  answer(
    open: Found & {
      readonly presented: PresentedVersion
      readonly openedAt: number
    },
    seenAt: number,
    cookies: RequestCookies,
  ): CookieChange[] | Promise<CookieChange[]>
  /** This process has seen the end of it. */
  forget(sessionId: string): void
}

export interface CarrierOptions extends Omit<LedgerOptions, 'records'> {
  readonly secrets: readonly string[]
  readonly context: KeyContext
  readonly clock: Clock
  /** What the times of tokens are by. */
  readonly tokenClock: TokenClock
  /** Default: the web's. */
  readonly rawDeflate?: RawDeflate | undefined
}

/** Sessions and cookies that are remembered, of each kind. */
export const rememberedSessions = 10_000
