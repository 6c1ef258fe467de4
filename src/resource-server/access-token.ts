/**
 * Verifies an access token that is a JWT (RFC 9068 §4): a function of the token alone, for the guard and for whoever else
 * holds one. What it is bound to (`cnf`) is for the caller to check: only they know how it came.
 */
import type { JWTVerifyGetKey, VerifyOptions } from 'jose'
import * as base64url from 'jose/base64url'
import * as errors from 'jose/errors'
import { compactVerify } from 'jose/jws/compact/verify'
import { type AuthorizationServerOptions, readServers, type TrustedServer } from './authorization-servers.ts'
import type { AccessTokenClaims } from './claims.ts'
import type { Fetch } from './fetch-json.ts'
import { GuardError } from './guard-error.ts'
import { type JsonObject, readJwt, readObjectOf, readPayload, type UnverifiedJwt } from './jwt-syntax.ts'
import { type KeySet, type KeySetOptions, keySet, type WaitUntil } from './key-set.ts'
import { nothingVerified, type VerifiedTokens } from './verified-tokens.ts'

export { GuardError } from './guard-error.ts'

/**
 * Whose tokens are taken, for which audience, and how their keys are kept.
 *
 * @example
 * ```ts
 * const options: AccessTokenOptions = {
 *   issuers: ['https://login.example.com', { issuer: 'https://id.partner.example', algorithms: ['ES256'] }],
 *   audience: 'https://api.example.com',
 * }
 * ```
 */
export interface AccessTokenOptions extends AuthorizationServerOptions {
  /** The authorization server, as tokens have it in `iss`; or several with `issuers`. */
  readonly issuer?: string
  /** This API, as its tokens name it in `aud`: any one of them has to be there. */
  readonly audience?: string | readonly string[]
  /** How far clocks may be apart. Default 5. */
  readonly clockToleranceSeconds?: number
  /** Longer tokens are refused unread. Default 8192. */
  readonly maxTokenBytes?: number
  readonly keys?: KeySetOptions
  /** Default: the runtime's own. */
  readonly fetch?: Fetch
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: () => number
}

/**
 * What `accessTokenVerifier` makes: for a token that came without a request.
 *
 * @example
 * ```ts
 * async function personOf(verifier: AccessTokenVerifier, token: string): Promise<string> {
 *   const { sub } = await verifier.verify(token)
 *   return sub
 * }
 * ```
 */
export interface AccessTokenVerifier<Claims extends object = object> {
  /**
   * The claims of a valid token. What it is bound to (`cnf`) is not checked: only who has the call can do that.
   *
   * @param waitUntil on Workers the execution context's, so that keys can be renewed behind the call
   * @throws GuardError `invalid_token`, or `keys_unavailable` if the server's keys cannot be had
   */
  verify(token: string, waitUntil?: WaitUntil): Promise<AccessTokenClaims & Claims>
  /**
   * The same for a token of which the caller keeps what came of it: that its signature was valid is not remembered, and it
   * takes the place of none that comes with each call.
   */
  verifyOnce(token: string, waitUntil?: WaitUntil): Promise<AccessTokenClaims & Claims>
  readonly issuers: readonly string[]
  readonly clockToleranceSeconds: number
  readonly now: () => number
}

const defaultToleranceSeconds = 5
const defaultMaxTokenBytes = 8192

/**
 * Makes the function that verifies access tokens. Make it once: it keeps the keys.
 *
 * @throws TypeError if an option cannot be used
 *
 * @example
 * ```ts
 * const verifier = accessTokenVerifier({ issuer: 'https://login.example.com', audience: 'https://api.example.com' })
 * const claims = await verifier.verify(token)
 * ```
 */
