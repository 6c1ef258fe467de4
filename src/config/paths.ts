/**
 * Paths of routes and upstreams. They are held to the form that request targets are held to: what could be
 * written in two ways is refused, so that the bytes that match are the bytes that are sent.
 */
import * as v from 'valibot'
import { parametersOf } from './path-patterns.ts'
import { type Field, mistake, wanted } from './read-object.ts'

/** RFC 3986 §3.3 pchar, without percent-encoding, `;` (refused in targets) and `*` (our wildcard). */
const segmentCharacters = /^[A-Za-z0-9._~!$&'()+,=:@-]*$/

const parameter = /^:[A-Za-z][A-Za-z0-9_]*$/

export interface PathMistake {
  problem: string
  cure: string
}

/**
 * What is wrong with a path without wildcard; undefined if it is canonical. `''` is the root.
 *
 * @param takesParameters whether a segment may be `:name`
 */
export function canonicalPathMistake(path: string, takesParameters = false): PathMistake | undefined {
  if (path === '') return undefined
  if (!path.startsWith('/')) return { problem: 'does not start with a slash', cure: `write /${path}` }
  if (/[?#]/.test(path)) return { problem: 'has a query or a fragment', cure: 'leave out the ? or # and what follows' }
  if (path.includes('//')) return { problem: 'has two slashes in a row', cure: `write ${path.replace(/\/{2,}/g, '/')}` }
  if (path.includes('%')) return { problem: 'is percent-encoded', cure: 'use plain characters, or a /* above them' }
  for (const segment of path.slice(1).split('/')) {
    if (segment === '.' || segment === '..')
      return { problem: 'has a dot segment', cure: 'write the path that it leads to' }
    if (segment.includes('*')) return { problem: 'has a * that is not its last segment', cure: 'end the path with /*' }
    if (segment.startsWith(':')) {
      if (!takesParameters) return { problem: `has a parameter, ${segment}`, cure: 'leave it out' }
      if (!parameter.test(segment))
        return {
          problem: `has ${segment}, which is no parameter`,
          cure: 'write a name of letters and digits, as in :id',
        }
      continue
    }
    if (!segmentCharacters.test(segment))
      return {
        problem: 'has a character that a request target may not have',
        cure: "use letters, digits and -._~!$&'()+,=:@",
      }
  }
  return undefined
}

/** `/api/orders`, `/api/orders/*`, or with parameters `/api/orders/:id/lines`. */
export function routePath(): Field<string> {
  const example = 'write a path such as /api/orders, or /api/orders/* for all that is below it'
  return v.pipe(
    v.string(wanted('a string', example)),
    v.rawCheck(({ dataset, addIssue }) => {
      if (!dataset.typed) return
      const path = dataset.value
      const found = path === '' ? { problem: 'is empty', cure: example } : routePathMistake(path)
      if (found) addIssue({ message: mistake(found.problem, found.cure) })
    }),
  )
}

function routePathMistake(path: string): PathMistake | undefined {
  if (!path.startsWith('/')) return canonicalPathMistake(path)
  const prefix = withoutWildcard(path)
  // What is left of `/api//*` would pass.
  const found = canonicalPathMistake(isWildcard(path) && prefix.endsWith('/') ? `${prefix}/` : prefix, true)
  if (found) return found
  const names = parametersOf(path)
  const repeated = names.find((name, index) => names.indexOf(name) < index)
  return repeated === undefined
    ? undefined
    : { problem: `names the parameter :${repeated} twice`, cure: 'give each a name of its own' }
}

/** Where our endpoints are. Narrower than a route's path: it becomes part of a pattern of the router. */
export function basePath(): Field<string> {
  return v.pipe(
    v.string(wanted('a string', 'write a path such as /bff')),
    v.rawCheck(({ dataset, addIssue }) => {
      if (!dataset.typed) return
      const path = dataset.value
      if (path === '/' || path === '') {
        addIssue({ message: mistake("is the root, where the app's own pages are", 'write a path such as /bff') })
      } else if (!/^(\/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+$/.test(path)) {
        addIssue({
          message: mistake(
            'is not a plain path',
            'start with a slash, end without one, and use letters, digits and -_.~',
          ),
        })
      }
    }),
  )
}

export function isWildcard(path: string): boolean {
  return path.endsWith('/*')
}

/** `/api/orders/*` is `/api/orders`, `/*` is the empty string. */
export function withoutWildcard(path: string): string {
  return isWildcard(path) ? path.slice(0, -2) : path
}

/** True if `path` is `base` or below it. */
export function isAtOrBelow(path: string, base: string): boolean {
  return path === base || path.startsWith(`${base}/`)
}
