/** Which of an Express app's routes declare a policy. */
import { handlerOf, type Layer, type LayerHandler, type RouteLayer, stackOf } from './express-layer.ts'
import { besideAt, openPolicyMark, readOpen } from './express-open.ts'

/** The middleware that `expressGuard` puts first, and the handlers that `allow` made. */
export const guardMark = new WeakSet<object>()
export const policyMark = new WeakSet<object>()

/**
 * Stops the start if something that answers has no policy, and names every one: the first handler of each route has to be
 * `allow(…)`, in routers too, or `app.use('/path', allow(…))` comes before it, with a policy that asks for a token: an open
 * one counts for what stands beside it alone. `app.use(…)` with a handler that takes no
 * `next` is a route, too. What takes `next` and answers all the same (`express.static`) cannot be told from other
 * middleware: it is refused when it is called. Call it when all routes are declared: what an open policy opens is read here,
 * and the layers of the app's router are changed so that a call which leaves it is kept back again.
 *
 * @returns the app
 * @throws Error that lists the routes, or that the guard is not there
 * @throws TypeError for anything but an app, which alone knows all its routers
 *
 * @example
 * ```ts
 * assertExpressGuarded(app).listen(3000)
 * ```
 */
export function assertExpressGuarded<App extends { router: unknown }>(app: App): App {
  const stack = stackOf(app.router)
  if (!stack)
    throw new TypeError('assertExpressGuarded takes an app of Express 5: a Router is looked at where it is used')
  const guardAt = stack.findIndex((layer) => guardMark.has(handlerOf(layer)))
  if (guardAt < 0) throw new Error('No guard stands before these routes: call expressGuard(app, guard) with this app')
  readOpen(stack)
  const routes = [
    // There is nothing yet that a policy could let through.
    ...unguardedIn(stack.slice(0, guardAt), () => false),
    ...unguardedIn(stack.slice(guardAt + 1), (handler) => policyMark.has(handler)),
  ]
  if (routes.length === 0) return app
  throw new Error(
    `These routes have no policy, and would not answer:\n${routes.map((route) => `  ${route}\n`).join('')}` +
      'expressGuard(app, guard) comes before all of them, and allow(…) first on each: allow(anyCaller()) if any valid ' +
      "token will do, allow(openToEveryone('why')) if none is needed.",
  )
}

/** A nested router does not tell where it is mounted. */
function unguardedIn(stack: readonly Layer[], isPolicy: (handler: object) => boolean): string[] {
  const policyPaths: unknown[] = []
  return stack.flatMap((layer, index) => {
    const { name, route, rawPath } = layer
    const handler = handlerOf(layer)
    // What is open is open where it is said: whatever comes after it (what `express.static` does not have) is another thing.
    if (isPolicy(handler) && !openPolicyMark.has(handler)) policyPaths.push(rawPath)
    if (policyPaths.some((path) => covers(path, rawPath))) return []
    if (route) return unguardedMethods(route.stack, isPolicy).map((method) => `${method} ${String(route.path)}`)
    const inner = stackOf(handler)
    if (inner) return unguardedIn(inner, isPolicy)
    // An app within an app is behind a function, and its routes cannot be seen.
    if (name === 'mounted_app') return ['an app that app.use(…) mounts: use a Router, whose routes can be looked at']
    const before = stack[index - 1]
    if (before && isPolicy(handlerOf(before)) && besideAt(stack, index - 1) === layer) return []
    return takesNoNext(handler) ? [`app.use(…) of ${name} at ${String(rawPath)}, which takes no next`] : []
  })
}

/** Each method of `app.route(…)` has handlers of its own, and so a first one of its own. */
function unguardedMethods(handlers: readonly RouteLayer[], isPolicy: (handler: object) => boolean): string[] {
  const unguarded = handlers.filter((layer, index) => {
    const { method } = layer
    const before = handlers.slice(0, index).filter((other) => other.method === undefined || other.method === method)
    return !isPolicy(handlerOf(layer)) && !before.some((other) => isPolicy(handlerOf(other)))
  })
  return [...new Set(unguarded.map(({ method }) => method?.toUpperCase() ?? 'ALL'))]
}

/** Whether whatever matches `path` is under `base`. What this cannot tell is not. */
function covers(base: unknown, path: unknown): boolean {
  if (typeof base !== 'string' || typeof path !== 'string') return false
  const folder = base.replace(/\/$/, '')
  return folder === '' || path === folder || path.startsWith(`${folder}/`)
}

/** One without any parameter may be `(...args)`. */
function takesNoNext({ length }: LayerHandler): boolean {
  return length === 1 || length === 2
}