export function accessTokenVerifier<Claims extends object = object>(
  options: AccessTokenOptions,
): AccessTokenVerifier<Claims> {
  const now = options.now ?? Date.now
  const clockToleranceSeconds = options.clockToleranceSeconds ?? defaultToleranceSeconds
  // A digit in quotes would be appended to the time, and not added.
  if (!(Number.isFinite(clockToleranceSeconds) && clockToleranceSeconds >= 0 && clockToleranceSeconds <= 300)) {
    throw new TypeError('`clockToleranceSeconds` is a number from 0 to 300')
  }
  const maxTokenBytes = options.maxTokenBytes ?? defaultMaxTokenBytes
  if (!(maxTokenBytes > 0 && Number.isFinite(maxTokenBytes))) {
    throw new TypeError('`maxTokenBytes` is a finite number above 0')
  }
  // Called by name each time: the runtime's own may be replaced, and needs its receiver.
  const fetch: Fetch = options.fetch ?? ((url, init) => globalThis.fetch(url, init))
  const trusted = new Map<unknown, Trusted>()
  for (const server of readServers(options)) {
    const { issuer, jwksUri } = server
    const keys = keySet({ issuer, jwksUri, fetch, now }, options.keys)
    trusted.set(issuer, { server, keys, verifyOptions: { algorithms: [...server.algorithms] } })
  }
  const [only] = trusted.size === 1 ? trusted.values() : []

  return {
    issuers: [...trusted.values()].map(({ server }) => server.issuer),
    clockToleranceSeconds,
    now,
    verify: (token, waitUntil) => verify(token, waitUntil),
    verifyOnce: (token, waitUntil) => verify(token, waitUntil, nothingVerified),
  }

  /** @param memory instead of that of the keys */
  async function verify(token: string, waitUntil?: WaitUntil, memory?: VerifiedTokens) {
    const jwt = readJwt(token, maxTokenBytes)
    if (!jwt) throw invalidToken('syntax')
    const { server, keys, verifyOptions } = chooseServer(jwt)
    assertHeader(jwt.header, server)
    const attempt = async (key: JWTVerifyGetKey, verifiedByKeys: VerifiedTokens) => {
      const verified = memory ?? verifiedByKeys
      const isVerified = verified.has(token)
      const payload = isVerified ? payloadOf(jwt) : (await compactVerify(token, key, verifyOptions)).payload
      const claims = readObjectOf(payload)
      if (!claims) throw invalidToken('payload')
      assertClaims(claims, server, { now: now() / 1000, tolerance: clockToleranceSeconds })
      // After the claims: tokens for other APIs and those that are over drive out none of ours.
      verified.add(token)
      return claims as AccessTokenClaims & Claims
    }
    try {
      return await keys.verify(attempt, jwt.header.kid !== undefined, waitUntil)
    } catch (error) {
      throw toGuardError(error)
    }
  }

  /** Nothing is verified yet: this only chooses whose keys the token has to be verified with. */
  function chooseServer(jwt: UnverifiedJwt): Trusted {
    const chosen = only ?? trusted.get(readPayload(jwt)?.iss)
    if (!chosen) throw invalidToken('iss')
    return chosen
  }
}

/** As jose decodes what it has verified. Each call gets claims of its own, that nobody else has had in hand. */
function payloadOf({ payloadPart }: UnverifiedJwt): Uint8Array {
  return base64url.decode(payloadPart)
}

interface Trusted {
  readonly server: TrustedServer
  readonly keys: KeySet
  readonly verifyOptions: VerifyOptions
}

/** What can be said without a key, so that no key is fetched for it. Keys that the token brings or names are not looked at. */
function assertHeader(header: JsonObject, server: TrustedServer): void {
  // RFC 9068 §2.1, §4: this is what keeps ID tokens, logout tokens and signed introspection answers (RFC 9701 §8.1) out.
  const { typ } = header
  if (typeof typ !== 'string' || !/^(?:application\/)?at\+jwt$/i.test(typ)) throw invalidToken('typ')
  if (!(server.algorithms as readonly unknown[]).includes(header.alg)) throw invalidToken('algorithm')
  // RFC 7515 §4.1.11: none is understood here.
  if (header.crit !== undefined) throw invalidToken('crit')
  if (header.kid !== undefined && typeof header.kid !== 'string') throw invalidToken('kid')
}

/**
 * RFC 9068 §2.2 and §4, RFC 7519 §4.1: all of them are there, of their type, and right. jose's own claims check would decode
 * and parse the payload once more, and says nothing of a member that is there twice. Times are in seconds.
 */
function assertClaims(
  claims: JsonObject,
  { issuer, audience }: TrustedServer,
  { now, tolerance }: { now: number; tolerance: number },
): void {
  const { iss, aud, exp, iat, nbf } = claims
  if (iss !== issuer) throw invalidToken('iss')
  const isForUs = Array.isArray(aud) ? audience.some((one) => aud.includes(one)) : audience.some((one) => one === aud)
  if (!isForUs) throw invalidToken('aud')
  for (const name of ['sub', 'client_id', 'jti']) {
    const value = claims[name]
    if (typeof value !== 'string' || value === '') throw invalidToken(name)
  }
  if (!isTime(exp)) throw invalidToken('exp')
  if (exp <= now - tolerance) throw invalidToken('expired')
  if (!isTime(iat) || iat > now + tolerance) throw invalidToken('iat')
  if (nbf !== undefined && !(isTime(nbf) && nbf <= now + tolerance)) throw invalidToken('nbf')
}

/** 1e999 is a number in JSON, and Infinity once parsed. */
function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}

/** What is not the token's fault is the network, or a key set that is none. */
function toGuardError(error: unknown): GuardError {
  if (error instanceof GuardError) return error
  if (error instanceof errors.JWSSignatureVerificationFailed) return invalidToken('signature', error)
  if (error instanceof errors.JWKSNoMatchingKey) return invalidToken('unknown_key', error)
  const isFaultOfToken = [errors.JWSInvalid, errors.JOSEAlgNotAllowed, errors.JOSENotSupported]
  if (isFaultOfToken.some((type) => error instanceof type)) return invalidToken('malformed', error as Error)
  return new GuardError('keys_unavailable', { reason: 'key_unusable', cause: error })
}

/** jose's errors carry the claims, so they are not handed on as a cause. */
function invalidToken(reason: string, error?: Error): GuardError {
  return new GuardError('invalid_token', { reason, cause: error && new Error(error.message) })
}
