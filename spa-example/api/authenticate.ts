/**
 * Who calls, by the bearer token alone (RFC 6750, RFC 9068): this API knows nothing of cookies, and a request
 * that carries one is answered 400, because it shows that somebody in front has let it through.
 */
import { createRemoteJWKSet, errors, type JWTPayload, jwtVerify, type RemoteJWKSet } from 'jose'
import { ApiError } from './problem.ts'

export interface Caller {
  readonly sub: string
  readonly scopes: ReadonlySet<string>
  readonly clientId: string
  readonly tokenId: string
}

export interface AuthenticatorOptions {
  readonly issuer: string
  /** Default: as the issuer's metadata says, asked for at the first call. */
  readonly jwksUri: string | undefined
  readonly audience: string
}

export interface Authenticator {
  /** The caller, or an ApiError: 401 as RFC 6750 §3 says, 503 if the keys cannot be had. */
  authenticate(authorization: string | undefined): Promise<Caller>
  /** Refuses from now on the tokens that were shown so far, as if they had been revoked. */
  revokeSeenTokens(): void
}

const realm = 'roastery'
const rememberedTokens = 10_000

export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  let keys: RemoteJWKSet | undefined
  const seen = new Set<string>()
  const revoked = new Set<string>()

  async function verify(token: string): Promise<JWTPayload> {
    try {
      keys ??= createRemoteJWKSet(new URL(options.jwksUri ?? (await discoverKeys(options.issuer))))
      const { payload } = await jwtVerify(token, keys, {
        issuer: options.issuer,
        audience: options.audience,
        typ: 'at+jwt',
        algorithms: ['ES256', 'RS256', 'PS256'],
        requiredClaims: ['sub', 'exp', 'iat', 'jti', 'client_id'],
      })
      return payload
    } catch (error) {
      if (isFaultOfToken(error)) throw invalidToken()
      throw new ApiError(503, 'keys_unavailable', 'The keys of the authorization server cannot be had', {
        headers: { 'Retry-After': '1' },
      })
    }
  }

  return {
    async authenticate(authorization) {
      if (authorization === undefined) {
        throw new ApiError(401, 'unauthenticated', 'A bearer token is needed', {
          headers: { 'WWW-Authenticate': `Bearer realm="${realm}"` },
        })
      }
      const token = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i.exec(authorization)?.[1]
      if (token === undefined || token.length > 8192) throw invalidToken()

      const payload = await verify(token)
      const tokenId = String(payload.jti)
      if (revoked.has(tokenId)) throw invalidToken()
      addBounded(seen, tokenId)
      const scope = typeof payload.scope === 'string' ? payload.scope : ''
      return {
        sub: String(payload.sub),
        scopes: new Set(scope.split(' ').filter((name) => name !== '')),
        clientId: String(payload.client_id),
        tokenId,
      }
    },
    revokeSeenTokens() {
      for (const tokenId of seen) addBounded(revoked, tokenId)
      seen.clear()
    },
  }
}

export function requireScope(caller: Caller, scope: string): void {
  if (caller.scopes.has(scope)) return
  throw new ApiError(403, 'insufficient_scope', `This needs the scope ${scope}`, {
    headers: { 'WWW-Authenticate': `Bearer realm="${realm}", error="insufficient_scope", scope="${scope}"` },
  })
}

export function invalidToken(): ApiError {
  return new ApiError(401, 'invalid_token', 'The access token is not valid', {
    headers: {
      'WWW-Authenticate': `Bearer realm="${realm}", error="invalid_token", error_description="The access token is not valid"`,
    },
  })
}

/** Everything else is the network, or a key set that is none. */
function isFaultOfToken(error: unknown): boolean {
  return [
    errors.JWTExpired,
    errors.JWTClaimValidationFailed,
    errors.JWTInvalid,
    errors.JWSInvalid,
    errors.JWSSignatureVerificationFailed,
    errors.JOSEAlgNotAllowed,
    errors.JOSENotSupported,
    errors.JWKSNoMatchingKey,
    errors.JWKSMultipleMatchingKeys,
  ].some((type) => error instanceof type)
}

async function discoverKeys(issuer: string): Promise<string> {
  const response = await fetch(`${issuer}/.well-known/openid-configuration`, { signal: AbortSignal.timeout(5000) })
  const metadata = (await response.json()) as { issuer?: unknown; jwks_uri?: unknown }
  if (metadata.issuer !== issuer || typeof metadata.jwks_uri !== 'string')
    throw new Error('Not the metadata of the issuer')
  return metadata.jwks_uri
}

function addBounded(set: Set<string>, value: string): void {
  set.delete(value)
  set.add(value)
  for (const oldest of set) {
    if (set.size <= rememberedTokens) return
    set.delete(oldest)
  }
}
