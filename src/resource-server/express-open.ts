/**
 * What an open policy opens in Express: the handlers of its route, or the one that stands beside it in `app.use(…)`. A
 * handler there does not learn from where a call came to it, so the app's list of layers is read at start, and what the
 * policy opens is closed again where a call leaves it.
 */
import { handlerOf, type Layer, type LayerHandler, replaceHandler, stackOf } from './express-layer.ts'
import { missingGuard, passages } from './express-passage.ts'

type Middleware = (request: Request, response: never, next: Next) => unknown
type ErrorMiddleware = (error: unknown, request: Request, response: never, next: Next) => unknown
type Next = (error?: unknown) => void

/** Express's own methods (`res.sendFile`) go on by the request's `next`. */
interface Request {
  next?: unknown
}

/** The handlers of open policies that `allow` made. They open nothing before they are read here. */
export const openPolicyMark = new WeakSet<object>()

/** Opens what stands beside the open policies of these layers and of the routers in them. May be called again. */
export function readOpen(stack: readonly Layer[]): void {
  for (const [index, layer] of stack.entries()) {
    const own = handlerOf(layer)
    readOpen(stackOf(own) ?? [])
    replaceHandler(layer, layer.route ? routeOf(layer, own) : layerOf(stack, index, own))
  }
}

function routeOf({ route }: Layer, own: LayerHandler): LayerHandler {
  const policies = (route?.stack ?? []).filter((inner) => openPolicyMark.has(handlerOf(inner)))
  for (const policy of policies) replaceHandler(policy, opening())
  return policies.length === 0 ? own : closing(own)
}

function layerOf(stack: readonly Layer[], index: number, own: LayerHandler): LayerHandler {
  if (openPolicyMark.has(own)) return besideAt(stack, index) ? opening() : closing(opening())
  // One of errors may hand on what failed where it was open.
  return besideAt(stack, index - 1) || own.length > 3 ? closing(own) : own
}

/**
 * What stands beside an open policy in `app.use(…)`: the next handler, if it has the same path. The router keeps no more of
 * which were declared in one call; where it keeps no path nothing is.
 */
export function besideAt(stack: readonly Layer[], index: number): Layer | undefined {
  const [policy, next] = [stack[index], stack[index + 1]]
  if (!policy || !next || policy.route || next.route || !openPolicyMark.has(handlerOf(policy))) return undefined
  // One of errors does not get the call.
  return isSamePath(policy.rawPath, next.rawPath) && handlerOf(next).length < 4 ? next : undefined
}

function isSamePath(one: unknown, other: unknown): boolean {
  const [paths, others] = [[one].flat(), [other].flat()]
  return one !== undefined && paths.length === others.length && paths.every((path, index) => path === others[index])
}

/** One for each layer: it tells which policy was declared there. */
function opening(): LayerHandler {
  const open: Middleware = (request, _response, next) => {
    const passage = passages.get(request)
    if (!passage) return next(missingGuard())
    passage.open()
    next()
  }
  return open as LayerHandler
}

/** Closes what was open when the call goes on. With an error it does not: what the app says to that is of what has failed. */
function closing(own: LayerHandler): LayerHandler {
  const goOnFrom = (request: Request, next: Next): Next => {
    const goOn: Next = (error) => {
      request.next = next
      if (!error || error === 'route' || error === 'router') passages.get(request)?.close()
      next(error)
    }
    request.next = goOn
    return goOn
  }
  const handler: Middleware = (request, response, next) =>
    (own as Middleware)(request, response, goOnFrom(request, next))
  const errorHandler: ErrorMiddleware = (error, request, response, next) =>
    (own as ErrorMiddleware)(error, request, response, goOnFrom(request, next))
  return (own.length > 3 ? errorHandler : handler) as LayerHandler
}
