/** What `npm run bench:guard` measures, and what it tells. */

export const algorithms = ['RS256', 'ES256', 'EdDSA'] as const
export type Algorithm = (typeof algorithms)[number]

/**
 * `bare-jose` comes first: the others are compared with it. `coatcheck` remembers whose signature was valid and gets tokens that
 * come again; what a token costs that was never seen is `coatcheck-unseen`, which remembers none. No other one remembers.
 */
export const subjects = [
  'bare-jose',
  'coatcheck-unseen',
  'coatcheck',
  'coatcheck-hono-unseen',
  'coatcheck-hono',
  'hono-jwk',
  'express-oauth2-jwt-bearer',
] as const

export interface SubjectOptions {
  readonly name: string
  readonly issuer: string
  readonly audience: string
  readonly keys: readonly object[]
  readonly tokens: Readonly<Record<Algorithm, readonly string[]>>
}

export interface Slice {
  readonly calls: number
  readonly seconds: number
  /** User and system time of the whole process: signatures are checked on threads of their own. */
  readonly cpuMicros: number
}

export interface Row {
  readonly alg: Algorithm
  readonly name: string
  readonly callsPerSecond: number
  readonly cpuMicrosPerCall: number
  /** CPU a call, to that of bare jose in the neighbouring slice. */
  readonly cpuToBareJose: { readonly median: number; readonly p10: number; readonly p90: number }
}
