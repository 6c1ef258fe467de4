/** Why a call is refused: one class with a stable code. What the caller may read of it is here, too. */

/** Status and title by code. One text for everything that may be wrong with a token: no oracle. */
export const refusals = {
  unauthenticated: [401, 'An access token is needed'],
  invalid_request: [400, 'The request is malformed'],
  invalid_token: [401, 'The access token is not valid'],
  invalid_dpop_proof: [401, 'The DPoP proof is not valid'],
  use_dpop_nonce: [401, 'A DPoP proof with a nonce of this server is needed'],
  insufficient_user_authentication: [401, 'A stronger or more recent sign-in is needed'],
  insufficient_scope: [403, 'The access token does not have the scope'],
  forbidden: [403, 'This is not allowed'],
  not_found: [404, 'There is no such resource'],
  keys_unavailable: [503, 'The keys of the authorization server cannot be had'],
} as const satisfies Record<string, readonly [status: number, title: string]>

/**
 * The closed list of codes; they are the problem's `code`, too, and stable.
 *
 * @example
 * ```ts
 * const isTheirFault = (code: RefusalCode) => code !== 'keys_unavailable'
 * ```
 */
export type RefusalCode = keyof typeof refusals

/**
 * What an error carries for the challenge and for logs.
 *
 * @example
 * ```ts
 * throw new GuardError('forbidden', { reason: 'closed_on_sundays' })
 * ```
 */
export interface GuardErrorDetails {
  /** For logs, never for the caller: a word that says what exactly was wrong. */
  readonly reason: string
  /** The scopes that are needed (RFC 6750 §3). */
  readonly scope?: readonly string[]
  /** RFC 9470 §3. */
  readonly acrValues?: readonly string[]
  readonly maxAge?: number
  /** RFC 9449 §9. */
  readonly dpopNonce?: string
  /** The token came by the DPoP scheme, so that the challenge speaks of that one (RFC 9449 §7.1). */
  readonly scheme?: 'Bearer' | 'DPoP'
  readonly cause?: unknown
}

/**
 * A call that is refused. `guard.respond(error)` makes the answer of it. Neither the message nor a member holds a token.
 *
 * @example
 * ```ts
 * app.onError((error) => {
 *   if (error instanceof GuardError) return guard.respond(error)
 *   return new Response(null, { status: 500 })
 * })
 * ```
 */
export class GuardError extends Error {
  override readonly name = 'GuardError'
  readonly code: RefusalCode
  readonly status: number
  readonly reason: string
  readonly details: GuardErrorDetails

  constructor(code: RefusalCode, details: GuardErrorDetails) {
    super(refusals[code][1], details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.status = refusals[code][0]
    this.reason = details.reason
    this.details = details
  }

  /** The name under which Fastify and others look for it. */
  get statusCode(): number {
    return this.status
  }

  /** Where Hono and others look for the answer of an error: the problem without a challenge, which only a guard knows. */
  getResponse(): Response {
    return problemResponse(this, defaultProblemType)
  }
}

export const defaultProblemType = 'urn:coatcheck:problem:'

/** What another token has to have, by the names of RFC 6750 §3 and RFC 9470 §3. */
export interface NeededToken {
  /** Names with single spaces between, as `acr_values`. */
  readonly scope?: string
  readonly acr_values?: string
  /** Seconds. */
  readonly max_age?: number
}

export function neededToken({ scope, acrValues, maxAge }: GuardErrorDetails): NeededToken {
  return {
    ...(scope && { scope: scope.join(' ') }),
    ...(acrValues && { acr_values: acrValues.join(' ') }),
    ...(maxAge !== undefined && { max_age: maxAge }),
  }
}

/** The codes that another token mends. */
const mendable: ReadonlySet<RefusalCode> = new Set(['insufficient_scope', 'insufficient_user_authentication'])

/**
 * RFC 9457, with what the challenge says as members (§3.2): a page behind a gateway gets the body, and no
 * `WWW-Authenticate`.
 */
export function problemResponse({ code, details }: GuardError, problemType: string): Response {
  const [status, title] = refusals[code]
  const document = { type: problemType + code, title, status, code, ...(mendable.has(code) && neededToken(details)) }
  const headers = { 'Content-Type': 'application/problem+json', 'Cache-Control': 'no-store' }
  return new Response(JSON.stringify(document), { status, headers })
}
