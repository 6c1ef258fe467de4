import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { demandsOf } from '../../src/config/demands.ts'
import type { Route } from '../../src/config/types.ts'
import { CoatcheckError } from '../../src/errors.ts'
import { buildRouteTable, upstreamTarget } from '../../src/gateway/match.ts'
import { assertRouteTakes, checkTarget } from '../../src/gateway/target.ts'
import { demands } from '../gateway/demands.ts'
import { openRoute, route } from '../gateway/routes.ts'
import { anyTarget } from './targets.ts'

const origin = 'https://orders.internal'
const upstream = (basePath: string) => ({ origin, basePath, binding: undefined })
const lax = { allowEncodedSlash: true, allowSemicolon: true }

/** What the gateway does with a target: nothing where it refuses, or no route has it. */
function forwarded(raw: string, routes: readonly Route[]): { route: Route; rest: string; sent: string } | undefined {
  try {
    const target = checkTarget(raw)
    const match = buildRouteTable(routes).match(target.path, 'GET')
    if (match.kind !== 'route') return undefined
    assertRouteTakes(target, match.route)
    return {
      route: match.route,
      rest: match.rest,
      sent: upstreamTarget(match.route, match.rest, target.query),
    }
  } catch (error) {
    if (error instanceof CoatcheckError && error.code === 'path_not_canonical') return undefined
    throw error
  }
}

/** Checks the property for what is forwarded, and that enough is. */
function forAllForwarded(
  routes: readonly Route[],
  check: (raw: string, result: NonNullable<ReturnType<typeof forwarded>>) => void,
): void {
  let count = 0
  fc.assert(
    fc.property(anyTarget, (raw) => {
      const result = forwarded(raw, routes)
      if (!result) return
      count++
      check(raw, result)
    }),
    { numRuns: 2000 },
  )
  expect(count, 'enough was accepted for this to say something').toBeGreaterThan(200)
}

const pathOf = (target: string) => target.split('?', 1)[0] ?? ''

/** Ways in which servers read a path before they look at its segments. */
const readings: Readonly<Record<string, (path: string) => string>> = {
  'as it is': (path) => path,
  'the URL parser': (path) => new URL(origin + path).pathname,
  'slashes decoded': (path) => path.replaceAll(/%2f/gi, '/'),
  'percent-decoded': decodeURIComponent,
  'decoded, then the URL parser': (path) => new URL(origin + decodeURIComponent(path)).pathname,
  'parameters cut off, then decoded': (path) => decodeURIComponent(path.replaceAll(/;[^/]*/g, '')),
  'decoded, then parameters cut off': (path) => decodeURIComponent(path).replaceAll(/;[^/]*/g, ''),
  'backslashes as slashes': (path) => decodeURIComponent(path).replaceAll('\\', '/'),
  'decoded twice': (path) => twiceDecoded(path),
  'empty segments dropped': (path) => decodeURIComponent(path).replaceAll(/\/{2,}/g, '/'),
}

/** A refused `%25` leaves nothing to decode the second time. */
function twiceDecoded(path: string): string {
  const once = decodeURIComponent(path)
  expect(once).not.toContain('%')
  return decodeURIComponent(once)
}

/** Where dot segments lead; the URL parser would hide them from the check. */
function resolved(path: string): string[] {
  const walked: string[] = []
  for (const segment of path.split('/').slice(1)) {
    if (segment === '..') walked.pop()
    else if (segment !== '.') walked.push(segment)
  }
  return walked
}

const setups: ReadonlyArray<readonly [string, readonly Route[]]> = [
  ['a route as they are', [route('/api/*', { upstream: upstream('/base/v1') })]],
  [
    'a route that takes encoded slashes',
    [route('/api/*', { upstream: upstream('/base/v1'), allowEncodedSlash: true })],
  ],
  ['a route that takes semicolons', [route('/api/*', { upstream: upstream('/base/v1'), allowSemicolon: true })]],
  ['a route that takes both', [route('/api/*', { upstream: upstream('/base/v1'), ...lax })]],
  ['a route for everything', [openRoute('/*', { upstream: upstream('/base/v1'), ...lax })]],
  [
    'a route inside a route',
    [
      route('/api/*', { upstream: upstream('/base/v1'), ...lax }),
      route('/api/a/*', { upstream: upstream('/base/v1'), ...lax }),
    ],
  ],
]

