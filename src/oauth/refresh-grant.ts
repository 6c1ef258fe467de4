/**
 * The refresh grant (RFC 6749 §6), and what its failures mean for the session (protocol.md R7).
 * One call, one request: whether to try again is decided by `session/refresh.ts`.
 */
import * as client from 'openid-client'
import { CoatcheckError } from '../errors.ts'
import type { Clock } from '../runtime.ts'
import type { RefreshOutcome, TokenTarget } from '../tokens.ts'
import type { AuthorizationServer } from './authorization-server.ts'
import { tokenSet } from './token-response.ts'

/** Never rejects: every failure is an outcome. */
export async function refreshGrant(
  server: AuthorizationServer,
  held: { readonly refreshToken: string; readonly scope: string; readonly sub: string | undefined },
  clock: Clock,
  target?: TokenTarget,
): Promise<RefreshOutcome> {
  const { provider } = server
  try {
    const configuration = await server.configuration('refresh')
    const resource = target ? target.resource : provider.resource
    const parameters = {
      ...(resource !== undefined && { resource }),
      ...(target && target.scopes.length > 0 && { scope: target.scopes.join(' ') }),
    }
    const response = await client.refreshTokenGrant(configuration, held.refreshToken, parameters)
    const claims = response.claims()
    // openid-client does not compare them (OIDC Core §12.2); it does check `iss`.
    if (claims && held.sub !== undefined && claims.sub !== held.sub) {
      return { kind: 'identity_changed', cause: new Error('the refreshed ID token has another sub') }
    }
    return {
      kind: 'refreshed',
      tokens: tokenSet(
        response,
        Math.floor(clock.now() / 1000),
        target ? { ...held, scope: target.scopes.join(' ') } : held,
      ),
      idToken: response.id_token,
    }
  } catch (error) {
    const outcome = failure(error)
    return target && isAboutTarget(outcome, error) ? { kind: 'target_refused', cause: error } : outcome
  }
}

/**
 * How Entra ID says `invalid_grant` of the API that was asked for, and why beside it. `bad_token` and `token_expired` are the
 * grant's.
 */
const targetSuberrors = new Set(['consent_required', 'basic_action', 'additional_action', 'message_only'])

/**
 * Whatever is refused but the grant itself may be what was asked for (RFC 8707 §2, RFC 6749 §5.2; Entra ID says
 * `invalid_resource`), or the person has to be asked about that API first (OpenID Connect Core §3.1.2.6). The session's own
 * tokens are not concerned: if the refresh token is, their next refresh says so.
 */
function isAboutTarget({ kind }: RefreshOutcome, error: unknown): boolean {
  if (kind === 'refused') return true
  const suberror = error instanceof client.ResponseBodyError ? error.cause.suberror : undefined
  return kind === 'invalid_grant' && targetSuberrors.has(String(suberror))
}

function failure(cause: unknown): RefreshOutcome {
  // No metadata: nothing was sent.
  if (cause instanceof CoatcheckError) return { kind: 'unreached', cause }
  if (cause instanceof client.ResponseBodyError) return refusal(cause)
  if (cause instanceof client.WWWAuthenticateChallengeError) return unavailable(cause.response, cause)
  if (cause instanceof client.ClientError) {
    if (cause.code === 'OAUTH_JWT_CLAIM_COMPARISON_FAILED') return { kind: 'identity_changed', cause }
    if (cause.cause instanceof Response) return byStatus(cause.cause, cause)
    return { kind: 'lost', cause }
  }
  return isSurelyUnreached(cause) ? { kind: 'unreached', cause } : { kind: 'lost', cause }
}

/**
 * What says nothing of this grant: the client's registration, or the server. `invalid_request` is not among them: there are
 * servers that say so of a refresh token that they do not know.
 */
const trouble = new Set([
  'invalid_client',
  'unauthorized_client',
  'unsupported_grant_type',
  'temporarily_unavailable',
  'server_error',
])

/** An error response by RFC 6749 §5.2. */
function refusal(error: client.ResponseBodyError): RefreshOutcome {
  if (error.error === 'invalid_grant') return { kind: 'invalid_grant', cause: error }
  if (error.status >= 500 || error.status === 429) return byStatus(error.response, error)
  return trouble.has(error.error) ? unavailable(error.response, error) : { kind: 'refused', cause: error }
}

function byStatus(response: Response, cause: unknown): RefreshOutcome {
  // A gateway's 502 and 504 say that it does not know whether the server did the work.
  if (response.status === 502 || response.status === 504) return { kind: 'lost', cause }
  if (response.status === 429 || response.status >= 500 || response.status === 401) return unavailable(response, cause)
  return { kind: 'lost', cause }
}

function unavailable(response: Response, cause: unknown): RefreshOutcome {
  return { kind: 'unavailable', retryAfterSeconds: retryAfterSeconds(response.headers), cause }
}

/** RFC 9110 §10.2.3: seconds, or a date, which is compared with the server's own where it says what time it has. */
export function retryAfterSeconds(headers: Headers): number | undefined {
  const value = headers.get('retry-after')?.trim() ?? ''
  if (/^\d{1,10}$/.test(value)) return Number(value)
  // An HTTP-date has letters. `Date.parse` alone would take `-5` for a year.
  const until = /^[A-Z][a-z]{2}/.test(value) ? Date.parse(value) : Number.NaN
  const now = Date.parse(headers.get('date') ?? '')
  if (Number.isNaN(until) || Number.isNaN(now)) return undefined
  return Math.max(0, Math.ceil((until - now) / 1000))
}

const unreachedCodes = new Set([
  'ECONNREFUSED',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EPROTO',
  'UND_ERR_CONNECT_TIMEOUT',
])

/** Name resolution, connection or TLS failed, so no byte of the request was sent. Everything unknown counts as sent. */
function isSurelyUnreached(error: unknown): boolean {
  for (let cause = error, depth = 0; cause instanceof Error && depth < 5; cause = cause.cause, depth++) {
    const code = (cause as { code?: unknown }).code
    if (
      typeof code === 'string' &&
      (unreachedCodes.has(code) || /^(?:ERR_TLS|CERT_|DEPTH_ZERO|UNABLE_TO|SELF_SIGNED)/.test(code))
    )
      return true
    if (cause instanceof AggregateError && cause.errors.length > 0) return cause.errors.every(isSurelyUnreached)
  }
  return false
}
