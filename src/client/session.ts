/** What a page knows of its session, and how it is read from `GET /bff/session`. */
import type { Browser } from './browser.ts'
import { problemOf } from './problem.ts'

/** The claims that Coatcheck shows by default; say your own with `createClient<Claims>()`. */
export interface DefaultClaims {
  sub: string
  name?: string
  preferred_username?: string
  email?: string
  picture?: string
}

/** A signed-in browser. Times are epoch seconds by the server's clock. */
export interface Session<Claims = DefaultClaims> {
  readonly claims: Claims
  /** Names this session and no other; goes out as `X-CSRF`. No credential. */
  readonly ref: string
  readonly createdAt: number
  /** The session ends then if nothing is called before. `extend()` moves it. */
  readonly idleExpiresAt: number
  /** The session ends then whatever happens. */
  readonly expiresAt: number
}

export interface SessionLook<Claims> {
  /** Undefined: nobody is signed in. */
  readonly session: Session<Claims> | undefined
  /** What to add to this device's clock to get the server's, in milliseconds. */
  readonly clockOffsetMs: number
}

/** A difference smaller than this is the `Date` field's own coarseness. */
const noticeableOffsetMs = 2000

/**
 * Asks for the session. `slide: false` leaves its idle time as it is.
 *
 * Rejects with what `fetch` rejects with, with a CoatcheckProblem, or with an Error where the answer is not
 * what `/bff/session` gives (a captive portal's page, say).
 */
export async function lookAtSession<Claims>(
  browser: Browser,
  fetch: typeof globalThis.fetch,
  basePath: string,
  slide: boolean,
): Promise<SessionLook<Claims>> {
  const sentAt = browser.now()
  const response = await fetch(`${basePath}/session${slide ? '' : '?slide=false'}`, {
    // Always `1`: with a `ref` the answer to a changed session would be 409, and the new one is what is asked for.
    headers: { 'X-CSRF': '1', Accept: 'application/json' },
    credentials: 'same-origin',
    cache: 'no-store',
  })
  if (!response.ok) throw (await problemOf(response)) ?? new Error(`The session answered ${response.status}`)
  const session = parseSession<Claims>(await response.json())
  return { session, clockOffsetMs: clockOffset(response.headers.get('date'), (sentAt + browser.now()) / 2) }
}

function parseSession<Claims>(answer: unknown): Session<Claims> | undefined {
  const value = (typeof answer === 'object' && answer !== null ? answer : {}) as Record<string, unknown>
  if (value.authenticated === false) return undefined
  const { ref, claims, created_at: createdAt, idle_expires_at: idleExpiresAt, expires_at: expiresAt } = value
  if (
    value.authenticated !== true ||
    typeof ref !== 'string' ||
    typeof claims !== 'object' ||
    typeof createdAt !== 'number' ||
    typeof idleExpiresAt !== 'number' ||
    typeof expiresAt !== 'number'
  ) {
    throw new Error('The session answer is not one of Coatcheck')
  }
  return { claims: claims as Claims, ref, createdAt, idleExpiresAt, expiresAt }
}

/** `Date` has whole seconds: the middle of its second, against the middle of the request. */
function clockOffset(date: string | null, midpoint: number): number {
  const serverTime = date === null ? Number.NaN : Date.parse(date)
  if (Number.isNaN(serverTime)) return 0
  const offset = serverTime + 500 - midpoint
  return Math.abs(offset) < noticeableOffsetMs ? 0 : offset
}
