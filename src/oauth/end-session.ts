/** Where the browser goes to end its session at the server (OpenID Connect RP-Initiated Logout 1.0 §2). */
import * as client from 'openid-client'
import type { AuthorizationServer } from './authorization-server.ts'

/** Undefined where the server has no end-session endpoint. Rejects with `provider_unavailable`. */
export async function endSessionUrl(
  server: AuthorizationServer,
  hint: { readonly idToken: string | undefined; readonly sub: string | undefined },
  postLogoutRedirectUri: string,
): Promise<string | undefined> {
  const configuration = await server.configuration()
  if (!configuration.serverMetadata().end_session_endpoint) return undefined
  return client.buildEndSessionUrl(configuration, {
    post_logout_redirect_uri: postLogoutRedirectUri,
    ...(hint.idToken ? { id_token_hint: hint.idToken } : hint.sub ? { logout_hint: hint.sub } : {}),
  }).href
}
