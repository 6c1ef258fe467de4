/** The guard in Express 5 (and 4). */
import { callerOf, rememberCaller } from './callers.ts'
import type { Guard } from './guard.ts'
import { GuardError } from './guard-error.ts'
import { type NodeRequest, nodeCall } from './node-call.ts'
import { type OpenPolicy, type Policy, readPolicies } from './policy.ts'

/** What is used of Express's request. */
export interface ExpressRequest extends NodeRequest {
  readonly originalUrl: string
}

/** What is used of Express's response. */
export interface ExpressResponse {
  readonly headersSent: boolean
  statusCode: number
  setHeader(name: string, value: string): unknown
  end(body: string): unknown
}

export type ExpressHandler = (
  request: ExpressRequest,
  response: ExpressResponse,
  next: (error?: unknown) => void,
) => void

export type ExpressErrorHandler = (
  error: unknown,
  request: ExpressRequest,
  response: ExpressResponse,
  next: (error?: unknown) => void,
) => void

/** The function that gives a route its policies: at least one. */
export interface ExpressAllow<Claims extends object> {
  (policy: OpenPolicy): ExpressHandler
  (...policies: [Policy<Claims>, ...Policy<Claims>[]]): ExpressHandler
}

const marked = new WeakSet<object>()

/**
 * Gives the function that puts a route behind the guard: its first handler, with the route's policies. In the route,
 * `accessOf(req)` is who calls.
 *
 * @example
 * ```ts
 * const app = express()
 * const allow = expressGuard(guard)
 * app.get('/orders', allow(requireScopes('orders:read')), (req, res) => res.json(ordersOf(accessOf(req).sub)))
 * app.use(expressErrors(guard))
 * assertExpressGuarded(app)
 * app.listen(3000)
 * ```
 */
export function expressGuard<Claims extends object = object>(guard: Guard<Claims>): ExpressAllow<Claims> {
  return (...policies: (Policy<Claims> | OpenPolicy)[]) => {
    const needed = readPolicies(policies)
    const handler: ExpressHandler = (request, response, next) => {
      if (needed === 'open') return next()
      admit(guard, needed, request).then(
        () => next(),
        (error) => (error instanceof GuardError ? send(guard.respond(error), response, next) : next(error)),
      )
    }
    marked.add(handler)
    return handler
  }
}

async function admit<Claims extends object>(
  guard: Guard<Claims>,
  policies: readonly Policy<Claims>[],
  request: ExpressRequest,
): Promise<void> {
  const call = nodeCall(request, request.originalUrl, request)
  const access = await guard.authenticate(call)
  await guard.authorize(call, access, policies)
  rememberCaller(request, access)
}

/**
 * The last middleware: answers the GuardErrors that handlers throw (an object's rule), and passes everything else on.
 *
 * @example
 * ```ts
 * app.use(expressErrors(guard))
 * ```
 */
export function expressErrors<Claims extends object>(guard: Guard<Claims>): ExpressErrorHandler {
  return (error, request, response, next) => {
    if (!(error instanceof GuardError) || response.headersSent) return next(error)
    const call = nodeCall(request, request.originalUrl, request)
    guard.report(error, call, callerOf(request) as Parameters<typeof guard.report>[2])
    send(guard.respond(error), response, next)
  }
}

/**
 * Stops the start if a route has no policy, and names every one: the first handler of each has to be `allow(…)`, in
 * routers too. Call it when all routes are declared.
 *
 * @returns the app
 * @throws Error that lists the routes
 *
 * @example
 * ```ts
 * assertExpressGuarded(app).listen(3000)
 * ```
 */
export function assertExpressGuarded<App extends { router: unknown }>(app: App): App {
  const routes = unguardedIn(app.router)
  if (routes.length === 0) return app
  throw new Error(
    `These routes have no policy, and would answer everybody:\n${routes.map((route) => `  ${route}\n`).join('')}` +
      "allow(…) comes first on each: allow(openToEveryone('why')) if no token is needed.",
  )
}

interface Layer {
  readonly name?: string
  readonly route?: { readonly path: unknown; readonly methods: object; readonly stack: readonly Handler[] }
  readonly handle?: unknown
}

interface Handler {
  /** Undefined for all of them. */
  readonly method?: string | undefined
  readonly handle: object
}

/** What Express's own router keeps; a nested one does not tell where it is mounted. */
function unguardedIn(router: unknown): string[] {
  const { stack } = Object(router) as { stack?: readonly Layer[] }
  return (stack ?? []).flatMap(({ name, route, handle }) => {
    // An app within an app is behind a function, and its routes cannot be seen.
    if (name === 'mounted_app') return ['an app that app.use(…) mounts: use a Router, whose routes can be looked at']
    if (!route) return unguardedIn(handle)
    return unguardedMethods(route.stack).map((method) => `${method} ${String(route.path)}`)
  })
}

/** Each method of `app.route(…)` has handlers of its own, and so a first one of its own. */
function unguardedMethods(handlers: readonly Handler[]): string[] {
  const unguarded = handlers.filter(({ method, handle }, index) => {
    const before = handlers.slice(0, index).filter((other) => other.method === undefined || other.method === method)
    return !marked.has(handle) && !before.some((other) => marked.has(other.handle))
  })
  return [...new Set(unguarded.map(({ method }) => method?.toUpperCase() ?? 'ALL'))]
}

function send(answer: Response, response: ExpressResponse, next: (error?: unknown) => void): void {
  response.statusCode = answer.status
  for (const [name, value] of answer.headers) response.setHeader(name, value)
  answer.text().then((body) => response.end(body), next)
}
