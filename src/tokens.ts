/** The words that `oauth/` and `session/` share; neither imports the other. */

export interface TokenSet {
  readonly accessToken: string
  /** Granted scopes; as asked for, where the server does not say (RFC 6749 §5.1). */
  readonly scope: string
  /** Epoch seconds. */
  readonly issuedAt: number
  /** Epoch seconds; absent where the server does not say. */
  readonly expiresAt?: number
  readonly refreshToken?: string
  /** Epoch seconds, by `refresh_expires_in` (Keycloak) or `refresh_token_expires_in` (others). */
  readonly refreshTokenExpiresAt?: number
}

/** An API that an access token is asked for (RFC 8707), with the scopes that it needs. */
export interface TokenTarget {
  readonly resource: string | undefined
  readonly scopes: readonly string[]
}

/** What became of one refresh request (protocol.md R7). */
export type RefreshOutcome =
  | { readonly kind: 'refreshed'; readonly tokens: TokenSet; readonly idToken: string | undefined }
  /** The request surely did not reach the server. */
  | { readonly kind: 'unreached'; readonly cause: unknown }
  /** It may have: the answer was lost, late or unreadable. */
  | { readonly kind: 'lost'; readonly cause: unknown }
  /** `invalid_grant`: the refresh token is spent, revoked or expired. */
  | { readonly kind: 'invalid_grant'; readonly cause: unknown }
  /** The server wants the person, or refuses this grant. */
  | { readonly kind: 'refused'; readonly cause: unknown }
  /** The server gives no token for the API that was asked for. The refresh token stands. */
  | { readonly kind: 'target_refused'; readonly cause: unknown }
  /** The refreshed ID token speaks of somebody else (OIDC Core §12.2). */
  | { readonly kind: 'identity_changed'; readonly cause: unknown }
  /** The server has trouble, or does not accept our client authentication. The grant may well be alive. */
  | { readonly kind: 'unavailable'; readonly retryAfterSeconds: number | undefined; readonly cause: unknown }
