/**
 * Token exchange (RFC 8693): for an access token another one, for one API and with the scopes that it needs. The token
 * that is exchanged stays what it was, and no refresh token is spent (sessions.md R1).
 */
import * as client from 'openid-client'
import type { TokenRequest } from '../config/types.ts'
import { CoatcheckError } from '../errors.ts'
import type { Clock } from '../runtime.ts'
import { requireNoMore, tokenCache } from '../token-cache.ts'
import { jwtAudience, type VerifyAccessToken } from './access-tokens.ts'
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
      if (form === 'jwt') await requireJwtFor(target, accessToken, verify, keepAlive)
      const ownEnd = expiresAt ?? issuedAt + unknownLifeSeconds
      const end = Math.min(ownEnd - marginSeconds, subject.expiresAt ?? Number.POSITIVE_INFINITY)
      return { value: accessToken, expiresAt: end * 1000 }
    }
    return cache.get(key, askNow, keepAlive)
  }
}

async function requireJwtFor(
  target: TokenRequest,
  token: string,
  verify: VerifyAccessToken,
  keepAlive: (work: Promise<unknown>) => void,
): Promise<void> {
  const wanted = jwtAudience(target)
  try {
    const { audience } = await verify(token, keepAlive)
    if (wanted === undefined || !audience.includes(wanted)) throw new CoatcheckError('invalid_token')
  } catch (error) {
    if (!(error instanceof CoatcheckError) || error.code !== 'invalid_token') throw error
    throw new CoatcheckError('token_refused', { cause: error })
  }
}
