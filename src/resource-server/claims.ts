/** What a verified access token says: the claims of RFC 9068, and what the guard makes of them. */

/**
 * How a token is bound to who may use it (RFC 7800): a DPoP key (RFC 9449 §6.1) or a certificate (RFC 8705 §3.1).
 *
 * @example
 * ```ts
 * const isBound = ({ cnf }: AccessTokenClaims) => cnf?.jkt !== undefined
 * ```
 */
export interface Confirmation {
  readonly jkt?: string
  readonly 'x5t#S256'?: string
}

/**
 * The claims of an access token as RFC 9068 §2.2 has them. Those without a question mark were checked to be there and
 * of this type; of the others only what the guard itself uses (`cnf`, `nbf`) was.
 *
 * @example
 * ```ts
 * const tenantOf = (claims: AccessTokenClaims) => claims.tenant
 * ```
 */
export interface AccessTokenClaims {
  readonly iss: string
  readonly sub: string
  readonly aud: string | readonly string[]
  readonly client_id: string
  readonly jti: string
  /** Epoch seconds, as all times here. */
  readonly exp: number
  readonly iat: number
  readonly nbf?: number
  readonly scope?: unknown
  /** When the person signed in (RFC 9068 §2.2.1). */
  readonly auth_time?: unknown
  readonly acr?: unknown
  readonly amr?: unknown
  readonly cnf?: Confirmation
  readonly [name: string]: unknown
}

/**
 * Who calls, and what their token allows.
 *
 * @example
 * ```ts
 * interface Staff {
 *   tenant: string
 * }
 * const tenantOf = (access: Access<Staff>): string => access.claims.tenant
 * ```
 */
export interface Access<Claims extends object = object> {
  readonly claims: AccessTokenClaims & Claims
  readonly issuer: string
  /** The person, or the client itself where there is none (RFC 9068 §2.2). Unique within the issuer only. */
  readonly sub: string
  /** Whether the guard trusts this issuer alone, so that `sub` by itself says who it is. */
  readonly isSoleIssuer: boolean
  readonly clientId: string
  readonly scopes: ReadonlySet<string>
  /** What the token is bound to and was checked against; empty for a plain bearer token. */
  readonly boundTo: readonly ('dpop' | 'mtls')[]
  /** When the token was checked, epoch seconds: the "now" of policies. */
  readonly checkedAt: number
}
