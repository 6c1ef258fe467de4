/** Token revocation (RFC 7009). */
import * as client from 'openid-client'
import type { TokenSet } from '../tokens.ts'
import type { AuthorizationServer } from './authorization-server.ts'

/**
 * Revokes the refresh token, then the access token. A server without a revocation endpoint is left alone.
 * Rejects with what went wrong, after both were tried.
 */
export async function revokeTokens(
  server: AuthorizationServer,
  tokens: Partial<Pick<TokenSet, 'accessToken' | 'refreshToken'>>,
): Promise<void> {
  const configuration = await server.configuration()
  if (!configuration.serverMetadata().revocation_endpoint) return
  const results = await Promise.allSettled([
    tokens.refreshToken &&
      client.tokenRevocation(configuration, tokens.refreshToken, { token_type_hint: 'refresh_token' }),
    tokens.accessToken &&
      client.tokenRevocation(configuration, tokens.accessToken, { token_type_hint: 'access_token' }),
  ])
  for (const result of results) {
    if (result.status === 'rejected' && !isUnsupported(result.reason)) throw result.reason
  }
}

/** RFC 7009 §2.2.1: a server need not revoke access tokens; JWTs live out their short life. */
function isUnsupported(error: unknown): boolean {
  return error instanceof client.ResponseBodyError && error.error === 'unsupported_token_type'
}
