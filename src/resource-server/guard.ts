/** The guard: takes a request's token, checks it and who presents it, applies policies, and answers what it refuses. */
import { type AccessTokenOptions, accessTokenVerifier } from './access-token.ts'
import { assertTrustworthyUrl } from './authorization-servers.ts'
import type { Call } from './call.ts'
import { challenge } from './challenge.ts'
import type { Access, AccessTokenClaims } from './claims.ts'
import { type Credentials, readCredentials } from './credentials.ts'
import { type DPoPOptions, proofChecker } from './dpop.ts'
import { defaultProblemType, GuardError, problemResponse, type RefusalCode } from './guard-error.ts'
import type { Policy } from './policy.ts'
import { type ClientCertificate, checkSender } from './sender-constraint.ts'

/**
 * What happened to a call that was refused, for a log: no token, no claim, no query.
 *
 * @example
 * ```ts
 * const onRefused = ({ status, code, reason, method, path }: Refusal) => {
 *   console.warn(`${method} ${path} ${status} ${code} (${reason})`)
 * }
 * ```
 */
export interface Refusal {
  readonly code: RefusalCode
  readonly status: number
  /** What exactly was wrong, which the caller is not told. */
  readonly reason: string
  readonly method: string
  /** Without the query; undefined if it could not be read. */
  readonly path: string | undefined
  /** Who it was, once their token was known to be good. */
  readonly sub?: string
  readonly clientId?: string
  /** What was thrown by the network or a key, if that is why. */
  readonly cause?: unknown
}

/**
 * Everything a guard is told.
 *
 * @example
 * ```ts
 * const options: JwtGuardOptions = {
 *   issuer: 'https://login.example.com',
 *   audience: 'https://api.example.com',
 *   onRefused: (refusal) => console.warn(refusal),
 * }
 * ```
 */
export interface JwtGuardOptions<Claims extends object = object> extends AccessTokenOptions {
  /** `realm` of challenges (RFC 6750 §3 wants at least one parameter there). Default `api`, which gives nothing away. */
  readonly realm?: string
  /** Where this API's protected-resource metadata is (RFC 9728), for challenges to name. Default: none. */
  readonly resourceMetadata?: string
  /** What a problem's `type` begins with. Default `urn:coatcheck:problem:`. */
  readonly problemType?: string
  /** Take DPoP-bound tokens. Without it they are refused. */
  readonly dpop?: DPoPOptions
  /** Take tokens that are bound to a client certificate. Without it they are refused. */
  readonly clientCertificate?: ClientCertificate
  /**
   * Asked for each token that is otherwise valid: a deny-list by `jti`, `sub`, … Anything but false is yes; what it throws is
   * the app's error, and lets nobody in.
   */
  readonly isRevoked?: (claims: AccessTokenClaims & Claims) => boolean | Promise<boolean>
  /** Told of every refusal. Must not throw. */
  readonly onRefused?: (refusal: Refusal) => void
}

/**
 * What `jwtGuard` makes. The adapters use it; anything else may.
 *
 * @example
 * ```ts
 * async function answer(guard: Guard, call: Call): Promise<Response> {
 *   try {
 *     const access = await guard.check(call, requireScopes('orders:read'))
 *     return Response.json(ordersOf(access.sub))
 *   } catch (error) {
 *     if (error instanceof GuardError) return guard.respond(error)
 *     throw error
 *   }
 * }
 * ```
 */
export interface Guard<Claims extends object = object> {
  /**
   * Who calls, if their token is valid and all policies hold.
   *
   * @throws GuardError for `respond`
   *
   * @example
   * ```ts
   * const access = await guard.check(request, requireScopes('orders:read'))
   * ```
   */
  check(call: Call, ...policies: [Policy<Claims>, ...Policy<Claims>[]]): Promise<Access<Claims>>
  /** Who calls, before any policy: for adapters, which apply them later. */
  authenticate(call: Call): Promise<Access<Claims>>
  /** Applies policies to a caller that `authenticate` gave. */
  authorize(call: Call, access: Access<Claims>, policies: readonly Policy<Claims>[]): Promise<void>
  /** Tells `onRefused` of an error that was thrown elsewhere (by an object's rule). */
  report(error: GuardError, call: Call, access?: Access<Claims>): void
  /** The answer to a refused call: problem+json and challenge. */
  respond(error: GuardError): Response
}

/**
 * The guard of an API: verifies each call's access token (RFC 9068), denies by default, decides by policies.
 * Make it once: it keeps the keys of the authorization servers. Nothing is fetched before the first call.
 *
 * @throws TypeError if an option cannot be used
 *
 * @example
 * ```ts
 * const guard = jwtGuard({ issuer: 'https://login.example.com', audience: 'https://api.example.com' })
 *
 * const app = new Hono()
 * app.use(honoGuard(guard))
 * app.get('/orders', allow(requireScopes('orders:read')), (c) => c.json(ordersOf(c.var.access.sub)))
 * export default assertGuarded(app)
 * ```
 */
