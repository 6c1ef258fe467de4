/**
 * What the authorization server says about an opaque token (RFC 7662): facts for the gateway's own decision, or an access
 * token that is a JWT and says the same to an API (`application/jwt`, the phantom token).
 *
 * A signed answer (RFC 9701) is verified and serves the gateway alone: it is no access token (§8.1), and its `typ` keeps
 * it from being taken for one.
 */
import * as client from 'openid-client'
import { CoatcheckError } from '../errors.ts'
import type { Clock, Runtime } from '../runtime.ts'
import { tokenCache } from '../token-cache.ts'
import type { VerifiedToken, VerifyAccessToken } from './access-tokens.ts'
import type { AuthorizationServer } from './authorization-server.ts'
import { coded, tokenFailure, unavailable } from './failures.ts'

export interface IntrospectedToken extends VerifiedToken {
  /** SHA-256 of the opaque token: what it is called where it is not to be read. */
  readonly hash: string
  /** What an upstream gets in the opaque token's place; undefined in the form `facts`. */
  readonly jwt: string | undefined
}

/**
 * @throws CoatcheckError `invalid_token` if it is not active, or is no access token that we could pass on,
 *   `provider_unavailable`
 */
export type Introspect = (
  token: string,
  form: 'facts' | 'jwt',
  keepAlive: (work: Promise<unknown>) => void,
) => Promise<IntrospectedToken>

/** Opaque tokens are references: this is long for one. */
export const longestOpaqueToken = 2048

export function introspection(
  server: AuthorizationServer,
  verify: VerifyAccessToken,
  { clock, sha256 }: Pick<Runtime, 'clock' | 'sha256'>,
): Introspect {
  const cacheMs = server.provider.introspection.cacheSeconds * 1000
  const cache = tokenCache<IntrospectedToken>(clock)

  async function ask(token: string, form: 'facts' | 'jwt'): Promise<client.IntrospectionResponse> {
    const configuration = await server.configuration(form === 'jwt' ? 'jwt-introspection' : 'introspection')
    if (configuration.serverMetadata().introspection_endpoint === undefined) {
      throw unavailable(coded('NO_INTROSPECTION_ENDPOINT'))
    }
    try {
      return await client.tokenIntrospection(configuration, token, { token_type_hint: 'access_token' })
    } catch (error) {
      const failure = tokenFailure(error)
      // RFC 7662 §2.2 has no refusal but `active: false`; an error speaks of the request, and a structured token is one.
      throw failure.code === 'token_refused' ? invalid('refused', error) : failure
    }
  }

  return async (token, form, keepAlive) => {
    const hash = await sha256(token)
    const askNow = async () => {
      const answer = await ask(token, form)
      if (!answer.active) throw invalid('inactive')
      const said = form === 'jwt' ? await fromJwt(answer, verify, keepAlive) : fromFacts(answer, server, clock)
      const value = { ...said, hash }
      return { value, expiresAt: Math.min(clock.now() + cacheMs, value.expiresAt * 1000) }
    }
    return cache.get(`${form}:${hash}`, askNow, keepAlive)
  }
}

/** Verified as one that a client brings: what it says of the token is all that counts. */
async function fromJwt(
  answer: client.IntrospectionResponse,
  verify: VerifyAccessToken,
  keepAlive: (work: Promise<unknown>) => void,
): Promise<Omit<IntrospectedToken, 'hash'>> {
  const jwt = answer.phantom_token
  if (typeof jwt !== 'string') throw unavailable(coded('NO_JWT_IN_INTROSPECTION'))
  try {
    return { ...(await verify(jwt, keepAlive)), jwt }
  } catch (error) {
    if (!(error instanceof CoatcheckError) || error.code !== 'invalid_token') throw error
    // A good token for somebody else's API. It is remembered as any refusal: with 503 its holder would ask for ever.
    if (error.reason === 'aud') throw invalid('aud', error)
    // Not the caller's fault: what the server answered is over, or not its own.
    throw unavailable(error)
  }
}

function fromFacts(
  answer: client.IntrospectionResponse,
  { provider }: AuthorizationServer,
  clock: Clock,
): Omit<IntrospectedToken, 'hash'> {
  const now = Math.floor(clock.now() / 1000)
  const { token_type: type, exp, nbf, iss, aud, scope } = answer
  // A refresh token is active too, and must not open anything: servers tell them apart by one of these.
  const isAccessToken = typeof type === 'string' ? type.toLowerCase() === 'bearer' : answer.token_use === 'access_token'
  if (!isAccessToken) throw invalid('token_type')
  if (answer.cnf !== undefined) throw invalid('cnf')
  if (iss !== undefined && !(typeof iss === 'string' && withoutSlash(iss) === withoutSlash(provider.issuer))) {
    throw invalid('iss')
  }
  if (exp !== undefined && !(Number.isFinite(exp) && exp > now)) throw invalid('exp')
  if (nbf !== undefined && !(Number.isFinite(nbf) && nbf <= now)) throw invalid('nbf')
  return {
    claims: answer,
    audience: [aud ?? []].flat(),
    scope: typeof scope === 'string' ? scope : '',
    expiresAt: exp ?? Number.POSITIVE_INFINITY,
    jwt: undefined,
  }
}

function withoutSlash(issuer: string): string {
  return issuer.endsWith('/') ? issuer.slice(0, -1) : issuer
}

function invalid(reason: string, cause?: unknown): CoatcheckError {
  return new CoatcheckError('invalid_token', { reason, cause })
}
