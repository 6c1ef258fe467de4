/**
 * One way to prove who calls for each resource (API-8). A resource is an upstream's origin, a path as it is
 * sent, and a method; two routes that reach the same one with different `auth`, or on different listeners, are refused,
 * unless both say why.
 *
 * A wildcard counts for every path below its upstream, also for one that a more specific route takes over, and for the
 * upstream's own path: an API that ignores a slash at the end, or case, gives the same resource for both.
 */
import { demandsOf } from './demands.ts'
import { overlap, withoutParameterNames } from './path-patterns.ts'
import { isWildcard } from './paths.ts'
import { type Issues, join } from './read-object.ts'
import type { ReadRoute } from './route.ts'
import type { Route, Upstream } from './types.ts'
import { canonicalHost } from './urls.ts'
import type { SpaConfig } from './user-config.ts'

export function reportConflicts(routes: readonly ReadRoute[], path: string, issues: Issues): void {
  for (const [index, route] of routes.entries()) {
    for (const [earlier, other] of routes.slice(0, index).entries()) {
      if (!reachDifferently(route, other) || (route.shared && other.shared)) continue
      const silent = [route.shared ? undefined : index, other.shared ? undefined : earlier].filter(
        (at) => at !== undefined,
      )
      issues.push({
        path: join(path, index),
        problem: `reaches a resource with ${wayOf(route)} that ${join(path, earlier)} reaches with ${wayOf(other)}`,
        cure: `give both the same auth, or say why in shared (it lacks in ${silent.map((at) => join(path, at)).join(' and ')})`,
      })
    }
  }
}

/**
 * The app's pages are open to everyone: what a route reaches must not be among the files that `spa.origin` or `spa.proxy`
 * gives out. A route may say why they share; the pages have no field for it.
 */
export function reportPageConflicts(
  spa: SpaConfig | undefined,
  routes: readonly ReadRoute[],
  { spaPath, routesPath }: { spaPath: string; routesPath: string },
  issues: Issues,
): void {
  const pages = spa && pagesOf(spa)
  if (!pages) return
  for (const [index, route] of routes.entries()) {
    if (route.shared || !reachDifferently(route, pages.route)) continue
    const at = join(routesPath, index)
    issues.push({
      path: join(spaPath, pages.name),
      problem: `gives everyone, as a page, what ${at} reaches with ${wayOf(route)}`,
      cure: `put the pages where no API is, or say in shared of ${at} why everyone may read it`,
    })
  }
}

/** Pages as a route that takes every path. */
function pagesOf(spa: SpaConfig): { name: string; route: Pick<ReadRoute, 'partial'> } | undefined {
  if ('dir' in spa) return undefined
  const [name, url] = 'origin' in spa ? ['origin', spa.origin] : ['proxy', spa.proxy]
  const { origin, pathname } = new URL(url)
  const upstream = { origin, basePath: pathname.replace(/\/$/, ''), binding: undefined, settings: undefined }
  const methods = new Set(['GET', 'HEAD'])
  return { name, route: { partial: { path: '/*', upstream, methods, auth: 'none', listener: 'public' } } }
}

/**
 * What an auditor should look at: a resource that two routes reach with the same auth, and one of them asks for less. A
 * route that is cut out of a wider one, to the same place, is not meant: what it names never falls to the wider one.
 */
export function unequalReaches(routes: readonly Route[]): string[] {
  const found: string[] = []
  for (const [index, one] of routes.entries()) {
    for (const other of routes.slice(0, index)) {
      if (one.auth !== other.auth || one.listener !== other.listener || demandsOf(one) === demandsOf(other)) continue
      if (!sharesResource(one, other) || isCutOut(one, other) || isCutOut(other, one)) continue
      found.push(`${one.path} reaches a resource that ${other.path} reaches, and they do not ask for the same`)
    }
  }
  return found
}

/** Paths that neither a route nor the wider one around it takes, as a server may confuse the two. */
export function leftOut(routes: readonly Route[]): string[] {
  const named = new Set(routes.filter(({ isExact }) => isExact).map(({ prefix }) => withoutParameterNames(prefix)))
  const isWithin = (narrow: Route, wide: Route) =>
    narrow.listener === wide.listener && !wide.isExact && narrow.prefix.startsWith(`${wide.prefix}/`)
  return routes
    .filter((route) => !route.isExact && !named.has(withoutParameterNames(route.prefix)))
    .filter((route) => routes.some((wide) => isWithin(route, wide) && demandsOf(wide) !== demandsOf(route)))
    .map(({ path, prefix }) => `${path} does not take ${prefix} itself, and no other route does: give it its own`)
}

function sharesResource(one: Route, other: Route): boolean {
  return (
    [...one.methods].some((method) => other.methods.has(method)) &&
    isSameServer(one.upstream, other.upstream) &&
    overlap(reach(one.path, one.upstream), reach(other.path, other.upstream))
  )
}

function isCutOut(narrow: Route, wide: Route): boolean {
  if (wide.isExact || !narrow.prefix.startsWith(`${wide.prefix}/`)) return false
  return narrow.upstream.basePath === wide.upstream.basePath + narrow.prefix.slice(wide.prefix.length)
}

function reachDifferently(
  { partial: one }: Pick<ReadRoute, 'partial'>,
  { partial: other }: Pick<ReadRoute, 'partial'>,
): boolean {
  if (!one.auth || !other.auth || (one.auth === other.auth && one.listener === other.listener)) return false
  if (!one.upstream || !other.upstream || one.path === undefined || other.path === undefined) return false
  const sharesMethod = [...(one.methods ?? [])].some((method) => other.methods?.has(method))
  return (
    sharesMethod &&
    isSameServer(one.upstream, other.upstream) &&
    overlapLoosely(reach(one.path, one.upstream), reach(other.path, other.upstream))
  )
}

/** A slash at the end makes no other resource: what is sent for `/a/*` may be the upstream's path and a slash. */
function overlapLoosely(one: string, other: string): boolean {
  return overlap(one, other) || overlap(`${one}/`, other) || overlap(one, `${other}/`)
}

/** The same `auth` on another listener lets others in. */
function wayOf({ partial: { auth, listener } }: ReadRoute): string {
  return auth === 'client' ? `auth 'client' on the ${listener} listener` : `auth '${auth}'`
}

function isSameServer(one: Upstream, other: Upstream): boolean {
  if (one.binding !== other.binding) return false
  const servers = serversOf(one)
  return serversOf(other).some((server) => servers.includes(server))
}

/** A server that is a target of an upstream is the upstream, under another name. */
function serversOf({ origin, settings }: Upstream): string[] {
  return [origin, ...(settings?.targets ?? [])].map(canonicalHost)
}

/** What a route reaches, as a pattern: one path, or all below it. */
function reach(path: string, { basePath }: Upstream): string {
  return isWildcard(path) ? `${basePath}/*` : basePath || '/'
}
