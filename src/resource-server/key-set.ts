/**
 * The keys of one issuer, kept and renewed. jose chooses and imports the key; when to fetch is decided here, because
 * its remote key set counts its cooldown from the last success (an endpoint that is out would be asked for every
 * stranger's `kid`), refuses every token once its cache is too old, and reads answers of any size.
 */
import type { JWTVerifyGetKey } from 'jose'
import * as errors from 'jose/errors'
import { createLocalJWKSet } from 'jose/jwks/local'
import { discoverJwksUri } from './discovery.ts'
import { type Fetch, fetchJson, UnexpectedAnswer } from './fetch-json.ts'
import { GuardError } from './guard-error.ts'
import { readMaxVerifiedTokens, type VerifiedTokens, verifiedTokens } from './verified-tokens.ts'

/**
 * How an issuer's keys are kept: when they are fetched again, and how many tokens they need not verify twice.
 *
 * @example
 * ```ts
 * const guard = jwtGuard({ issuer, audience, keys: { cooldownSeconds: 60 } })
 * ```
 */
export interface KeySetOptions {
  /** From this age on they are fetched again, behind the calls. Default 600. */
  readonly maxAgeSeconds?: number
  /** For a key that is not known they are fetched at most this often. Default 30. */
  readonly cooldownSeconds?: number
  /** While the server is out, the keys serve until this age. Default 86400. */
  readonly maxStaleSeconds?: number
  /**
   * Of so many tokens it is remembered that their signature was valid (RFC 7515 §5.2), so that it is verified at the first
   * call only; all else is checked at each. It is forgotten when the keys are fetched again, and beyond the number the least
   * recently used goes. Each issuer has its own. 0 to 10000; 0 remembers none. Default 1000: 1 MB or so, and never more
   * than that many times `maxTokenBytes`.
   */
  readonly maxVerifiedTokens?: number
}

