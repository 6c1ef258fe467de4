/** Which of a Hono app's routes declare a policy. */
import type { Hono } from 'hono'
import type { Policy } from './policy.ts'

type Handler = (...args: never[]) => unknown

/** The middleware that `honoGuard` and `allow` made. */
export const guardMark = new WeakSet<Handler>()
export const policyMark = new WeakMap<Handler, readonly Policy[] | 'open'>()

interface Route {
  readonly method: string
  readonly path: string
  readonly handler: Handler
}

/** Hono wraps a handler when its sub-app has an error handler of its own, and keeps it under this name. */
function unwrapped(handler: Handler): Handler {
  const inner = (handler as { __COMPOSED_HANDLER?: Handler }).__COMPOSED_HANDLER
  return inner ? unwrapped(inner) : handler
}

function policiesOf(handler: Handler): readonly Policy[] | 'open' | undefined {
  return policyMark.get(unwrapped(handler))
}

/**
 * How far an open policy reaches: the last of the handlers that stand beside it, which are those of the same method and path
 * that follow at once. Hono keeps no more of `app.get('/prices', allow(…), listPrices)` than that.
 *
 * @param at where in `routes` the policy is, whose index it gives where nothing stands beside it
 */
export function openUntil(routes: readonly Route[], at: number): number {
  const policy = routes[at]
  const isBeside = (route: Route | undefined) =>
    route !== undefined &&
    route.method === policy?.method &&
    route.path === policy.path &&
    !guardMark.has(unwrapped(route.handler))
  let last = at
  while (isBeside(routes[last + 1])) last += 1
  return last
}

/**
 * What the routes demand that a request will run through. `nothing` is ahead where no policy is, nor an open one that has
 * a handler beside it; something `undeclared` is, where a route that no policy covers may get the call.
 */
export function demandedBy(ahead: readonly Route[]): 'caller' | 'open' | 'undeclared' | 'nothing' {
  let openTo = -1
  let isOpen = false
  let isAtEnd = false
  for (const [index, route] of ahead.entries()) {
    const policies = policiesOf(route.handler)
    if (policies === 'open') openTo = openUntil(ahead, index)
    else if (policies !== undefined) return 'caller'
    else if (index <= openTo) {
      isOpen = true
      // What takes `next` may hand the call on to a route that is not open.
      isAtEnd ||= unwrapped(route.handler).length < 2
    } else if (isRouteItself(route) && !isAtEnd) return 'undeclared'
  }
  return isOpen ? 'open' : 'nothing'
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
 * serves nothing. An open policy counts for the handlers beside it alone.
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
    if (policiesOf(handler) === 'open') isOpen.fill(true, at + 1, openUntil(routes, at) + 1)
  }
  const unguarded = routes.filter((route, index) => {
    const isRoute = isRouteItself(route) || (isMiddleware(route) && !leadsOn(route, routes.slice(index + 1)))
    if (!isRoute) return false
    const before = routes.slice(0, index).filter((other) => covers(other, route))
    // A guard within a guard wants a policy of its own.
    const guardAt = before.findLastIndex(({ handler }) => guardMark.has(unwrapped(handler)))
    if (guardAt < 0) return true
    return !isOpen[index] && !before.slice(guardAt).some(({ handler }) => Array.isArray(policiesOf(handler)))
  })
  return [...new Set(unguarded.map(({ method, path }) => `${method} ${path}`))]
}

/**
 * Stops the start if a route has no policy, and names every one. Call it when all routes are declared.
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
