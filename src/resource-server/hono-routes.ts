/** Which of a Hono app's routes declare a policy. */
import type { Hono } from 'hono'
import { openUntil, readOpen } from './hono-open.ts'
import { type Handler, type Route, unwrapped } from './hono-route.ts'
import type { Policy } from './policy.ts'

/** The middleware that `honoGuard` and `allow` made. */
export const guardMark = new WeakSet<Handler>()
export const policyMark = new WeakMap<Handler, readonly Policy[] | 'open'>()

function policiesOf(handler: Handler): readonly Policy[] | 'open' | undefined {
  return policyMark.get(unwrapped(handler))
}

/** The routes that `unguardedRoutes` has named, which are not run for a call that was let in openly. */
const namedRoutes = new WeakSet<Route>()

/**
 * What the routes demand that a request will run through. `nothing` is ahead where no policy is, nor an open one that has
 * a handler beside it; something `undeclared` is, where a route that no policy covers may get the call; `unread` is what an
 * open policy opens where nobody has read the app's list of routes.
 */
export function demandedBy(ahead: readonly Route[]): 'caller' | 'open' | 'undeclared' | 'unread' | 'nothing' {
  let openTo = -1
  let isOpen = false
  let isUnread = false
  let isNamedAhead = false
  for (const [index, route] of ahead.entries()) {
    const policies = policiesOf(route.handler)
    if (policies === 'open') {
      const until = openUntil(ahead, index)
      isUnread ||= until === undefined
      openTo = Math.max(openTo, until ?? -1)
    } else if (policies !== undefined) return 'caller'
    else if (index <= openTo) {
      isOpen = true
      // What takes `next` may hand the call on to what is not open, and so may `(...args)`, which is as long as none.
      if (unwrapped(route.handler).length === 1) break
    } else if (isRouteItself(route)) return isUnread ? 'unread' : 'undeclared'
    else isNamedAhead ||= namedRoutes.has(route)
  }
  if (isUnread) return 'unread'
  if (!isOpen) return 'nothing'
  return isNamedAhead ? 'undeclared' : 'open'
}

/** Something that answers, for certain: declared for a method, or without `next`, which is how Hono itself tells. */
function isRouteItself({ method, handler }: Route): boolean {
  const own = unwrapped(handler)
  if (policyMark.has(own) || guardMark.has(own)) return false
  return method !== 'ALL' || own.length < 2
}

/**
 * The routes that would not answer, because no policy stands before them, as `GET /orders/:id`. Hono keeps middleware and
 * `app.all(…)` alike: one that takes `next` is listed where no route comes after it, since then it answers itself, or
 * serves nothing. An open policy counts for the handlers beside it alone, and opens them once this has read the app's list.
 *
 * @example
 * ```ts
 * expect(unguardedRoutes(app)).toEqual([])
 * ```
 */
// biome-ignore lint/suspicious/noExplicitAny: any app will do, whatever its types
export function unguardedRoutes(app: Hono<any, any, any>): string[] {
  const routes: readonly Route[] = app.routes
  const isOpen = routes.map(() => false)
  for (const [at, { handler }] of routes.entries()) {
    if (policiesOf(handler) === 'open') isOpen.fill(true, at + 1, readOpen(routes, at, isGuard) + 1)
  }
  const unguarded = routes.filter((route, index) => {
    const isRoute = isRouteItself(route) || (isMiddleware(route) && !leadsOn(route, routes.slice(index + 1)))
    if (!isRoute) return false
    const before = routes.slice(0, index).filter((other) => covers(other, route))
    // A guard within a guard wants a policy of its own.
    const guardAt = before.findLastIndex(isGuard)
    if (guardAt < 0) return true
    return !isOpen[index] && !before.slice(guardAt).some(({ handler }) => Array.isArray(policiesOf(handler)))
  })
  for (const route of unguarded) namedRoutes.add(route)
  return [...new Set(unguarded.map(({ method, path }) => `${method} ${path}`))]
}

/**
 * Stops the start if a route has no policy, and names every one. Call it when all routes are declared: what an open policy
 * opens is read here.
 *
 * @returns the app
 * @throws Error that lists the routes
 *
 * @example
 * ```ts
 * export default assertGuarded(app)
 * ```
 */
// biome-ignore lint/suspicious/noExplicitAny: any app will do, whatever its types
export function assertGuarded<App extends Hono<any, any, any>>(app: App): App {
  const routes = unguardedRoutes(app)
  if (routes.length === 0) return app
  throw new Error(
    `These routes have no policy, and would not answer:\n${routes.map((route) => `  ${route}\n`).join('')}` +
      'app.use(honoGuard(guard)) comes first, and allow(…) first on each route: allow(anyCaller()) if any valid token ' +
      "will do; if none is needed allow(openToEveryone('why')), which opens the handlers beside it alone.",
  )
}

function isGuard({ handler }: Route): boolean {
  return guardMark.has(unwrapped(handler))
}

function isMiddleware({ handler }: Route): boolean {
  const own = unwrapped(handler)
  return !policyMark.has(own) && !guardMark.has(own)
}

/** Whether some request that meets this middleware may go on to a route, or to a policy that stands before one. */
function leadsOn(middleware: Route, after: readonly Route[]): boolean {
  return after.some((route) => {
    return (isRouteItself(route) || policiesOf(route.handler) !== undefined) && mayMeet(middleware.path, route.path)
  })
}

/** Whether one path may match both. Patterns that this cannot tell may. */
function mayMeet(one: string, other: string): boolean {
  const [segments, others] = [one.split('/'), other.split('/')] as const
  if (segments.length !== others.length && !hasOpenEnd(one) && !hasOpenEnd(other)) return false
  return segments.every((segment, index) => {
    const counterpart = others[index]
    return counterpart === undefined || segment === counterpart || isPattern(segment) || isPattern(counterpart)
  })
}

function hasOpenEnd(path: string): boolean {
  return path.endsWith('*') || path.endsWith('?')
}

function isPattern(segment: string): boolean {
  return /[:*{]/.test(segment)
}

/** Whether whatever matches `route` matches `other`. Patterns that this cannot tell do not. */
function covers(other: Route, route: Route): boolean {
  if (other.method !== 'ALL' && other.method !== route.method) return false
  if (other.path === route.path || other.path === '*' || other.path === '/*') return true
  const base = other.path.endsWith('/*') ? other.path.slice(0, -2) : undefined
  return base !== undefined && (route.path === base || route.path.startsWith(`${base}/`))
}
