/** The guard in Hono: authentication for every route, policies on each, and no answer from one that has none. */
import type { Context, MiddlewareHandler } from 'hono'
import { insteadOf } from './bypass.ts'
import type { Call } from './call.ts'
import type { Access } from './claims.ts'
import type { Guard } from './guard.ts'
import { GuardError } from './guard-error.ts'
import { answerInstead, fieldsInFront } from './hono-answer.ts'
import { openUntil } from './hono-open.ts'
import { demandedBy, guardMark, policyMark } from './hono-routes.ts'
import { type AnyPolicy, type OpenPolicy, type Policy, readPolicies } from './policy.ts'

/**
 * What `honoGuard` gives to routes: `c.var.access`, as the type of a handler that is written apart. An app needs no type: on
 * `new Hono()` each `allow` states the caller of its route, and where all may call the compiler knows of none. On
 * `Hono<GuardedEnv>`, and on what is chained to `use(honoGuard(guard))`, it takes `access` for given on such a route too,
 * where it is undefined.
 *
 * @example
 * ```ts
 * const showTenant = (c: Context<GuardedEnv<Staff>>) => c.text(c.var.access.claims.tenant)
 * app.get('/tenant', allow<Staff>(anyCaller()), showTenant)
 * ```
 */
export interface GuardedEnv<Claims extends object = object> {
  Variables: {
    /** Who calls. Undefined on a route that is open to everyone, whatever this type says. */
    access: Access<Claims>
  }
}

/** What `allow` needs of the guard that let this call in. */
interface Passage {
  readonly guard: Guard
  readonly call: Call
  /** Goes with each refusal. */
  readonly fieldsInFront: Headers | undefined
  /** Who calls, after the guards around this one have let them in. Asks once. */
  authenticate(): Promise<Access>
  /** A policy has let the call in, or refused it: what is answered from then on stands. */
  isSettled: boolean
  /** An open policy has let it in as far as this one of the matched routes. */
  openTo: number
}

/** With a guard within a guard, the inner one's: its policies come after both. */
const passages = new WeakMap<Context, Passage>()

/**
 * Middleware for all routes that are declared after it. It wants a valid token (a path that is not there, too). A route
 * that has no policy gets 403, whatever the token; where no policy is ahead nothing else runs either, and the answer is
 * the app's `notFound`. Middleware between it and the policy does run for whoever has a valid token, but what that answers
 * in the policy's place is replaced. What the guard refuses it answers itself; a GuardError that a handler throws, too. With
 * that go the fields that were set in front of it, and not what was set behind.
 *
 * @example
 * ```ts
 * app.use(honoGuard(jwtGuard({ issuer: 'https://login.example.com', audience: 'https://api.example.com' })))
 * ```
 */
export function honoGuard<Claims extends object = object>(guard: Guard<Claims>): MiddlewareHandler<GuardedEnv<Claims>> {
  const middleware: MiddlewareHandler<GuardedEnv<Claims>> = async (c, next) => {
    const call = callOf(c)
    const outer = passages.get(c)
    let isKnown = false
    const authenticate = async () => {
      await outer?.authenticate()
      if (!isKnown) c.set('access', await guard.authenticate(call))
      isKnown = true
      return c.var.access
    }
    const passage: Passage = {
      guard: guard as unknown as Guard,
      call,
      // What was set between two guards is behind the outer one.
      fieldsInFront: outer ? outer.fieldsInFront : fieldsInFront(c),
      authenticate,
      isSettled: false,
      openTo: -1,
    }
    passages.set(c, passage)
    // The helper of `hono/route` is the same list, and would make Hono a dependency of the whole guard.
    const demanded = demandedBy(c.req.matchedRoutes.slice(c.req.routeIndex + 1))
    if (demanded === 'unread') {
      throw new Error(
        "allow(openToEveryone('why')) opens nothing before assertGuarded(app) has read which handlers stand beside it: " +
          'call that when all routes are declared',
      )
    }
    try {
      if (demanded !== 'open') {
        const access = await authenticate()
        if (demanded === 'undeclared') await guard.authorize(call, access, [])
      }
    } catch (error) {
      if (error instanceof GuardError) return answerInstead(c, passage.fieldsInFront, () => guard.respond(error))
      throw error
    }
    if (demanded === 'nothing') {
      const notFound = await c.notFound()
      if (notFound.status === 404) return notFound
      c.res = notFound
      return answerInstead(c, passage.fieldsInFront, (begun) => insteadOf(begun, guard, call, c.var.access))
    }

    await next()
    if (passages.get(c) !== passage) return undefined
    const { error } = c
    if (error instanceof GuardError) {
      answerInstead(c, passage.fieldsInFront, () => {
        guard.report(error, call, c.var.access)
        return guard.respond(error)
      })
    } else if (!passage.isSettled && c.req.routeIndex > passage.openTo) {
      answerInstead(c, passage.fieldsInFront, (begun) => insteadOf(begun, guard, call, c.var.access))
    }
    return undefined
  }
  guardMark.add(middleware)
  return middleware
}

/**
 * The policies of a route: its first middleware. All have to hold. In front of a folder (`app.use('/orders/*', allow(…))`)
 * they hold for what is declared after it. An open one does not: it opens the handlers beside it, which are those of the same
 * method and path that are declared at once after it, and in front of a folder the next one alone. `assertGuarded(app)` reads
 * which those are: before that a route that is open answers 500.
 *
 * It also states the type of `c.var.access` for the route; `allow<Staff>(…)` that of the claims.
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
    if (needed === 'open') {
      passage.openTo = Math.max(passage.openTo, openUntil(c.req.matchedRoutes, c.req.routeIndex) ?? -1)
      return next()
    }
    try {
      // Known already, but for a call that came here through an open handler.
      await passage.guard.authorize(passage.call, await passage.authenticate(), needed)
    } catch (error) {
      if (!(error instanceof GuardError)) throw error
      passage.isSettled = true
      return answerInstead(c, passage.fieldsInFront, () => passage.guard.respond(error))
    }
    passage.isSettled = true
    await next()
    return undefined
  }
  policyMark.set(middleware, needed)
  return middleware as MiddlewareHandler
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
