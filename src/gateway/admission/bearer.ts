/** What all routes have in common whose callers bring an access token. */
import type { Config, Route } from '../../config/types.ts'
import { CoatcheckError } from '../../errors.ts'
import { bearerOf, bearerRealm } from '../../protection/bearer.ts'
import type { HeaderList, IncomingHeaders, UpstreamResponse } from '../../runtime.ts'
import { bearerChallenges, type NeededToken, neededToken } from '../challenges.ts'
import { resourceMetadataUrl } from '../protected-resource.ts'
import type { Callers } from '../rate-limits.ts'
import { requireScopes } from '../session-call.ts'
import type { Admission } from './admission.ts'

/** What is known of a caller's token, whoever has verified it. */
export interface BearerToken {
  readonly claims: Readonly<Record<string, unknown>>
  readonly audience: readonly string[]
  readonly scope: string
  /** Of an opaque token: what it is called. */
  readonly hash?: string
}

/**
 * The token of the call, in the one form in which it may come.
 *
 * @throws CoatcheckError `token_required`, `wrong_credential` or `invalid_token`, with what the route takes
 */
export function tokenOf(headers: IncomingHeaders, config: Config, route: Route, maxLength: number): string {
  const found = bearerOf(headers, maxLength)
  switch (found.kind) {
    case 'token':
      return found.token
    case 'none':
      throw refused('token_required', config, route)
    case 'other':
      throw refused('wrong_credential', config, route)
    case 'malformed':
      throw refused('invalid_token', config, route, new CoatcheckError('invalid_token', { reason: 'malformed' }))
  }
}

/** @throws CoatcheckError `invalid_token` for another API's, `insufficient_scope` */
export function requireFor(route: Route, token: BearerToken): void {
  // RFC 9068 §4, SEC-13: one that another route takes is not for this one.
  if (route.audience === undefined || !token.audience.includes(route.audience)) {
    throw new CoatcheckError('invalid_token', { reason: 'aud' })
  }
  requireScopes(route.scopes, token.scope)
}

/** What was thrown about the token, with the challenge of this route. */
export function withChallenge(error: unknown, config: Config, route: Route): unknown {
  if (!(error instanceof CoatcheckError) || !(error.code === 'invalid_token' || error.code === 'insufficient_scope'))
    return error
  return refused(error.code, config, route, error)
}

export function refused(
  code: 'token_required' | 'wrong_credential' | 'invalid_token' | 'insufficient_scope',
  config: Config,
  route: Route,
  cause?: CoatcheckError,
): CoatcheckError {
  const needsScope = code === 'insufficient_scope'
  return new CoatcheckError(code, {
    members: { accepts: accepted(route), ...(needsScope && { scope: route.scopes.join(' ') }) },
    headers: { 'WWW-Authenticate': challenge(config, route, code) },
    reason: cause?.reason,
    cause,
  })
}

/** Passes the call on with this token. */
export function admitWith(config: Config, route: Route, jwt: string | undefined, token: BearerToken): Admission {
  return {
    authorization: () => (jwt === undefined ? undefined : `Bearer ${jwt}`),
    caller: tokenCallers(config, token),
    claims: token.claims,
    finish: (answer) => challengeOf(config, route, answer),
  }
}

/**
 * A client that acts for nobody is who it is itself. An answer may name neither (RFC 7662 §2.2): then each token is a
 * caller, as one must not use up what all others may call.
 */
function tokenCallers({ provider }: Config, { claims: { sub, client_id: clientId }, hash = '' }: BearerToken): Callers {
  return { subject: `${provider.issuer} ${sub ?? clientId ?? hash}` }
}

/**
 * Of an API's challenge the caller gets what it can act on. The token of a `jwt` route is its own, so the challenge is too.
 * Elsewhere the API speaks of a token that the caller does not have, at an address that it does not know: what it needs
 * instead is said as ours.
 */
function challengeOf(config: Config, route: Route, answer: UpstreamResponse): HeaderList {
  if (answer.status !== 401 && answer.status !== 403) return []
  const theirs = bearerChallenges(answer.headers)
  if (route.auth === 'jwt' && theirs.length > 0) return theirs.map(({ text }) => ['www-authenticate', text])
  const needed = neededToken(theirs)
  if (needed) return [['www-authenticate', challenge(config, route, needed.error, needed)]]
  return answer.status === 401 ? [['www-authenticate', challenge(config, route, 'invalid_token')]] : []
}

/**
 * RFC 6750 §3, RFC 9470 §3, RFC 9728 §5.1. No error for who brought no token: they may not have known (RFC 6750 §3.1).
 *
 * @param needed what the API asks for, over what the route does
 */
function challenge(config: Config, route: Route, code: string, needed?: NeededToken): string {
  const isTold = code === 'invalid_token' || code === 'insufficient_scope' || needed !== undefined
  const parameters: [string, string | undefined][] = [
    ['realm', bearerRealm],
    ['error', isTold ? code : undefined],
    ['scope', needed?.scope ?? (route.scopes.length > 0 ? route.scopes.join(' ') : undefined)],
    ['acr_values', needed?.acrValues],
    ['max_age', needed?.maxAge],
    ['resource_metadata', resourceMetadataUrl(config, route)],
  ]
  const said = parameters.filter(([, value]) => value !== undefined).map(([name, value]) => `${name}="${value}"`)
  return `Bearer ${said.join(', ')}`
}

/** The words of the problem document for what a route takes. */
function accepted({ auth }: Route): string {
  if (auth === 'phantom') return 'an opaque access token'
  return auth === 'split' ? 'the signature of an access token' : 'an access token that is a JWT'
}