export function jwtGuard<Claims extends object = object>(options: JwtGuardOptions<Claims>): Guard<Claims> {
  assertUsable(options)
  const verifier = accessTokenVerifier<Claims>(options)
  const { now } = verifier
  const proofs = options.dpop && proofChecker(options.dpop, verifier)
  const sender = { proofs, clientCertificate: options.clientCertificate }
  const challengeParts = {
    realm: options.realm ?? 'api',
    resourceMetadata: options.resourceMetadata,
    takesBearer: !proofs?.isRequired,
    dpopAlgorithms: proofs?.algorithms,
  }
  const problemType = options.problemType ?? defaultProblemType

  function report(error: GuardError, call: Call, access?: Access<Claims>): void {
    const { code, status, reason, cause } = error
    const path = URL.parse(call.url)?.pathname
    const who = access && { sub: access.sub, clientId: access.clientId }
    options.onRefused?.({
      code,
      status,
      reason,
      method: call.method,
      path,
      ...who,
      ...(cause !== undefined && { cause }),
    })
  }

  async function authenticate(call: Call): Promise<Access<Claims>> {
    let credentials: Credentials | undefined
    try {
      credentials = readCredentials(call.headers.get('authorization'))
      if (!credentials) throw new GuardError('unauthenticated', { reason: 'no_token' })
      const { token, scheme } = credentials
      const claims = await verifier.verify(token, call.waitUntil)
      const isPlain = scheme === 'Bearer' && claims.cnf === undefined && !proofs?.isRequired
      const boundTo = isPlain ? [] : await checkSender(call, credentials, claims, sender)
      if (options.isRevoked && (await options.isRevoked(claims)) !== false) {
        throw new GuardError('invalid_token', { reason: 'revoked' })
      }
      return {
        claims,
        issuer: claims.iss,
        sub: claims.sub,
        isSoleIssuer: verifier.issuers.length === 1,
        clientId: claims.client_id,
        scopes: scopesOf(claims.scope),
        boundTo,
        checkedAt: Math.floor(now() / 1000),
      }
    } catch (error) {
      if (!(error instanceof GuardError)) throw error
      const spoken = credentials ? withScheme(error, credentials.scheme) : error
      report(spoken, call)
      throw spoken
    }
  }

  async function authorize(call: Call, access: Access<Claims>, policies: readonly Policy<Claims>[]): Promise<void> {
    try {
      if (policies.length === 0) throw new GuardError('forbidden', { reason: 'policy_missing' })
      for (const policy of policies) {
        const checking = policy.check(access)
        const verdict = typeof checking === 'object' ? await checking : checking
        if (verdict !== undefined && verdict !== true) throw new GuardError('forbidden', { reason: policy.name })
      }
    } catch (error) {
      if (!(error instanceof GuardError)) throw error
      const spoken = access.boundTo.includes('dpop') ? withScheme(error, 'DPoP') : error
      report(spoken, call, access)
      throw spoken
    }
  }

  return {
    authenticate,
    authorize,
    report,
    async check(call, ...policies) {
      const access = await authenticate(call)
      await authorize(call, access, policies)
      return access
    },
    respond(error) {
      const response = problemResponse(error, problemType)
      const { headers } = response
      const wwwAuthenticate = challenge(error, challengeParts)
      if (wwwAuthenticate !== undefined) headers.set('WWW-Authenticate', wwwAuthenticate)
      if (error.details.dpopNonce !== undefined) headers.set('DPoP-Nonce', error.details.dpopNonce)
      if (error.status === 503) headers.set('Retry-After', '1')
      return response
    },
  }
}

/** Mistakes that would show only once a call is refused, or a certificate is looked at. */
function assertUsable<Claims extends object>(options: JwtGuardOptions<Claims>): void {
  for (const name of ['clientCertificate', 'isRevoked', 'onRefused'] as const) {
    if (options[name] !== undefined && typeof options[name] !== 'function') {
      throw new TypeError(`\`${name}\` is not a function`)
    }
  }
  if (options.resourceMetadata !== undefined) assertTrustworthyUrl(options.resourceMetadata, 'resourceMetadata')
}

/** The challenge answers in the scheme that the caller spoke. */
function withScheme(error: GuardError, scheme: 'Bearer' | 'DPoP'): GuardError {
  return new GuardError(error.code, { ...error.details, scheme })
}

/** RFC 8693 §4.2: names with single spaces between. */
function scopesOf(scope: unknown): ReadonlySet<string> {
  return new Set(typeof scope === 'string' ? scope.split(' ').filter((name) => name !== '') : [])
}
