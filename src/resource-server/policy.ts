/** What a caller has to be allowed: coarsely by scopes, finely by claims. Plain objects, the same in every framework. */
import type { Access } from './claims.ts'
import { GuardError } from './guard-error.ts'

/**
 * One condition of a route. Several together all have to hold.
 *
 * @example
 * ```ts
 * const officeHours: Policy = {
 *   name: 'office hours',
 *   check(access) {
 *     const hour = new Date(access.checkedAt * 1000).getUTCHours()
 *     if (hour < 8 || hour > 17) throw new GuardError('forbidden', { reason: 'office hours' })
 *   },
 * }
 * ```
 */
export interface Policy<Claims extends object = object> {
  readonly name: string
  /**
   * Returns nothing, or true, if the caller may go on; else throws the GuardError that says why. Anything else that it
   * gives, false above all, is 403 `forbidden`.
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: a function that returns nothing is one
  readonly check: (access: Access<Claims>) => void | boolean | Promise<void | boolean>
}

/**
 * A policy that needs no caller: what `openToEveryone` makes.
 *
 * @example
 * ```ts
 * const health: OpenPolicy = openToEveryone('the load balancer asks whether we live')
 * ```
 */
export interface OpenPolicy {
  readonly name: string
  /** Why no token is needed. */
  readonly open: string
}

/**
 * What a route may be given.
 *
 * @example
 * ```ts
 * const policyOf: Record<string, AnyPolicy> = { '/prices': openToEveryone('prices'), '/me': anyCaller() }
 * ```
 */
export type AnyPolicy<Claims extends object = object> = Policy<Claims> | OpenPolicy

/**
 * The token has to have all of these scopes: 403 `insufficient_scope`, which names them.
 *
 * @example
 * ```ts
 * app.get('/orders', allow(requireScopes('orders:read')), listOrders)
 * ```
 */
export function requireScopes(...scope: [string, ...string[]]): Policy {
  if (scope.length === 0 || !scope.every(isScopeToken)) {
    throw new TypeError(`Not scopes, one name each: ${scope.map((name) => JSON.stringify(name)).join(', ')}`)
  }
  return {
    name: `scopes ${scope.join(' ')}`,
    check(access) {
      if (scope.every((name) => access.scopes.has(name))) return
      throw new GuardError('insufficient_scope', { reason: 'scope', scope })
    },
  }
}

/**
 * The claims have to say so: 403 `forbidden`. Anything but true is no.
 *
 * @param name for logs: what is demanded
 *
 * @example
 * ```ts
 * interface Staff {
 *   roles?: string[]
 * }
 * const isRoaster = requireClaims<Staff>('is a roaster', (claims) => claims.roles?.includes('roaster') === true)
 * app.post('/roasts', allow(requireScopes('roasts:write'), isRoaster), startRoast)
 * ```
 */
export function requireClaims<Claims extends object = object>(
  name: string,
  isAllowed: (claims: Access<Claims>['claims'], access: Access<Claims>) => boolean | Promise<boolean>,
): Policy<Claims> {
  return {
    name,
    async check(access) {
      if ((await isAllowed(access.claims, access)) !== true) throw new GuardError('forbidden', { reason: name })
    },
  }
}

/**
 * The person has to have signed in strongly or recently enough: 401 with the challenge of RFC 9470, after which the
 * client signs them in again with these `acr_values` and `max_age`.
 *
 * @param options `acr`: one of them has to be the token's; `maxAge`: seconds since `auth_time`
 *
 * @example
 * ```ts
 * app.delete('/account', allow(requireScopes('account'), requireAuthentication({ acr: 'phr', maxAge: 300 })), leave)
 * ```
 */
export function requireAuthentication(options: { acr?: string | readonly string[]; maxAge?: number }): Policy {
  const acrValues = options.acr === undefined ? undefined : [options.acr].flat()
  const { maxAge } = options
  // RFC 9470 §3 has them in one parameter, with spaces between.
  const isUsable =
    acrValues === undefined ? maxAge !== undefined : acrValues.length > 0 && acrValues.every(isScopeToken)
  if (!isUsable || (maxAge !== undefined && !(Number.isInteger(maxAge) && maxAge >= 0))) {
    throw new TypeError('requireAuthentication needs `acr`, names without spaces, or `maxAge` in whole seconds')
  }
  return {
    name: `authentication ${[acrValues?.join(' '), maxAge].filter((part) => part !== undefined).join(', ')}`,
    check({ claims, checkedAt }) {
      const isStrong = acrValues === undefined || (typeof claims.acr === 'string' && acrValues.includes(claims.acr))
      if (isStrong && (maxAge === undefined || isRecent(claims.auth_time, checkedAt, maxAge))) return
      throw new GuardError('insufficient_user_authentication', {
        reason: isStrong ? 'auth_time' : 'acr',
        ...(acrValues && { acrValues }),
        ...(maxAge !== undefined && { maxAge }),
      })
    },
  }
}

/**
 * Any valid token will do. To be said where it is so, because a route without a policy does not answer.
 *
 * @example
 * ```ts
 * app.get('/me', allow(anyCaller()), (c) => c.json({ sub: c.var.access.sub }))
 * ```
 */
export function anyCaller(): Policy {
  return { name: 'any caller', check: () => undefined }
}

/**
 * No token is needed, and none is looked at.
 *
 * @param why for whoever reads the list of what is open
 *
 * @example
 * ```ts
 * app.get('/prices', allow(openToEveryone('the price list, no personal data')), listPrices)
 * ```
 */
export function openToEveryone(why: string): OpenPolicy {
  if (why.trim() === '') throw new TypeError('openToEveryone needs a reason')
  return { name: `open: ${why}`, open: why }
}

/** @throws TypeError for none, for what is no policy, and for an open one beside others: they would contradict each other */
export function readPolicies<Claims extends object>(
  policies: readonly AnyPolicy<Claims>[],
): readonly Policy<Claims>[] | 'open' {
  if (!Array.isArray(policies)) throw new TypeError('Policies are a list: write [ ] around them')
  if (policies.length === 0) throw new TypeError('Name a policy: anyCaller() if any valid token will do')
  const wrong = policies.findIndex((policy) => !hasCheck(policy) && !isOpen(policy))
  if (wrong >= 0) {
    throw new TypeError(
      `Policy ${wrong + 1} is none: write requireScopes('orders:read') or the like, or { name, check } of your own`,
    )
  }
  if (!policies.some(isOpen)) return policies as readonly Policy<Claims>[]
  if (policies.length === 1) return 'open'
  throw new TypeError('openToEveryone stands alone: the other policies need a caller')
}

function hasCheck(policy: unknown): boolean {
  return typeof (Object(policy) as { check?: unknown }).check === 'function'
}

/** What has a check is no open policy, whatever else it has: hours are open, too. */
function isOpen(policy: unknown): boolean {
  return !hasCheck(policy) && typeof (Object(policy) as { open?: unknown }).open === 'string'
}

/** RFC 6749 §3.3 scope-token. In JavaScript a list is a text, too, wherever one is asked for. */
function isScopeToken(name: unknown): boolean {
  return typeof name === 'string' && /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(name)
}

function isRecent(authTime: unknown, nowSeconds: number, maxAge: number): boolean {
  // RFC 9068 §2.2.1 says seconds since the epoch. One from tomorrow would be recent for ever.
  const tolerance = 5
  if (typeof authTime !== 'number' || authTime > nowSeconds + tolerance) return false
  return nowSeconds - authTime <= maxAge
}
