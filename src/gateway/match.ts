/**
 * Which route a path belongs to, and where it goes. The more specific route wins (`path-tree.ts`); the order of the
 * configuration never matters, nor does the method: a path that a specific route names never falls through to a wider one.
 *
 * Paths are compared case-sensitively, in a form where equivalent escapes are one (`%2c`, `%2C` and `,`): a second
 * spelling of a route's literal part must not reach the same resource by a wider route. What is sent is what came.
 * For the same reason a path with an encoded slash or a parameter, where a route takes these, has to belong to that
 * route also as a server reads it that decodes the one and cuts off the other. And a path that a server may take for
 * one of a more specific route, because it ignores case or a slash at the end, is refused, unless both ask for the same.
 */
import { demandsOf } from '../config/demands.ts'
import type { Route } from '../config/types.ts'
import { CoatcheckError } from '../errors.ts'
import { type Found, pathTree } from './path-tree.ts'
import { isPathCharacter, octetOfEscape } from './uri-characters.ts'

export type RouteMatch =
  | {
      readonly kind: 'route'
      /** With its parameters filled in: its path, and its upstream's, are this call's. */
      readonly route: Route
      /** What `*` matched, as it came; `''` for an exact route. */
      readonly rest: string
    }
  | {
      readonly kind: 'method_not_allowed'
      /** For the `Allow` field. */
      readonly allow: string[]
      /** A session route has this path: `OPTIONS` is 403 there, since there is no CORS. */
      readonly isSessionPath: boolean
    }
  | { readonly kind: 'none' }

export interface RouteTable {
  /**
   * Takes a path that `checkTarget` accepted. Its cost depends on the path and the longest prefix, not on the routes.
   *
   * @throws CoatcheckError `path_not_canonical` if a server may read the path as another route's
   */
  match(path: string, method: string): RouteMatch
  /** Whether any route has this path, whatever the method. */
  has(path: string): boolean
}

/** @throws Error if two routes have the same path and method. */
export function buildRouteTable(routes: readonly Route[]): RouteTable {
  const groups = new Map<string, Group>()
  for (const route of routes) add(groups, withoutNames(comparable(route.path)), route)
  const demands = new Map(routes.map((route) => [route, demandsOf(route)]))
  const tree = pathTree<Group>({ takesOwnPath: false })
  const looseTree = pathTree<Group>({ takesOwnPath: true })
  for (const [pattern, group] of groups) {
    tree.add(pattern, group)
    looseTree.add(looseOfPattern(pattern), group)
  }

  /** The group of the path, and what its parts are. */
  function find(path: string): { group: Group; at: Found<Group> } | undefined {
    const at = tree.find(comparable(path))
    const group = at?.values[0]
    return group && at && { group, at }
  }

  return {
    match(path, method) {
      const found = find(path)
      if (!found) return none
      const { group, at } = found
      const other = otherReading(path)
      if (other !== path && find(other)?.group !== group) throw new CoatcheckError('path_not_canonical')
      const route = group.routes.get(method)
      // What a path without parameters names is that route's.
      if (route && (at.restSegment >= 0 || at.parameters.length > 0)) {
        for (const rivals of looseTree.find(loose(comparable(other)))?.values ?? []) {
          const rival = rivals.routes.get(method)
          if (!rival || demands.get(rival) !== demands.get(route)) throw new CoatcheckError('path_not_canonical')
        }
      }
      if (!route) {
        return { kind: 'method_not_allowed', allow: [...group.routes.keys()], isSessionPath: group.hasSession }
      }
      const bound = at.parameters.length === 0 ? route : bind(route, path, at.parameters)
      return { kind: 'route', route: bound, rest: at.restSegment < 0 ? '' : afterSlash(path, at.restSegment) }
    },
    has: (path) => find(path) !== undefined,
  }
}

/** The target at the upstream: what `*` matched after its base path, or for an exact route the upstream's own path. */
export function upstreamTarget(route: Route, rest: string, query: string): string {
  const { basePath } = route.upstream
  if (route.isExact) return (basePath === '' ? '/' : basePath) + query
  return `${basePath}/${rest}${query}`
}

interface Group {
  readonly routes: Map<string, Route>
  hasSession: boolean
}

const none: RouteMatch = { kind: 'none' }

function add(groups: Map<string, Group>, key: string, route: Route): void {
  const group = groups.get(key) ?? { routes: new Map<string, Route>(), hasSession: false }
  for (const method of route.methods) {
    if (group.routes.has(method)) throw new Error(`two routes take ${method} ${route.path}`)
    group.routes.set(method, route)
  }
  if (route.auth === 'session') group.hasSession = true
  groups.set(key, group)
}

/**
 * The form that paths are compared in: escapes of characters that may stand plainly are decoded, the others get
 * upper-case hex (RFC 3986 §6.2.2). An encoded slash stays, so the slashes of both forms are the same ones.
 */
function comparable(path: string): string {
  let next = path.indexOf('%')
  if (next < 0) return path
  let result = ''
  let copied = 0
  for (; next >= 0; next = path.indexOf('%', copied)) {
    const octet = octetOfEscape(path, next)
    const canDecode = octet >= 0 && (isPathCharacter(octet) || octet === 0x3b)
    const end = octet < 0 ? next + 1 : next + 3
    result += path.slice(copied, next)
    result += canDecode ? String.fromCharCode(octet) : path.slice(next, end).toUpperCase()
    copied = end
  }
  return result + path.slice(copied)
}

/** The path with encoded slashes decoded and parameters cut off, as Tomcat and others may read it. */
function otherReading(path: string): string {
  const key = comparable(path)
  if (!key.includes('%2F') && !key.includes(';')) return path
  const segments = key.replaceAll('%2F', '/').split('/')
  return segments.map((segment) => segment.slice(0, indexOrEnd(segment, ';'))).join('/')
}

/** Without case, and without slashes at the end. */
function loose(path: string): string {
  let end = path.length
  while (end > 0 && path.charCodeAt(end - 1) === 0x2f) end--
  return path.slice(0, end).toLowerCase()
}

/** The same of a route's path, whose `*` takes its own path there too. */
function looseOfPattern(pattern: string): string {
  return pattern.endsWith('/*') ? `${loose(pattern.slice(0, -2))}/*` : loose(pattern)
}

/** `/orders/:id` and `/orders/:number` are one path. */
function withoutNames(pattern: string): string {
  return pattern.replace(/\/:[^/]+/g, '/:')
}

/**
 * The route of this one call: its parameters filled in, in its own path and its upstream's, with the bytes that came.
 *
 * @param parameters which segments of the path they are
 */
function bind(route: Route, path: string, parameters: readonly number[]): Route {
  const came = path.slice(1).split('/')
  const names = route.path.slice(1).split('/')
  const values = new Map(parameters.map((at) => [names[at], came[at]]))
  const filled = (pattern: string) => {
    return pattern.replace(/(?<=\/):[^/]+/g, (name) => values.get(name) ?? name)
  }
  const { upstream } = route
  return { ...route, prefix: filled(route.prefix), upstream: { ...upstream, basePath: filled(upstream.basePath) } }
}

function indexOrEnd(text: string, character: string): number {
  const index = text.indexOf(character)
  return index < 0 ? text.length : index
}

/** What comes after the slash before this segment. */
function afterSlash(path: string, segment: number): string {
  let position = 0
  for (let count = 0; count < segment; count++) position = path.indexOf('/', position + 1)
  return path.slice(position + 1)
}
