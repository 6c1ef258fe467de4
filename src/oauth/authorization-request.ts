/** The authorization request: code flow, PKCE S256, one-time `state` and `nonce` (RFC 9700 §2.1.1, OIDC Core §3.1.2.1). */
import * as client from 'openid-client'
import type { AuthorizationServer } from './authorization-server.ts'

/** What has to be remembered from the request to the callback. Secret: it lives sealed in the sign-in cookie. */
export interface AuthorizationSecrets {
  readonly state: string
  readonly nonce: string
  readonly codeVerifier: string
}

/** Parameters that the page may choose; all of them only change how the server asks the person. */
export const passedOnParameters = ['prompt', 'login_hint', 'acr_values', 'max_age', 'ui_locales'] as const

export type PassedOnParameters = Partial<Record<(typeof passedOnParameters)[number], string>>

/** `stateId` makes the sign-in cookie findable from the `state` that comes back. */
export function newAuthorizationSecrets(stateId: string): AuthorizationSecrets {
  return {
    state: `${stateId}.${client.randomState()}`,
    nonce: client.randomNonce(),
    codeVerifier: client.randomPKCECodeVerifier(),
  }
}

/** Rejects with CoatcheckError `provider_unavailable` if the server's metadata cannot be had. */
export async function authorizationUrl(
  server: AuthorizationServer,
  secrets: AuthorizationSecrets,
  passedOn: PassedOnParameters,
): Promise<URL> {
  const { provider } = server
  const requiredAcr = provider.authorizationParameters.acr_values
  const parameters = new URLSearchParams({
    ...provider.authorizationParameters,
    ...passedOn,
    // How strongly to authenticate is the operator's to say: the page cannot ask for less.
    ...(requiredAcr !== undefined && { acr_values: requiredAcr }),
    response_type: 'code',
    redirect_uri: server.redirectUri,
    scope: provider.scope,
    state: secrets.state,
    ...(provider.usesOpenId && { nonce: secrets.nonce }),
    code_challenge: await client.calculatePKCECodeChallenge(secrets.codeVerifier),
    code_challenge_method: 'S256',
  })
  for (const resource of server.resources) parameters.append('resource', resource)
  return client.buildAuthorizationUrl(await server.configuration(), parameters)
}