describe.each(setups)('%s', (_name, routes) => {
  it('sends the bytes that were matched', () => {
    forAllForwarded(routes, (raw, { route, rest, sent }) => {
      const query = raw.slice(pathOf(raw).length)
      expect(sent).toBe(`/base/v1/${rest}${query}`)
      expect(raw.endsWith(`/${rest}${query}`)).toBe(true)
      expect(pathOf(raw).slice(0, -rest.length || undefined)).toHaveLength(route.prefix.length + 1)
    })
  })

  it('sends what the URL parser leaves as it is', () => {
    forAllForwarded(routes, (_raw, { sent }) => {
      const url = new URL(origin + sent)
      expect(url.origin).toBe(origin)
      expect(url.pathname).toBe(pathOf(sent))
      // The one character of a query that the parser writes otherwise (URL §5.1, special-query).
      expect(url.search).toBe(sent.slice(pathOf(sent).length).replaceAll("'", '%27').replace(/^\?$/, ''))
      expect(url.hash).toBe('')
    })
  })

  it.each(Object.entries(readings))('stays below the base: %s', (_reading, read) => {
    forAllForwarded(routes, (_raw, { sent }) => {
      const path = read(pathOf(sent))
      expect(path.startsWith('/base/v1/')).toBe(true)
      expect(resolved(path).slice(0, 2)).toEqual(['base', 'v1'])
      expect(path.split('/')).not.toContain('..')
      expect(path.split('/')).not.toContain('.')
    })
  })

  it('sends no control, and nothing that is not ASCII', () => {
    forAllForwarded(routes, (_raw, { sent }) => {
      expect(sent).toMatch(/^[\x21-\x7e]+$/)
      for (const character of decodeURIComponent(pathOf(sent))) {
        expect(/\p{Cc}|\\/u.test(character), JSON.stringify(character)).toBe(false)
      }
    })
  })
})

describe('a narrower route', () => {
  const wide = route('/api/*', { upstream: upstream('/v1'), ...lax })
  const narrower = demands.map(([, demand]) =>
    route('/api/admin/*', { upstream: upstream('/v1/admin'), ...lax, ...demand }),
  )
  // What the wider one allows as well is no demand of its own.
  const admins = narrower.filter((admin) => demandsOf(admin) !== demandsOf(wide))

  const spellings = ['/admin/', '/%61dmin/', '/admin%2f', '/admin;x/', '/;x/admin/', '/x/../admin/', '//admin/']
  const cases = ['/ADMIN/', '/Admin/', '/%41dmin/', '/aDMIN%2f', '/adMin;x/']
  const neighbours = ['/', '/administrators/', '/a/admin/', '/admin', '/admin-']

  it('is not reached by a wider one, whatever the spelling, and whatever it asks for', () => {
    expect(admins.length).toBeGreaterThan(20)
    let count = 0
    fc.assert(
      fc.property(
        anyTarget,
        fc.constantFrom(...spellings, ...cases, ...neighbours),
        fc.constantFrom(...admins),
        (raw, at, admin) => {
          const result = forwarded(raw.replace('/api/', `/api${at}`), [admin, wide])
          if (result?.route !== wide) return
          count++
          for (const [reading, read] of Object.entries(readings)) {
            const segments = resolved(read(pathOf(result.sent)).toLowerCase())
            // `/api/admin` itself is not below `/api/admin/`.
            expect(segments[1] === 'admin' && segments.length > 2, reading).toBe(false)
          }
        },
      ),
      { numRuns: 9000 },
    )
    expect(count).toBeGreaterThan(200)
  })
})

describe('the check', () => {
  it('never changes a byte: path and query together are what came', () => {
    fc.assert(
      fc.property(anyTarget, (raw) => {
        try {
          const { path, query } = checkTarget(raw)
          expect(path + query).toBe(raw)
        } catch (error) {
          expect(error).toMatchObject({ code: 'path_not_canonical' })
        }
      }),
      { numRuns: 4000 },
    )
  })

  it('gives the same answer twice, and to what it accepted in a longer path', () => {
    fc.assert(
      fc.property(anyTarget, (raw) => {
        const accepts = (target: string) => {
          try {
            return checkTarget(target).path.length > 0
          } catch {
            return false
          }
        }
        expect(accepts(raw)).toBe(accepts(raw))
        if (accepts(raw)) expect(accepts(`/prefix${raw}`)).toBe(true)
      }),
      { numRuns: 2000 },
    )
  })
})
