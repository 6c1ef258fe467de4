/** What a session is: one signed-in browser, and when it ends. Plain data; times are epoch seconds. */
import * as base64url from 'jose/base64url'
import type { TokenSet } from '../tokens.ts'

export interface Session {
  /** Of a session behind a ticket: the key that only its cookie holds (S1). */
  readonly ticketKey?: string | undefined
  /** When the person last proved who they are, by the provider's clock (`auth_time`, OIDC Core §2); absent where not said. */
  readonly authenticatedAt?: number | undefined
  /** Random, never reused. */
  readonly id: string
  /** Raised by one with each refresh. */
  readonly version: number
  /** What the page calls this session by, in `X-CSRF`. Random, no credential. */
  readonly ref: string
  readonly createdAt: number
  /** The absolute end, whatever happens. */
  readonly endsAt: number
  readonly issuer: string
  readonly sub: string | undefined
  /** The provider's session (OIDC Back-Channel Logout 1.0 §2.1). */
  readonly sid: string | undefined
  /** `iat` of the ID token at sign-in, by the provider's clock (E2). */
  readonly idTokenIssuedAt: number | undefined
  /** What the page may see. */
  readonly claims: Readonly<Record<string, unknown>>
  readonly tokens: TokenSet
  /** The newest one, as a hint for sign-out. Left out of a cookie that it does not fit in (C4). */
  readonly idToken: string | undefined
  /** A refresh was sent, its answer was lost and the retry refused: the access token is used to its end (R7). */
  readonly isRefreshLost: boolean
}

export interface SessionStart {
  readonly issuer: string
  readonly tokens: TokenSet
  readonly idToken: string | undefined
  /** All claims of the ID token. */
  readonly idTokenClaims: Readonly<Record<string, unknown>>
  readonly shownClaims: Readonly<Record<string, unknown>>
}

export function newSession(
  start: SessionStart,
  nowSeconds: number,
  absoluteSeconds: number,
  ticketKey?: string,
): Session {
  const { tokens, idTokenClaims } = start
  const absoluteEnd = nowSeconds + absoluteSeconds
  // Without a refresh token the session cannot outlive its access token (R7).
  const endsAt =
    tokens.refreshToken === undefined ? Math.min(absoluteEnd, tokens.expiresAt ?? absoluteEnd) : absoluteEnd
  return {
    id: randomId(24),
    version: 1,
    ref: randomId(12),
    createdAt: nowSeconds,
    endsAt,
    issuer: start.issuer,
    sub: text(idTokenClaims.sub),
    sid: text(idTokenClaims.sid),
    idTokenIssuedAt: number(idTokenClaims.iat),
    authenticatedAt: number(idTokenClaims.auth_time),
    ticketKey,
    claims: start.shownClaims,
    tokens,
    idToken: start.idToken,
    isRefreshLost: false,
  }
}

/** The next version, with what a refresh brought. */
export function refreshedSession(session: Session, tokens: TokenSet, idToken: string | undefined): Session {
  return { ...session, version: session.version + 1, tokens, idToken: idToken ?? session.idToken }
}

/** The next version of a session whose refresh token is known to be dead while its access token lives. */
export function withoutRefreshToken(session: Session): Session {
  const { refreshToken: _dead, refreshTokenExpiresAt: _end, ...tokens } = session.tokens
  return {
    ...session,
    version: session.version + 1,
    tokens,
    isRefreshLost: true,
  }
}

/** When a seal that was last used at `seenAt` idles out. */
export function idleEndsAt(session: Session, seenAt: number, idleSeconds: number): number {
  return Math.min(seenAt + idleSeconds, session.endsAt)
}

/** What a log may call the session. */
export function shortId(session: Pick<Session, 'id'>): string {
  return session.id.slice(0, 8)
}

/** URL-safe randomness of `bytes` bytes. */
export function randomId(bytes: number): string {
  return base64url.encode(crypto.getRandomValues(new Uint8Array(bytes)))
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function number(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined
}
