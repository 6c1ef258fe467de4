/** A JWT of the signature that a caller holds and of what was delivered for it: joined, verified, and kept for a while. */
import { CoatcheckError } from '../errors.ts'
import type { Clock } from '../runtime.ts'
import { tokenCache } from '../token-cache.ts'
import type { VerifiedToken, VerifyAccessToken } from './access-tokens.ts'

export interface JoinedToken {
  readonly jwt: string
  readonly token: VerifiedToken
}

/** @throws CoatcheckError `invalid_token`, `store_unavailable`, `provider_unavailable` */
export type JoinToken = (
  signatureHash: string,
  signature: string,
  keepAlive: (work: Promise<unknown>) => void,
) => Promise<JoinedToken>

/** What was verified once is asked for again after so long, so that a key that the server withdrew stops opening routes. */
const cacheMs = 60_000

/** @param find head and payload by the signature's hash */
export function joinedTokens(
  find: (signatureHash: string) => Promise<string | undefined>,
  verify: VerifyAccessToken,
  clock: Clock,
): JoinToken {
  const cache = tokenCache<JoinedToken>(clock)
  return (signatureHash, signature, keepAlive) => {
    const join = async () => {
      const headAndPayload = await find(signatureHash)
      if (headAndPayload === undefined) throw new CoatcheckError('invalid_token', { reason: 'not_delivered' })
      const jwt = `${headAndPayload}.${signature}`
      const token = await verify(jwt, keepAlive)
      return { value: { jwt, token }, expiresAt: Math.min(clock.now() + cacheMs, token.expiresAt * 1000) }
    }
    return cache.get(signatureHash, join, keepAlive)
  }
}
