/** Access tokens that are JWTs (RFC 9068), verified with the authorization server's keys. */
import type { Route, TokenRequest } from '../config/types.ts'
import { CoatcheckError } from '../errors.ts'
import { type AccessTokenVerifier, accessTokenVerifier, GuardError } from '../resource-server/access-token.ts'
import type { Clock } from '../runtime.ts'
import type { AuthorizationServer } from './authorization-server.ts'
import { unavailable } from './failures.ts'

/** What a token says that was verified. */
export interface VerifiedToken {
  readonly claims: Readonly<Record<string, unknown>>
  readonly audience: readonly string[]
  readonly scope: string
  /** Epoch seconds. */
  readonly expiresAt: number
}

/**
 * Signature, issuer, `typ`, algorithm, times, and that the token is for one of `audiences`. Which of them a route takes is
 * asked for each call.
 *
 * @throws CoatcheckError `invalid_token`, or `provider_unavailable` without the server's keys
 */
export type VerifyAccessToken = (token: string, keepAlive: KeepAlive) => Promise<VerifiedToken>

type KeepAlive = (work: Promise<unknown>) => void

export interface AccessTokens {
  /** For tokens that come with each call: a signature that was verified is not verified again until the keys are fetched anew. */
  readonly verify: VerifyAccessToken
  /** For tokens of which the caller keeps what came of it for a time of its own: no memory but that one holds them. */
  readonly verifyOnce: VerifyAccessToken
}

/** Longer ones do not fit in the headers that common servers take. */
export const longestJwt = 8192

/** Against clocks that disagree, as for the ID token. */
const clockToleranceSeconds = 60

/** @param audiences of all routes: one set of keys serves them */
export function accessTokens(server: AuthorizationServer, audiences: readonly string[], clock: Clock): AccessTokens {
  let made: { issuer: string; jwksUri: string | undefined; verifier: AccessTokenVerifier } | undefined

  async function verifierOf(): Promise<AccessTokenVerifier> {
    const { issuer, jwks_uri: jwksUri } = (await server.configuration()).serverMetadata()
    if (jwksUri === undefined) throw unavailable(new Error('the authorization server has no jwks_uri'))
    if (made?.issuer !== issuer || made.jwksUri !== jwksUri) {
      const options = { issuer, jwksUri, audience: audiences, clockToleranceSeconds, now: () => clock.now() }
      made = { issuer, jwksUri, verifier: accessTokenVerifier({ ...options, maxTokenBytes: longestJwt }) }
    }
    return made.verifier
  }

  async function verifyBy(method: keyof AccessTokens, token: string, keepAlive: KeepAlive): Promise<VerifiedToken> {
    const verifier = await verifierOf()
    try {
      const claims = await verifier[method](token, keepAlive)
      // Bound to a key that the caller would have to prove (RFC 7800): passed on as a bearer token it would be none.
      if (claims.cnf !== undefined) throw new CoatcheckError('invalid_token', { reason: 'cnf' })
      return {
        claims,
        audience: [claims.aud].flat(),
        scope: typeof claims.scope === 'string' ? claims.scope : '',
        expiresAt: claims.exp,
      }
    } catch (error) {
      if (!(error instanceof GuardError)) throw error
      if (error.code === 'keys_unavailable') throw unavailable(error)
      throw new CoatcheckError('invalid_token', { reason: error.reason, cause: error })
    }
  }

  return {
    verify: (token, keepAlive) => verifyBy('verify', token, keepAlive),
    verifyOnce: (token, keepAlive) => verifyBy('verifyOnce', token, keepAlive),
  }
}

/** What the JWTs of these routes may be for: the caller's own, and those that are asked for in their place. */
export function audiencesOf(routes: readonly Route[]): string[] {
  const all = routes.flatMap(({ audience, upstreamToken }) => [
    audience,
    upstreamToken.from === 'exchange' ? jwtAudience(upstreamToken) : undefined,
  ])
  return [...new Set(all.filter((audience) => audience !== undefined))]
}

/** The API as a token that was asked for names it in `aud`. */
export function jwtAudience({ audience, resource }: TokenRequest): string | undefined {
  return audience ?? resource
}
