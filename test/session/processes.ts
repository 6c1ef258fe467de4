/** Processes of Coatcheck on a store, without their HTTP, a provider that grants whatever is asked, and browsers. */
import type { SessionStore } from '../../src/coordinator.ts'
import type { Report } from '../../src/observability/events.ts'
import type { CookieChange } from '../../src/session/cookie-names.ts'
import { keyedHash } from '../../src/session/keyed-hash.ts'
import { type LogoutMarks, logoutMarks } from '../../src/session/logout-marks.ts'
import type { Grant } from '../../src/session/refresh-run.ts'
import type { SessionStart } from '../../src/session/session.ts'
import { type OpenSession, type Sessions, type SessionsOptions, sessions } from '../../src/session/sessions.ts'
import type { TokenSet } from '../../src/tokens.ts'
import { testSecret } from '../support/system.ts'

export interface StoreUnderTest {
  readonly store: SessionStore
  /** Another process on the same book; undefined where there cannot be one. */
  readonly other: SessionStore | undefined
  stop(): Promise<void>
}

export interface Process {
  readonly sessions: Sessions
  /** Refresh tokens that were revoked at the provider. */
  readonly revoked: string[]
  /** What it knows of sign-outs at the provider, and where it is told of one. */
  readonly marks: LogoutMarks
}

export interface ProcessOptions {
  readonly secrets?: readonly string[]
  readonly clientId?: string
  readonly maxSessions?: number
  /** True: the store's clock stays what it is, and `clock` is this process's alone. */
  readonly storeKeepsTime?: boolean
  /** What the provider answers, if it is not to grant whatever is asked. */
  readonly refresh?: Grant['refresh']
  /** Default: those of its store. */
  readonly logoutMarks?: LogoutMarks
  readonly report?: Report
  readonly onEnd?: SessionsOptions['onEnd']
}

/** Lets a suite move on what the processes take for the time. */
export function movableClock() {
  let offset = 0
  return {
    now: () => Date.now() + offset,
    advance(ms: number) {
      offset += ms
    },
  }
}

export const issuer = 'https://login.example.com'
export const idleSeconds = 1800
export const absoluteSeconds = 43_200
let tokenCount = 0

/** One process of Coatcheck, without its HTTP, and a provider that grants whatever is asked. */
export function startProcess(
  { coordinator, cookie }: SessionStore,
  clock: { now(): number },
  { secrets = [testSecret], clientId = 'app', maxSessions, storeKeepsTime = false, ...given }: ProcessOptions = {},
): Process {
  const revoked: string[] = []
  const context = { origin: 'https://app.example.com', issuer, clientId }
  const marks =
    given.logoutMarks ??
    logoutMarks(coordinator, clock, absoluteSeconds, keyedHash(secrets, 'logout-mark', { ...context, origin: '' }))
  return {
    revoked,
    marks,
    sessions: sessions({
      ...{ secrets, cookie, clock, maxSessions },
      // Time that is moved moves for the store as well, whatever its own clock says.
      coordinator: storeKeepsTime ? coordinator : { ...coordinator, now: async () => clock.now() },
      context,
      logoutMarks: marks,
      report: given.report ?? (() => undefined),
      grant: {
        refresh: given.refresh ?? (async () => ({ kind: 'refreshed', tokens: tokens(clock), idToken: undefined })),
        revoke: async ({ refreshToken }) => void revoked.push(refreshToken ?? ''),
        requestLimitMs: 1000,
      },
      idleSeconds,
      absoluteSeconds,
      callerLimitMs: 1000,
      onEnd: given.onEnd ?? (() => undefined),
    }),
  }
}

export function tokens(clock: { now(): number }): TokenSet {
  const issuedAt = Math.floor(clock.now() / 1000)
  const name = `${++tokenCount}`
  return {
    accessToken: `access-token-${name}`,
    refreshToken: `refresh-token-${name}`,
    scope: 'openid',
    issuedAt,
    expiresAt: issuedAt + 300,
  }
}

export interface Person {
  readonly sub: string
  readonly sid: string
  readonly device?: string
}

/** A browser's cookies of ours. */
export class Browser {
  cookies = new Map<string, string>()
  take(changes: readonly CookieChange[]): void {
    for (const { name, value } of changes) {
      if (value === undefined) this.cookies.delete(name)
      else this.cookies.set(name, value)
    }
  }
}

let loginCount = 0

export async function signIn(
  { sessions }: Process,
  { sub, sid, device = 'Firefox on Linux' }: Person,
  clock: { now(): number },
  browser = new Browser(),
  key = `login.${++loginCount}`,
  first = tokens(clock),
): Promise<Browser> {
  const start: SessionStart = {
    issuer,
    tokens: first,
    idToken: undefined,
    idTokenClaims: { sub, sid, iat: Math.floor(clock.now() / 1000) },
    shownClaims: { sub, name: 'Ada Lovelace', email: 'ada@example.com' },
  }
  const arrival = { key, secret: `verifier of ${key}`, rivals: [], device }
  const session = await sessions.begin(arrival, browser.cookies, async () => start)
  browser.take(await sessions.firstCookies(session))
  return browser
}

export async function opened(process: Process, browser: Browser): Promise<OpenSession> {
  const open = await process.sessions.open(browser.cookies)
  if (!open) throw new Error('there is no session')
  return open
}
