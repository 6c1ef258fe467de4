/**
 * What an open policy opens in Hono: the handlers that stand beside it. Only the app's own list tells which those are: of a
 * call Hono shows the routes that match, and not what was declared between two of them. So it is read from the list at start,
 * and nothing is open that was not read.
 */
import { type Handler, type Route, unwrapped } from './hono-route.ts'

/** Handlers that stand beside an open policy, as they were read at one place where it was declared. */
interface Beside {
  readonly method: string
  /** Within the app that declares it: another that takes that in by `route` puts its own path before. */
  readonly path: string
  readonly handlers: readonly Handler[]
}

const read = new WeakMap<Handler, Beside[]>()

/**
 * Reads what stands beside an open policy: what has its method and path, is of the same app, and is declared at once after it.
 * For a folder, `app.use(…)` and whatever else ends in `*`, it is the next handler alone, because what follows there is as
 * likely another thing.
 *
 * @param at where in the app's `routes` the policy is, whose index it gives where nothing stands beside it
 * @param isGuard what is behind a guard of its own is not open
 * @returns where in `routes` the last of them is
 */
export function readOpen(routes: readonly Route[], at: number, isGuard: (route: Route) => boolean): number {
  const policy = routes[at]
  if (policy === undefined) return at
  const mostBeside = policy.method === 'ALL' && policy.path.endsWith('*') ? 1 : routes.length
  const following = routes.slice(at + 1, at + 1 + mostBeside)
  const end = following.findIndex((route) => isGuard(route) || !isAlike(route, policy))
  const beside = end < 0 ? following : following.slice(0, end)
  const place: Beside = {
    method: policy.method,
    path: pathInApp(policy),
    handlers: beside.map(({ handler }) => unwrapped(handler)),
  }
  const places = read.get(unwrapped(policy.handler)) ?? []
  const isNew = !places.some((other) => isSame(other, place))
  read.set(unwrapped(policy.handler), isNew ? [...places, place] : places)
  return at + beside.length
}

/**
 * How far an open policy reaches in the routes of a call.
 *
 * @param at where in `matched` the policy is
 * @returns where the last handler beside it is; `at` if nothing is; undefined if that was never read
 */
export function openUntil(matched: readonly Route[], at: number): number | undefined {
  const policy = matched[at]
  if (policy === undefined) return undefined
  const fitting = (read.get(unwrapped(policy.handler)) ?? []).filter(({ method, path, handlers }) => {
    const following = matched.slice(at + 1, at + 1 + handlers.length)
    return (
      method === policy.method &&
      path === pathInApp(policy) &&
      following.length === handlers.length &&
      following.every((route, index) => isAlike(route, policy) && unwrapped(route.handler) === handlers[index])
    )
  })
  return fitting.length === 0 ? undefined : at + Math.max(...fitting.map(({ handlers }) => handlers.length))
}

function isAlike(route: Route, policy: Route): boolean {
  return route.method === policy.method && route.path === policy.path && route.basePath === policy.basePath
}

function isSame(one: Beside, other: Beside): boolean {
  const isLongAsOther = one.handlers.length === other.handlers.length
  if (one.method !== other.method || one.path !== other.path || !isLongAsOther) return false
  return one.handlers.every((handler, index) => handler === other.handlers[index])
}

function pathInApp({ path, basePath }: Route): string {
  return path.slice(basePath.length).replace(/^\/?/, '/')
}
