/** When an access token is refreshed, and until when it can be used (protocol.md R2). */
import type { TokenSet } from '../tokens.ts'
import type { Session } from './session.ts'

/** A token is not sent to an upstream any more in its last second: it has to arrive. */
const lastUseMarginMs = 1000
const longestMarginMs = 60_000
/** At most a quarter of the token's life, so that short tokens are not refreshed all the time. */
const marginShare = 1 / 4
/** What is left of a refresh token that a refresh does not prolong is not worth another. */
const leastRefreshTokenLifeMs = 60_000

/** A token without a known end is taken as alive; only an upstream's 401 says otherwise. */
export function isAlive(tokens: TokenSet, nowMs: number): boolean {
  return tokens.expiresAt === undefined || nowMs < tokens.expiresAt * 1000 - lastUseMarginMs
}

/** Whether there is a refresh token, as far as the server has said when it ends (BFF-10). */
export function canRefresh(tokens: TokenSet, nowMs: number): boolean {
  const { refreshToken, refreshTokenExpiresAt } = tokens
  return refreshToken !== undefined && (refreshTokenExpiresAt === undefined || nowMs < refreshTokenExpiresAt * 1000)
}

/**
 * Until when calls can be made if nothing is refreshed any more: the end of the access token, or of the refresh token
 * where the server gives that one an end. Epoch seconds; undefined where neither is known.
 */
export function tokensEndAt({ expiresAt, refreshToken, refreshTokenExpiresAt }: TokenSet): number | undefined {
  if (refreshToken === undefined) return expiresAt
  if (refreshTokenExpiresAt === undefined || expiresAt === undefined) return undefined
  return Math.max(expiresAt, refreshTokenExpiresAt)
}

/**
 * Early, and not at the same moment for all: the margin is between half and all of its bound, drawn by a hash
 * of session and version. A draw for each call would collapse to the earliest. What is not sent any more is due in any
 * case: a quarter of a token that lives for seconds is less than its last second.
 */
export function isDueForRefresh(session: Session, nowMs: number): boolean {
  return isAccessTokenDue(session, nowMs) || isRefreshTokenDue(session, nowMs)
}

/**
 * A refresh token that idles out before the access token ends is used in the last quarter of its life: a person who is
 * active would be signed out else.
 */
function isRefreshTokenDue({ id, version, tokens }: Session, nowMs: number): boolean {
  const { issuedAt, refreshToken, refreshTokenExpiresAt } = tokens
  if (refreshToken === undefined || refreshTokenExpiresAt === undefined) return false
  const endMs = refreshTokenExpiresAt * 1000
  const lifeMs = endMs - issuedAt * 1000
  if (lifeMs < leastRefreshTokenLifeMs || nowMs >= endMs) return false
  // Nearly every call is before any margin, and need not know which it is.
  return nowMs >= endMs - lifeMs * marginShare && nowMs >= endMs - spread(lifeMs * marginShare, { id, version })
}

function isAccessTokenDue(session: Session, nowMs: number): boolean {
  const { issuedAt, expiresAt } = session.tokens
  // Nearly every call is before any margin, and need not know which it is.
  if (expiresAt === undefined || nowMs < expiresAt * 1000 - longestMarginMs) return false
  const marginMs = refreshMarginMs((expiresAt - issuedAt) * 1000, session)
  return nowMs >= expiresAt * 1000 - Math.max(marginMs, lastUseMarginMs)
}

/** How long before its end a token of this lifetime is refreshed. */
export function refreshMarginMs(lifetimeMs: number, session: Pick<Session, 'id' | 'version'>): number {
  return spread(Math.min(longestMarginMs, lifetimeMs * marginShare), session)
}

function spread(longestMs: number, { id, version }: Pick<Session, 'id' | 'version'>): number {
  return longestMs * (0.5 + 0.5 * fraction(`${id}.${version}`))
}

/** FNV-1a, as a number from 0 to 1. Spread is all that is asked of it. */
function fraction(text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  }
  return (hash >>> 0) / 2 ** 32
}
