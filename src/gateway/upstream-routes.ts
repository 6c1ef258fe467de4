/** From an API's URL back to the session route that reaches it, by the rules by which a path finds its route. */
import { withoutParameterNames } from '../config/path-patterns.ts'
import type { Route } from '../config/types.ts'
import { buildRouteTable, type RouteTable } from './match.ts'

/**
 * Gives the most specific route that reaches the URL; of several that reach it alike, the first. A token goes only to the
 * resource that it is for (RFC 9700 §4.9.1).
 *
 * @throws TypeError for a URL that none reaches with this method; CoatcheckError `path_not_canonical` if the server may
 *   take its path for one that a more specific route reaches
 */
export type FindRoute = (url: URL, method: string) => Route

export function sessionRoutesByUpstream(routes: readonly Route[]): FindRoute {
  const byOrigin = Map.groupBy(
    routes.filter(({ auth }) => auth === 'session'),
    ({ upstream }) => upstream.origin,
  )
  const tables = new Map<string, RouteTable>()
  for (const [origin, ofOrigin] of byOrigin) tables.set(origin, buildRouteTable(firstOfEach(ofOrigin.map(turned))))
  return (url, method) => {
    const match = tables.get(url.origin)?.match(url.pathname, method)
    if (match?.kind === 'route') return match.route
    throw new TypeError(`no session route takes ${method} ${url.origin}${url.pathname}`)
  }
}

/** The route with its upstream's path for its own. */
function turned(route: Route): Route {
  const { basePath } = route.upstream
  return { ...route, path: route.isExact ? basePath || '/' : `${basePath}/*`, prefix: basePath }
}

/** Without the methods of those that another route reaches at the same path. */
function firstOfEach(routes: readonly Route[]): Route[] {
  const taken = new Set<string>()
  return routes.map((route) => {
    const keyOf = (method: string) => `${method} ${withoutParameterNames(route.path)}`
    const methods = new Set([...route.methods].filter((method) => !taken.has(keyOf(method))))
    for (const method of methods) taken.add(keyOf(method))
    return { ...route, methods }
  })
}
