/** What `npm run bench:guard` measures, and what it tells. */

export const algorithms = ['RS256', 'ES256', 'EdDSA'] as const
export type Algorithm = (typeof algorithms)[number]

/**
 * `bare-jose` comes first: the others are compared with it. `coatcheck` remembers whose signature was valid and gets tokens that
 * come again; what a token costs that was never seen is `coatcheck-unseen`, which remembers none. With
 * `coatcheck-unseen-remembered` it costs what it does by default: that one remembers as `coatcheck` does, and gets more tokens in
 * turn than it can, so that each is verified, and drives out another. No other one remembers.
 */
export const subjects = [
  'bare-jose',
  'coatcheck-unseen',
  'coatcheck-unseen-remembered',
  'coatcheck',
  'coatcheck-hono-unseen',
  'coatcheck-hono',
  'hono-jwk',
  'express-oauth2-jwt-bearer',
] as const

export type Subject = (typeof subjects)[number]

/**
 * How many signatures a slice has to verify: a row that measures something else is worse than none. `each` is one for each call;
 * `none` is for tokens that are remembered. `express-oauth2-jwt-bearer` verifies by `node:crypto`, which is not counted.
 */
export const signaturesOf: Partial<Record<Subject, 'each' | 'none'>> = {
  'bare-jose': 'each',
  'coatcheck-unseen': 'each',
  'coatcheck-unseen-remembered': 'each',
  coatcheck: 'none',
  'coatcheck-hono-unseen': 'each',
  'coatcheck-hono': 'none',
  'hono-jwk': 'each',
}

export interface SubjectOptions {
  readonly name: Subject
  readonly issuer: string
  readonly audience: string
  readonly keys: readonly object[]
  /** They come in turn, from slice to slice. */
  readonly tokens: Readonly<Record<Algorithm, readonly string[]>>
}

export interface Slice {
  readonly calls: number
  readonly seconds: number
  /** User and system time of the whole process: signatures are checked on threads of their own. */
  readonly cpuMicros: number
  /** Verified meanwhile, by WebCrypto. */
  readonly signatures: number
}

export interface Row {
  readonly alg: Algorithm
  readonly name: Subject
  readonly callsPerSecond: number
  readonly cpuMicrosPerCall: number
  /** CPU a call, to that of bare jose in the neighbouring slice. */
  readonly cpuToBareJose: { readonly median: number; readonly p10: number; readonly p90: number }
}