export interface KeySetParts {
  readonly issuer: string
  readonly jwksUri: string | undefined
  readonly fetch: Fetch
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

export type WaitUntil = (promise: Promise<unknown>) => void

export interface KeySet {
  /** Calls `attempt` with the keys, and again as long as newer ones may help. Throws what it throws, or `keys_unavailable`. */
  verify<Result>(attempt: Attempt<Result>, hasKid: boolean, waitUntil?: WaitUntil): Promise<Result>
}

/** @param verified by these keys and no others: they come and go together */
type Attempt<Result> = (key: JWTVerifyGetKey, verified: VerifiedTokens) => Promise<Result>

interface Kept {
  readonly keys: JWTVerifyGetKey
  readonly verified: VerifiedTokens
  readonly fetchedAt: number
  /** Of the fetch that brought them, counted as they began. */
  readonly fetch: number
}

/** Of discovery and the keys together. */
const fetchLimitMs = 8000
/** With no keys at all, every call waits for them: this long after a failure they are asked for again. */
const retryMs = 1000
/** Of the keys that fit a token that does not name one (RFC 7515 §4.1.4 leaves `kid` out); each costs a verification. */
const mostKeysTried = 4

export function keySet(parts: KeySetParts, options: KeySetOptions = {}): KeySet {
  const { issuer, fetch, now } = parts
  const maxAgeMs = milliseconds(options.maxAgeSeconds, 600, 'maxAgeSeconds')
  const cooldownMs = milliseconds(options.cooldownSeconds, 30, 'cooldownSeconds')
  const maxStaleMs = milliseconds(options.maxStaleSeconds, 86_400, 'maxStaleSeconds')
  if (maxStaleMs < maxAgeMs)
    throw new TypeError('`keys.maxStaleSeconds` is below `keys.maxAgeSeconds`: lower that as well')
  const maxVerifiedTokens = readMaxVerifiedTokens(options.maxVerifiedTokens)
  let jwksUri = parts.jwksUri
  let kept: Kept | undefined
  let fetching: { readonly done: Promise<void>; readonly startedAt: number } | undefined
  let failedAt: number | undefined
  let askedForUnknownAt: number | undefined
  let fetchesBegun = 0

  async function fetchKeys(): Promise<void> {
    const number = ++fetchesBegun
    const signal = AbortSignal.timeout(fetchLimitMs)
    try {
      jwksUri ??= await discoverJwksUri(issuer, fetch, signal)
      const keys = readKeys(await fetchJson(jwksUri, fetch, signal))
      // A slow answer to an earlier request would bring back a key that has been withdrawn.
      if (kept && kept.fetch > number) return
      kept = { keys, verified: verifiedTokens(maxVerifiedTokens), fetchedAt: now(), fetch: number }
      failedAt = undefined
    } catch (error) {
      failedAt = now()
      // It may have moved.
      jwksUri = parts.jwksUri
      throw unavailable(issuer, error)
    }
  }

  /** Whoever began it may be gone on Workers, and its promise with it: nobody waits for ever. */
  const isFetching = () => fetching !== undefined && isWithin(fetching.startedAt, fetchLimitMs)
  const isWithin = (at: number | undefined, ms: number) => {
    const age = at === undefined ? -1 : now() - at
    // A clock that was set back cannot say how long ago it was: it counts as long ago, so that nothing waits for its return.
    return age >= 0 && age < ms
  }

  /** One fetch at a time. */
  function fetchOnce(): Promise<void> {
    if (fetching && isFetching()) return withLimit(fetching.done, issuer)
    const mine = { done: fetchKeys(), startedAt: now() }
    fetching = mine
    const forget = () => {
      if (fetching === mine) fetching = undefined
    }
    mine.done.then(forget, forget)
    return mine.done
  }

  /** The keys there are while newer ones are fetched behind the call; fetched before it if there are none that serve. */
  async function current(waitUntil: WaitUntil | undefined): Promise<Kept> {
    if (kept && now() - kept.fetchedAt < maxStaleMs) {
      if (!isFetching() && !isWithin(failedAt, cooldownMs)) {
        // That it failed is remembered, and these keys serve on.
        const renewal = fetchOnce().catch(() => undefined)
        waitUntil?.(renewal)
      }
      return kept
    }
    if (!isFetching() && isWithin(failedAt, retryMs)) throw unavailable(issuer, undefined)
    await fetchOnce()
    return kept as Kept
  }

  /**
   * The keys that came after these; undefined if there are none and may not be asked for now. The cooldown counts what is
   * asked for here. First keys and a renewal by age do not use it up: the call of a new key that comes right after would
   * be lost.
   */
  async function newerThan(tried: Kept): Promise<Kept | undefined> {
    if (kept !== tried) return kept
    if (!isFetching() && isWithin(askedForUnknownAt, cooldownMs)) {
      // A new key cannot be told from an invented one while the server is out: 503, so that no good token is thrown away.
      if (failedAt !== undefined) throw unavailable(issuer, undefined)
      return undefined
    }
    if (!isFetching()) askedForUnknownAt = now()
    await fetchOnce()
    return kept === tried ? undefined : kept
  }

  return {
    async verify(attempt, hasKid, waitUntil) {
      const begunBefore = fetchesBegun
      let tried = kept && isWithin(kept.fetchedAt, maxAgeMs) ? kept : await current(waitUntil)
      for (;;) {
        try {
          return await attemptWith(tried, attempt)
        } catch (error) {
          // Of a fetch that began after this call no newer answer is to be had; one that was under way may have been answered
          // before the key was there.
          if (tried.fetch > begunBefore || !mayNeedNewerKeys(error, hasKid)) throw error
          const newer = await newerThan(tried)
          if (!newer) throw error
          tried = newer
        }
      }
    },
  }
}

/** A token that names no key may be of a new one, and then no key is missing but the signature fails. */
function mayNeedNewerKeys(error: unknown, hasKid: boolean): boolean {
  if (error instanceof errors.JWKSNoMatchingKey) return true
  return !hasKid && error instanceof errors.JWSSignatureVerificationFailed
}

async function attemptWith<Result>({ keys, verified }: Kept, attempt: Attempt<Result>): Promise<Result> {
  try {
    return await attempt(keys, verified)
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error
    let count = 0
    for await (const key of error) {
      if (++count > mostKeysTried) break
      try {
        return await attempt(() => key, verified)
      } catch (failure) {
        if (!(failure instanceof errors.JWSSignatureVerificationFailed)) throw failure
      }
    }
    throw new errors.JWSSignatureVerificationFailed()
  }
}

/** An empty set is a server on a bad day, not one that has withdrawn all its tokens. */
function readKeys(document: unknown): JWTVerifyGetKey {
  const keys = createLocalJWKSet(document as Parameters<typeof createLocalJWKSet>[0])
  if (keys.jwks().keys.length === 0) throw new UnexpectedAnswer('The key set is empty')
  return keys
}

async function withLimit(done: Promise<void>, issuer: string): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(unavailable(issuer, undefined)), fetchLimitMs)
  })
  try {
    await Promise.race([done, limit])
  } finally {
    clearTimeout(timer)
  }
}

function unavailable(issuer: string, cause: unknown): GuardError {
  return new GuardError('keys_unavailable', { reason: `keys_unavailable: ${issuer}`, cause })
}

function milliseconds(seconds: number | undefined, fallback: number, name: string): number {
  const value = seconds ?? fallback
  if (!Number.isFinite(value) || value < 0) throw new TypeError(`\`keys.${name}\` is not a number of seconds: ${value}`)
  return value * 1000
}
