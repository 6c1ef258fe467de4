/**
 * Which route a path belongs to, and where it goes. The more specific route wins (exact, then the longest prefix);
 * the order of the configuration never matters, nor does the method: a path that a specific route names never falls
 * through to a wider one.
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
import { isPathCharacter, octetOfEscape } from './uri-characters.ts'

export type RouteMatch =
  | {
      readonly kind: 'route'
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
  const exact = new Map<string, Group>()
  const prefixes = new Map<string, Group>()
  let longestPrefix = -1
  for (const route of routes) {
    const key = comparable(route.prefix)
    add(route.isExact ? exact : prefixes, key, route)
    if (!route.isExact) longestPrefix = Math.max(longestPrefix, key.length)
  }
  const demands = new Map(routes.map((route) => [route, demandsOf(route)]))
  const looseExact = loosely(exact)
  const loosePrefixes = loosely(prefixes)

  /** The group of the path; `restStart` is -1 for an exact one. */
  function find(path: string): { group: Group; restStart: number } | undefined {
    const key = comparable(path)
    const exactGroup = exact.get(key)
    if (exactGroup) return { group: exactGroup, restStart: -1 }
    // Beyond the longest prefix nothing can match: a path of a thousand slashes costs no more than a short one.
    for (let at = longestPrefix < 0 ? -1 : key.lastIndexOf('/', longestPrefix); at >= 0; ) {
      const group = prefixes.get(key.slice(0, at))
      if (group) return { group, restStart: key === path ? at + 1 : afterSameSlash(path, key, at) }
      at = at === 0 ? -1 : key.lastIndexOf('/', at - 1)
    }
    return undefined
  }

  /** The groups that a server may take the path to belong to: those of one path, the most specific that there is. */
  function findLoosely(path: string): readonly Group[] {
    const key = loose(comparable(path))
    const groups = [...(looseExact.get(key) ?? []), ...(loosePrefixes.get(key) ?? [])]
    let at = longestPrefix < 0 ? -1 : key.lastIndexOf('/', longestPrefix)
    while (groups.length === 0 && at >= 0) {
      groups.push(...(loosePrefixes.get(key.slice(0, at)) ?? []))
      at = at === 0 ? -1 : key.lastIndexOf('/', at - 1)
    }
    return groups
  }

  return {
    match(path, method) {
      const found = find(path)
      if (!found) return none
      const other = otherReading(path)
      if (other !== path && find(other)?.group !== found.group) throw new CoatcheckError('path_not_canonical')
      const route = found.group.routes.get(method)
      // What an exact route names is that route's.
      if (route && found.restStart >= 0) {
        for (const group of findLoosely(other)) {
          const rival = group.routes.get(method)
          if (!rival || demands.get(rival) !== demands.get(route)) throw new CoatcheckError('path_not_canonical')
        }
      }
      if (!route) {
        return {
          kind: 'method_not_allowed',
          allow: [...found.group.routes.keys()],
          isSessionPath: found.group.hasSession,
        }
      }
      return { kind: 'route', route, rest: found.restStart < 0 ? '' : path.slice(found.restStart) }
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

function loosely(groups: ReadonlyMap<string, Group>): ReadonlyMap<string, readonly Group[]> {
  const result = new Map<string, Group[]>()
  for (const [key, group] of groups) result.set(loose(key), [...(result.get(loose(key)) ?? []), group])
  return result
}

function indexOrEnd(text: string, character: string): number {
  const index = text.indexOf(character)
  return index < 0 ? text.length : index
}

/** Where the path goes on after the slash that is at `at` in its comparable form. */
function afterSameSlash(path: string, key: string, at: number): number {
  let position = -1
  for (let index = key.indexOf('/'); index >= 0 && index <= at; index = key.indexOf('/', index + 1)) {
    position = path.indexOf('/', position + 1)
  }
  return position + 1
}
