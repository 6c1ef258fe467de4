/** All routes, and what has to hold between them. */
import { overlap, parametersOf, withoutParameterNames } from './path-patterns.ts'
import { isAtOrBelow, withoutWildcard } from './paths.ts'
import { type Issues, join } from './read-object.ts'
import { reportConflicts } from './resource-conflicts.ts'
import { type ReadRoute, type RouteContext, readRoute } from './route.ts'
import type { Route } from './types.ts'

export interface RoutesContext extends RouteContext {
  readonly basePath: string | undefined
  readonly hasSpa: boolean
}

export function readRoutes(input: unknown, path: string, issues: Issues, context: RoutesContext): ReadRoute[] {
  if (!Array.isArray(input)) {
    issues.push({
      path,
      problem: input === undefined ? 'is not set' : 'has to be a list',
      cure: 'write [{ path, upstream, auth }, …], or [] for none',
    })
    return []
  }
  const routes = Array.from(input, (route, index) => readRoute(route, join(path, index), issues, context))
  reportOwnPaths(routes, path, issues, context)
  reportDuplicates(routes, path, issues)
  reportConflicts(routes, path, issues)
  return routes
}

/** Paths that are ours: our endpoints', and where there is an app, the root's. */
function reportOwnPaths(routes: readonly ReadRoute[], path: string, issues: Issues, context: RoutesContext): void {
  for (const [index, { partial }] of routes.entries()) {
    if (partial.path === undefined) continue
    const at = join(join(path, index), 'path')
    const prefix = withoutWildcard(partial.path)
    if (context.basePath !== undefined && isAtOrBelow(prefix, context.basePath)) {
      issues.push({
        path: at,
        problem: `is under ${context.basePath}, where our endpoints are`,
        cure: 'take another path, or set basePath',
      })
    } else if (context.basePath !== undefined && overlap(partial.path, `${context.basePath}/*`)) {
      issues.push({
        path: at,
        problem: `covers ${context.basePath}, where our endpoints are`,
        cure: 'take a narrower path, or set basePath to one that is not below it',
      })
    } else if (context.hasSpa && (isAtOrBelow(prefix, '/assets') || isParameterOf(partial.path, '/assets/*'))) {
      issues.push({
        path: at,
        problem: "is where the app's scripts are, so what the API answers with could run as one",
        cure: 'take another path, or leave out spa',
      })
    } else if (context.hasSpa && partial.path === '/') {
      issues.push({ path: at, problem: 'is where the app itself is', cure: 'take another path, or leave out spa' })
    }
  }
}

/** A `*` above is meant, and the app's files come first there; a parameter that takes their folder's name is not. */
function isParameterOf(pattern: string, files: string): boolean {
  return parametersOf(pattern).length > 0 && overlap(pattern, files)
}

function reportDuplicates(routes: readonly ReadRoute[], path: string, issues: Issues): void {
  const seen = new Map<string, number>()
  for (const [index, { partial }] of routes.entries()) {
    const pattern = withoutParameterNames(partial.path ?? '')
    const key = (method: string | undefined) => `${partial.listener} ${method} ${pattern}`
    const repeated = [...(partial.methods ?? [])].filter((method) => seen.has(key(method)))
    const earlier = seen.get(key(repeated[0]))
    if (partial.path !== undefined && earlier !== undefined) {
      issues.push({
        path: join(path, index),
        problem: `has the same path as ${join(path, earlier)}, for ${repeated.join(', ')}`,
        cure: 'leave one of them out, or give them different methods',
      })
    }
    for (const method of partial.methods ?? []) {
      if (!seen.has(key(method))) seen.set(key(method), index)
    }
  }
}

/** The routes that are right; all of them, if there is no mistake. */
export function completeRoutes(routes: readonly ReadRoute[]): Route[] {
  return routes.flatMap(({ complete }) => (complete ? [complete] : []))
}
