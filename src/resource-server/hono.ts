/** The guard in Hono: authentication for every route, policies on each, and no answer from one that has none. */
import type { Context, MiddlewareHandler } from 'hono'
import type { Call } from './call.ts'
import type { Access } from './claims.ts'
import type { Guard } from './guard.ts'
import { GuardError } from './guard-error.ts'
import { guardMark, isRouteItself, policiesOf, policyMark } from './hono-routes.ts'
import { type AnyPolicy, type OpenPolicy, type Policy, readPolicies } from './policy.ts'

/**
 * What `honoGuard` gives to routes: `c.var.access`.
 *
 * @example
 * ```ts
 * const app = new Hono<GuardedEnv<{ tenant: string }>>()
 * ```
 */
export interface GuardedEnv<Claims extends object = object> {
  Variables: {
    /** Who calls. Not there on a route that is open to everyone. */
    access: Access<Claims>
  }
}

/** What `allow` needs of the guard that let this call in. */
interface Passage {
  readonly guard: Guard
  readonly call: Call
  hasPassed: boolean
}

const passages = new WeakMap<Context, Passage>()

/**
 * Middleware for all routes that are declared after it. It wants a valid token (a path that is not there, too), and a
 * route that has no policy gets 403, whatever the token. What it refuses it answers itself; a GuardError that a handler
 * throws, too.
 *
 * @example
 * ```ts
 * app.use(honoGuard(jwtGuard({ issuer: 'https://login.example.com', audience: 'https://api.example.com' })))
 * ```
 */
export function honoGuard<Claims extends object = object>(guard: Guard<Claims>): MiddlewareHandler<GuardedEnv<Claims>> {
  const middleware: MiddlewareHandler<GuardedEnv<Claims>> = async (c, next) => {
    const call = callOf(c)
    const passage: Passage = { guard: guard as unknown as Guard, call, hasPassed: false }
    passages.set(c, passage)
    const demanded = demandedOf(c)
    try {
      if (demanded !== 'open') {
        const access = await guard.authenticate(call)
        c.set('access', access)
        if (demanded === 'undeclared') await guard.authorize(call, access, [])
      }
    } catch (error) {
      if (error instanceof GuardError) return guard.respond(error)
      throw error
    }

    await next()
    if (c.error instanceof GuardError) {
      guard.report(c.error, call, c.var.access)
      c.res = guard.respond(c.error)
    } else if (!passage.hasPassed && c.res.status < 400) {
      // Some middleware has answered before the policy could.
      await c.res.body?.cancel()
      const error = new GuardError('forbidden', { reason: 'policy_bypassed' })
      guard.report(error, call, c.var.access)
      c.res = guard.respond(error)
    }
    return undefined
  }
  guardMark.add(middleware)
  return middleware
}

/**
 * The policies of a route: its first middleware. All have to hold.
 *
 * @throws TypeError if none is named
 *
 * @example
 * ```ts
 * app.get('/orders/:id', allow(requireScopes('orders:read')), showOrder)
 * app.get('/prices', allow(openToEveryone('no personal data')), listPrices)
 * ```
 */
export function allow(policy: OpenPolicy): MiddlewareHandler
export function allow<Claims extends object = object>(
  ...policies: [Policy<Claims>, ...Policy<Claims>[]]
): MiddlewareHandler<GuardedEnv<Claims>>
export function allow(...policies: AnyPolicy[]): MiddlewareHandler {
  const needed = readPolicies(policies)
  const middleware: MiddlewareHandler<GuardedEnv> = async (c, next) => {
    const passage = passages.get(c)
    if (!passage) throw new Error('allow(…) stands behind honoGuard(…): app.use(honoGuard(guard)) comes first')
    try {
      if (needed !== 'open') await passage.guard.authorize(passage.call, c.var.access, needed)
    } catch (error) {
      if (error instanceof GuardError) return passage.guard.respond(error)
      throw error
    }
    passage.hasPassed = true
    await next()
    return undefined
  }
  policyMark.set(middleware, needed)
  return middleware as MiddlewareHandler
}

/** What the routes demand that this request will run through. */
function demandedOf(c: Context): 'caller' | 'open' | 'undeclared' {
  // The helper of `hono/route` is the same list, and would make Hono a dependency of the whole guard.
  const ahead = c.req.matchedRoutes.slice(c.req.routeIndex + 1)
  const declared = ahead.findIndex((route) => policiesOf(route.handler) !== undefined)
  const itself = ahead.findIndex(isRouteItself)
  if (itself >= 0 && (declared < 0 || itself < declared)) return 'undeclared'
  const isOpen = (policies: readonly Policy[] | 'open' | undefined) => policies === undefined || policies === 'open'
  return declared >= 0 && ahead.every((route) => isOpen(policiesOf(route.handler))) ? 'open' : 'caller'
}

function callOf(c: Context): Call {
  const { method, url, headers } = c.req.raw
  return { method, url, headers, native: c, waitUntil: (promise) => waitUntil(c, promise) }
}

function waitUntil(c: Context, promise: Promise<unknown>): void {
  let context: { waitUntil(promise: Promise<unknown>): void } | undefined
  try {
    context = c.executionCtx
  } catch {
    // Hono throws where there is none: elsewhere a promise needs nobody to keep it.
    return
  }
  context.waitUntil(promise)
}
