/** What this API asks of claims, beside the scopes that each route names. */
import { requireAuthentication, requireClaims } from '../../src/resource-server/index.ts'

/** The claims that are looked at here and not there in every token. */
export interface ApiClaims {
  /** When the person signed in, epoch seconds (RFC 9068 §2.2.1). A client on its own account has none. */
  readonly auth_time?: number
}

/** How the provider calls a sign-in with a password and a code. */
export const twoFactors = 'urn:northgate:two-factors'

/** What leaves as one file is for people: a client that calls on its own account has no business with it. */
export const aPerson = requireClaims<ApiClaims>(
  'is a person who has signed in',
  ({ auth_time }) => auth_time !== undefined,
)

/** What cannot be undone wants somebody who is there now, and not a browser that was left open (RFC 9470). */
export const aRecentSignIn = requireAuthentication({ maxAge: 15 * 60 })

/** What takes everything away at once wants more than a password, which somebody may have found out (RFC 9470). */
export const aSecondFactor = requireAuthentication({ acr: twoFactors })
