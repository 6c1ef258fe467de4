/**
 * One way to prove who calls for each resource (API-8). A resource is an upstream's origin, a path as it is
 * sent, and a method; two routes that reach the same one with different `auth` are refused, unless both
 * say why.
 *
 * A wildcard counts for every path below its upstream, also for one that a more specific route takes over:
 * an API that ignores a slash at the end, or case, gives the same resource for both.
 */
import { isWildcard } from './paths.ts'
import { type Issues, join } from './read-object.ts'
import type { ReadRoute } from './route.ts'
import type { Upstream } from './types.ts'

export function reportConflicts(routes: readonly ReadRoute[], path: string, issues: Issues): void {
  for (const [index, route] of routes.entries()) {
    for (const [earlier, other] of routes.slice(0, index).entries()) {
      if (!reachDifferently(route, other) || (route.shared && other.shared)) continue
      const silent = [route.shared ? undefined : index, other.shared ? undefined : earlier].filter(
        (at) => at !== undefined,
      )
      issues.push({
        path: join(path, index),
        problem: `reaches a resource with auth '${route.partial.auth}' that ${join(path, earlier)} reaches with auth '${other.partial.auth}'`,
        cure: `give both the same auth, or say why in shared (it lacks in ${silent.map((at) => join(path, at)).join(' and ')})`,
      })
    }
  }
}

function reachDifferently({ partial: one }: ReadRoute, { partial: other }: ReadRoute): boolean {
  if (!one.auth || !other.auth || one.auth === other.auth) return false
  if (!one.upstream || !other.upstream || one.path === undefined || other.path === undefined) return false
  const sharesMethod = [...(one.methods ?? [])].some((method) => other.methods?.has(method))
  return (
    sharesMethod &&
    isSameServer(one.upstream, other.upstream) &&
    overlap(reach(one.path, one.upstream), reach(other.path, other.upstream))
  )
}

function isSameServer(one: Upstream, other: Upstream): boolean {
  return one.origin === other.origin && one.binding === other.binding
}

/** What a route reaches: one path, or all below it (then with the slash). */
function reach(path: string, { basePath }: Upstream): { path: string; isPrefix: boolean } {
  return isWildcard(path) ? { path: `${basePath}/`, isPrefix: true } : { path: basePath || '/', isPrefix: false }
}

function overlap(one: ReturnType<typeof reach>, other: ReturnType<typeof reach>): boolean {
  return (
    one.path === other.path ||
    (one.isPrefix && other.path.startsWith(one.path)) ||
    (other.isPrefix && one.path.startsWith(other.path))
  )
}
