/** A token response (RFC 6749 §5.1) as plain data. */
import type { TokenEndpointResponse, TokenEndpointResponseHelpers } from 'openid-client'
import type { TokenSet } from '../tokens.ts'

export type TokenResponse = TokenEndpointResponse & TokenEndpointResponseHelpers

export function tokenSet(
  response: TokenResponse,
  nowSeconds: number,
  defaults: { scope: string; refreshToken?: string | undefined },
): TokenSet {
  const refreshToken = response.refresh_token ?? defaults.refreshToken
  const refreshExpiresIn =
    positiveNumber(response.refresh_expires_in) ?? positiveNumber(response.refresh_token_expires_in)
  return {
    accessToken: response.access_token,
    scope: response.scope ?? defaults.scope,
    issuedAt: nowSeconds,
    ...(response.expires_in !== undefined && { expiresAt: nowSeconds + response.expires_in }),
    ...(refreshToken !== undefined && { refreshToken }),
    ...(refreshExpiresIn !== undefined && { refreshTokenExpiresAt: nowSeconds + refreshExpiresIn }),
  }
}

/** Some servers send numbers as strings; 0 means "does not expire" (Keycloak's offline tokens). */
function positiveNumber(value: unknown): number | undefined {
  const number = typeof value === 'string' ? Number(value) : value
  return typeof number === 'number' && Number.isFinite(number) && number > 0 ? Math.floor(number) : undefined
}
