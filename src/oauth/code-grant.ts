/** The authorization response and the code grant (RFC 6749 §4.1.2 to §4.1.4, OIDC Core §3.1.3). */
import * as client from 'openid-client'
import { CoatcheckError } from '../errors.ts'
import type { Clock } from '../runtime.ts'
import type { TokenSet } from '../tokens.ts'
import type { AuthorizationSecrets } from './authorization-request.ts'
import type { AuthorizationServer } from './authorization-server.ts'
import { tokenSet } from './token-response.ts'

export interface SignIn {
  readonly tokens: TokenSet
  /** Claims of the validated ID token; empty for plain OAuth 2. */
  readonly claims: Readonly<Record<string, unknown>>
  readonly idToken: string | undefined
}

/** What the page may learn of a failed sign-in, as `login_error`. A closed list: no text of the request gets out. */
const loginErrors = [
  'access_denied',
  'account_selection_required',
  'consent_required',
  'interaction_required',
  'invalid_scope',
  'login_expired',
  'login_failed',
  'login_refused',
  'login_required',
  'server_error',
  'session_too_large',
  'temporarily_unavailable',
  'unmet_authentication_requirements',
] as const

export type LoginErrorCode = (typeof loginErrors)[number]

/** A sign-in that did not succeed. `cause` is for the log. */
export class LoginError extends Error {
  override readonly name = 'LoginError'
  readonly code: LoginErrorCode

  constructor(code: LoginErrorCode, cause?: unknown) {
    super(code, { cause })
    this.code = code
  }
}

/**
 * Checks `state`, `iss` (RFC 9207) and redeems the code; validates the ID token with its signature.
 *
 * @param query of the callback as it came, with its `?`
 * @throws LoginError
 */
export async function redeemCode(
  server: AuthorizationServer,
  query: string,
  secrets: AuthorizationSecrets,
  maxAgeSeconds: number | undefined,
  clock: Clock,
): Promise<SignIn> {
  const { provider } = server
  try {
    const configuration = await server.configuration()
    // Built from the configuration: openid-client sends it as `redirect_uri`.
    const callbackUrl = new URL(server.redirectUri)
    callbackUrl.search = query
    const response = await client.authorizationCodeGrant(
      configuration,
      callbackUrl,
      {
        expectedState: secrets.state,
        pkceCodeVerifier: secrets.codeVerifier,
        ...(provider.usesOpenId && { expectedNonce: secrets.nonce, idTokenExpected: true }),
        ...(maxAgeSeconds !== undefined && provider.usesOpenId && { maxAge: maxAgeSeconds }),
      },
      provider.resource ? { resource: provider.resource } : {},
    )
    return {
      tokens: tokenSet(response, Math.floor(clock.now() / 1000), { scope: provider.scope }),
      claims: provider.usesOpenId ? { ...response.claims() } : {},
      idToken: provider.usesOpenId ? response.id_token : undefined,
    }
  } catch (error) {
    throw new LoginError(loginErrorCode(error), error)
  }
}

function loginErrorCode(error: unknown): LoginErrorCode {
  if (error instanceof client.AuthorizationResponseError) return fromServer(error.error)
  if (error instanceof CoatcheckError && error.code === 'provider_unavailable') return 'temporarily_unavailable'
  if (error instanceof client.ResponseBodyError && error.status >= 500) return 'temporarily_unavailable'
  return 'login_failed'
}

/** RFC 6749 §4.1.2.1 and OIDC Core §3.1.2.6; what is not in the closed list is a plain failure. */
function fromServer(code: string): LoginErrorCode {
  const isKnown = (loginErrors as readonly string[]).includes(code) && !ourOwnErrors.has(code)
  return isKnown ? (code as LoginErrorCode) : 'login_failed'
}

/** What no server may say in our name. */
const ourOwnErrors: ReadonlySet<string> = new Set<LoginErrorCode>([
  'login_expired',
  'login_failed',
  'login_refused',
  'session_too_large',
])
