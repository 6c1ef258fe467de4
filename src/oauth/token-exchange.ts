/**
 * Token exchange (RFC 8693): for an access token another one, for one API and with the scopes that it needs. The token
 * that is exchanged stays what it was, and no refresh token is spent (protocol.md R1).
 */
import { decodeJwt } from 'jose/jwt/decode'
import * as client from 'openid-client'
import type { TokenRequest } from '../config/types.ts'
import { CoatcheckError } from '../errors.ts'
import type { Clock } from '../runtime.ts'
import { requireNoMore, tokenCache } from '../token-cache.ts'
import { jwtAudience, type VerifiedToken, type VerifyAccessToken } from './access-tokens.ts'
import type { AuthorizationServer } from './authorization-server.ts'
import { tokenFailure } from './failures.ts'
import { tokenSet } from './token-response.ts'

export interface ExchangeSubject {
  readonly token: string
  /** What the result is kept under: the token's hash, or session and version. */
  readonly key: string
  /** Epoch seconds. What is exchanged does not outlive it. */
  readonly expiresAt: number | undefined
}

/** @throws CoatcheckError `token_refused`, `provider_unavailable` */
export type ExchangeToken = (
  subject: ExchangeSubject,
  target: TokenRequest,
  /** Whether it has to be a JWT for that API, verified. */
  form: 'any' | 'jwt',
  keepAlive: (work: Promise<unknown>) => void,
) => Promise<string>

const grantType = 'urn:ietf:params:oauth:grant-type:token-exchange'
const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token'
/** Not used to its last second, as it has to arrive too. */
const marginSeconds = 5
/** Of tokens that do not say how long they live. */
const unknownLifeSeconds = 60
const never = Number.POSITIVE_INFINITY

export function tokenExchange(server: AuthorizationServer, verify: VerifyAccessToken, clock: Clock): ExchangeToken {
  const cache = tokenCache<string>(clock)

  async function ask(subject: string, { resource, audience, scopes }: TokenRequest) {
    try {
      const response = await client.genericGrantRequest(await server.configuration(), grantType, {
        subject_token: subject,
        subject_token_type: accessTokenType,
        requested_token_type: accessTokenType,
        ...(resource !== undefined && { resource }),
        ...(audience !== undefined && { audience }),
        ...(scopes.length > 0 && { scope: scopes.join(' ') }),
      })
      return tokenSet(response, Math.floor(clock.now() / 1000), { scope: scopes.join(' ') })
    } catch (error) {
      throw tokenFailure(error)
    }
  }

  return async (subject, target, form, keepAlive) => {
    const key = JSON.stringify([subject.key, form, target.resource, target.audience, target.scopes])
    const askNow = async () => {
      const { accessToken, scope, issuedAt, expiresAt } = await ask(subject.token, target)
      requireNoMore(target.scopes, scope)
      // What the API will read counts as well as what was said beside it.
      const own =
        form === 'jwt' ? await requireJwtFor(target, accessToken, verify, keepAlive) : unverifiedScope(accessToken)
      requireNoMore(target.scopes, own.scope)
      const saidEnd = expiresAt ?? (own.expiresAt === undefined ? issuedAt + unknownLifeSeconds : never)
      const end = Math.min(Math.min(saidEnd, own.expiresAt ?? never) - marginSeconds, subject.expiresAt ?? never)
      return { value: accessToken, expiresAt: end * 1000 }
    }
    return cache.get(key, askNow, keepAlive)
  }
}

/** Whose it is, is the server's to say: the API may know the same person by another `sub` (RFC 9068 §6). */
async function requireJwtFor(
  target: TokenRequest,
  token: string,
  verify: VerifyAccessToken,
  keepAlive: (work: Promise<unknown>) => void,
): Promise<VerifiedToken> {
  const wanted = jwtAudience(target)
  try {
    const verified = await verify(token, keepAlive)
    if (wanted === undefined || !verified.audience.includes(wanted))
      throw new CoatcheckError('invalid_token', { reason: 'aud' })
    return verified
  } catch (error) {
    if (!(error instanceof CoatcheckError) || error.code !== 'invalid_token') throw error
    throw new CoatcheckError('token_refused', { reason: error.reason, cause: error })
  }
}

/**
 * The scopes that a token that the API alone can judge says of itself, if it can be read here: it came from the server
 * itself. Its `exp` does not count: that is by another clock, and without leave for the difference.
 */
function unverifiedScope(token: string): { scope: string; expiresAt?: undefined } {
  try {
    const { scope } = decodeJwt(token)
    return { scope: typeof scope === 'string' ? scope : '' }
  } catch {
    return { scope: '' }
  }
}
