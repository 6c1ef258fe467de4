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
  const all = routes.map(accessOf)
  for (const [index, one] of all.entries()) {
    for (const [earlier, other] of all.slice(0, index).entries()) {
      if (!one || !other || !differ(one, other) || (one.shared && other.shared)) continue
      const silent = [one.shared ? undefined : index, other.shared ? undefined : earlier].filter(
        (at) => at !== undefined,
      )
      issues.push({
        path: join(path, index),
        problem: `reaches a resource with ${wayOf(one)} that ${join(path, earlier)} reaches with ${wayOf(other)}`,
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
  for (const [index, access] of routes.map(accessOf).entries()) {
    if (!access || access.shared || !differ(access, pages.access)) continue
    const at = join(routesPath, index)
    issues.push({
      path: join(spaPath, pages.name),
      problem: `gives everyone, as a page, what ${at} reaches with ${wayOf(access)}`,
      cure: `put the pages where no API is, or say in shared of ${at} why everyone may read it`,
    })
  }
}

/** Pages as a route that takes every path. */
function pagesOf(spa: SpaConfig): { name: string; access: Access } | undefined {
  if ('dir' in spa) return undefined
  const [name, url] = 'origin' in spa ? ['origin', spa.origin] : ['proxy', spa.proxy]
  const { origin, pathname } = new URL(url)
  const upstream = { origin, basePath: pathname.replace(/\/$/, ''), binding: undefined, settings: undefined }
  const methods = new Set(['GET', 'HEAD'])
  const reach = reachOf({ path: '/*', upstream, methods })
  return { name, access: { auth: 'none', listener: 'public', shared: undefined, reach } }
}

/**
 * What an auditor should look at: a resource that two routes reach with the same auth, and one of them asks for less. A
 * route that is cut out of a wider one, to the same place, is not meant: what it names never falls to the wider one.
 */
export function unequalReaches(routes: readonly Route[]): string[] {
  const all = routes.map((route) => ({ route, demands: demandsOf(route), reach: reachOf(route) }))
  const found: string[] = []
  for (const [index, one] of all.entries()) {
    for (const other of all.slice(0, index)) {
      const { auth, listener, path } = other.route
      if (one.route.auth !== auth || one.route.listener !== listener || one.demands === other.demands) continue
      if (!meet(one.reach, other.reach) || isCutOut(one.route, other.route) || isCutOut(other.route, one.route))
        continue
      found.push(`${one.route.path} reaches a resource that ${path} reaches, and they do not ask for the same`)
    }
  }
  return found
}

/** Paths that neither a route nor the wider one around it takes, as a server may confuse the two. */
export function leftOut(routes: readonly Route[]): string[] {
  const named = new Set(routes.filter(({ isExact }) => isExact).map(({ prefix }) => withoutParameterNames(prefix)))
  const demands = new Map(routes.map((route) => [route, demandsOf(route)]))
  const isWithin = (narrow: Route, wide: Route) =>
    narrow.listener === wide.listener && !wide.isExact && narrow.prefix.startsWith(`${wide.prefix}/`)
  return routes
    .filter((route) => !route.isExact && !named.has(withoutParameterNames(route.prefix)))
    .filter((route) => routes.some((wide) => isWithin(route, wide) && demands.get(wide) !== demands.get(route)))
    .map(({ path, prefix }) => `${path} does not take ${prefix} itself, and no other route does: give it its own`)
}

function isCutOut(narrow: Route, wide: Route): boolean {
  if (wide.isExact || !narrow.prefix.startsWith(`${wide.prefix}/`)) return false
  return narrow.upstream.basePath === wide.upstream.basePath + narrow.prefix.slice(wide.prefix.length)
}

/** How a route lets callers reach what, as far as it is known. */
interface Access extends Pick<ReadRoute, 'shared'>, Pick<Route, 'auth' | 'listener'> {
  readonly reach: Reach
}

function accessOf({ partial, shared }: ReadRoute): Access | undefined {
  const { auth, listener, path, upstream, methods } = partial
  if (!auth || !listener || path === undefined || !upstream || !methods) return undefined
  return { auth, listener, shared, reach: reachOf({ path, upstream, methods }) }
}

function differ(one: Access, other: Access): boolean {
  return (one.auth !== other.auth || one.listener !== other.listener) && meet(one.reach, other.reach, overlapLoosely)
}

/** A slash at the end makes no other resource: what is sent for `/a/*` may be the upstream's path and a slash. */
function overlapLoosely(one: string, other: string): boolean {
  return overlap(one, other) || overlap(`${one}/`, other) || overlap(one, `${other}/`)
}

/** The same `auth` on another listener lets others in. */
function wayOf({ auth, listener }: Access): string {
  return auth === 'client' ? `auth 'client' on the ${listener} listener` : `auth '${auth}'`
}

/** What a route reaches. Worked out once for each: of a thousand routes there are half a million pairs. */
interface Reach {
  readonly binding: Upstream['binding']
  readonly servers: readonly string[]
  /** One path, or all below it. */
  readonly pattern: string
  readonly methods: readonly string[]
}

function reachOf({ path, upstream, methods }: Pick<Route, 'path' | 'upstream' | 'methods'>): Reach {
  const { origin, basePath, binding, settings } = upstream
  return {
    binding,
    // A server that is a target of an upstream is the upstream, under another name.
    servers: [origin, ...(settings?.targets ?? [])].map(canonicalHost),
    pattern: isWildcard(path) ? `${basePath}/*` : basePath || '/',
    methods: [...methods],
  }
}

function meet(one: Reach, other: Reach, isOverlap = overlap): boolean {
  return (
    one.binding === other.binding &&
    one.servers.some((server) => other.servers.includes(server)) &&
    one.methods.some((method) => other.methods.includes(method)) &&
    isOverlap(one.pattern, other.pattern)
  )
}
