/** A token response (RFC 6749 §5.1) as plain data. */
import type { TokenEndpointResponse, TokenEndpointResponseHelpers } from 'openid-client'
import type { TokenSet } from '../tokens.ts'

export type TokenResponse = TokenEndpointResponse & TokenEndpointResponseHelpers

/** @throws Error if the access token cannot be used as a bearer token */
export function tokenSet(
  response: TokenResponse,
  nowSeconds: number,
  defaults: { scope: string; refreshToken?: string | undefined },
): TokenSet {
  requireBearer(response)
  const refreshToken = response.refresh_token ?? defaults.refreshToken
  const refreshExpiresIn =
    positiveNumber(response.refresh_expires_in) ?? positiveNumber(response.refresh_token_expires_in)
  // 0 would be a token that was never alive: as good as none said.
  const expiresIn = positiveNumber(response.expires_in)
  return {
    accessToken: response.access_token,
    scope: response.scope ?? defaults.scope,
    issuedAt: nowSeconds,
    ...(expiresIn !== undefined && { expiresAt: nowSeconds + expiresIn }),
    ...(refreshToken !== undefined && { refreshToken }),
    ...(refreshExpiresIn !== undefined && { refreshTokenExpiresAt: nowSeconds + refreshExpiresIn }),
  }
}

/**
 * A token of another type would be sent as a bearer token, which it is not (RFC 6749 §7.1). One that is not of
 * visible ASCII (RFC 6749 Appendix A.12; RFC 6750 §2.1 has no space either) does not fit into a header field.
 */
function requireBearer(response: TokenResponse): void {
  if (response.token_type.toLowerCase() !== 'bearer') throw new Error('the token type is not Bearer')
  if (!/^[\x21-\x7e]+$/.test(response.access_token)) throw new Error('the access token is not of visible ASCII')
}

/** Some servers send numbers as strings; 0 means "does not expire" (Keycloak's offline tokens). */
function positiveNumber(value: unknown): number | undefined {
  const number = typeof value === 'string' ? Number(value) : value
  return typeof number === 'number' && Number.isFinite(number) && number > 0 ? Math.floor(number) : undefined
}
