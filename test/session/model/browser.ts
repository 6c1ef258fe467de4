/** A browser: its cookies, its sign-ins, and the requests of it that are under way. */
import type { RequestCookies } from '../../../src/session/cookie-names.ts'
import type { Known } from './checks.ts'
import type { Answer, Process } from './process.ts'
import type { Family, ProviderSession } from './provider.ts'

export interface SignIn {
  readonly key: string
  readonly family: Family
  /** Keys of others that were under way when it began. */
  readonly rivals: readonly string[]
  isOver: boolean
}

export class Browser {
  /** Put behind what it does; empty for the first. */
  readonly suffix: string
  readonly atProvider: ProviderSession
  readonly jar = new Map<string, string>()
  /** Cookies that it has had before. */
  readonly past: RequestCookies[] = []
  readonly signIns: SignIn[] = []
  /** The session of the sign-in that it has last heard of. */
  signedIn: string | undefined

  constructor(atProvider: ProviderSession, suffix = '') {
    this.atProvider = atProvider
    this.suffix = suffix
  }
}

/** A request of a browser. */
export interface Pending {
  readonly what: What
  readonly label: string
  readonly browser: Browser
  readonly process: Process
  readonly begunAt: number
  readonly cookies: RequestCookies
  answer: Answer | undefined
  isOver: boolean
}

export type What = { readonly kind: 'call' } | Logout | Ending | { readonly kind: 'sign-in'; readonly signIn: SignIn }

export interface Logout {
  readonly kind: 'logout'
  /** The session that the browser signed in to last, where that is another than its session cookie says (C3). */
  readonly last: Known | undefined
  /** Refresh tokens of that one which were in its own cookie alone: nobody else could revoke them. */
  readonly spared: ReadonlySet<string>
}

/** From the person's list of sessions. */
export interface Ending {
  readonly kind: 'ending'
  readonly from: string
  readonly ended: 'one' | 'others'
  /** What it is to end. */
  readonly targets: Set<Known>
  /** One whose sign-in has not come back yet. */
  hasUnknown: boolean
}
