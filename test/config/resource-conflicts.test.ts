import { describe, expect, it } from 'vitest'
import { good, goodRoute, mistakes, resolve } from './good.ts'

const open = (changes: Record<string, unknown>) => goodRoute({ auth: 'none', reason: 'no personal data', ...changes })
const session = (changes: Record<string, unknown>) => goodRoute(changes)
const binding = { fetch: async () => new Response() }

describe('one resource that two routes reach with different auth', () => {
  it.each([
    [
      'by the same upstream',
      session({ path: '/a/*', upstream: 'https://x.internal/v1' }),
      open({ path: '/b/*', upstream: 'https://x.internal/v1' }),
    ],
    [
      'by an upstream below the other',
      session({ path: '/a/*', upstream: 'https://x.internal' }),
      open({ path: '/b/*', upstream: 'https://x.internal/v1' }),
    ],
    [
      'by one path below the other',
      session({ path: '/a/*', upstream: 'https://x.internal/v1' }),
      open({ path: '/b', upstream: 'https://x.internal/v1/prices' }),
    ],
    [
      'by the same path',
      session({ path: '/a', upstream: 'https://x.internal/v1' }),
      open({ path: '/b', upstream: 'https://x.internal/v1/' }),
    ],
    [
      'whatever the writing of the origin',
      session({ path: '/a', upstream: 'https://X.internal:443/v1' }),
      open({ path: '/b', upstream: 'https://x.internal/v1' }),
    ],
    [
      'whatever the name of this machine',
      session({ path: '/a', upstream: 'http://localhost:4001/v1' }),
      open({ path: '/b', upstream: 'http://127.0.0.1:4001/v1' }),
    ],
    [
      'also where the narrower path takes over',
      session({ path: '/a/*', upstream: 'https://x.internal/v1' }),
      open({ path: '/a/prices', upstream: 'https://x.internal/v1/prices' }),
    ],
    [
      'by a parameter that takes the other’s segment',
      session({ path: '/a/:id', upstream: 'https://x.internal/v1/:id' }),
      open({ path: '/b', upstream: 'https://x.internal/v1/prices' }),
    ],
    [
      'by parameters of different names',
      session({ path: '/a/:id/x', upstream: 'https://x.internal/v1/:id' }),
      open({ path: '/b/:number', upstream: 'https://x.internal/v1/:number' }),
    ],
    [
      'by all that is below a parameter',
      session({ path: '/a/:id/*', upstream: 'https://x.internal/v1/:id' }),
      open({ path: '/b/x', upstream: 'https://x.internal/v1/7/lines' }),
    ],
    [
      'by one method of several',
      session({ path: '/a/*', methods: ['GET', 'POST'] }),
      open({ path: '/b/*', methods: ['POST', 'PUT'] }),
    ],
    [
      'by one binding',
      session({ path: '/a/*', upstream: binding }),
      open({ path: '/b/*', upstream: binding, upstreamPath: '/x' }),
    ],
  ])('is refused: %s', (_name, one, other) => {
    for (const routes of [
      [one, other],
      [other, one],
    ]) {
      expect(mistakes(good({ routes }))).toEqual([
        expect.stringMatching(/^routes\[1\] reaches a resource with auth .* shared/),
      ])
    }
  })

  it.each([
    ['another origin', 'https://y.internal/v1', {}],
    ['another port', 'https://x.internal:8443/v1', {}],
    ['a path that only begins alike', 'https://x.internal/v10', {}],
    ['another path', 'https://x.internal/v2', {}],
    ['another method', 'https://x.internal/v1', { methods: ['POST'] }],
    ['another binding', { fetch: async () => new Response() }, {}],
  ])('is none: %s', (_name, upstream, changes) => {
    const routes = [
      session({ path: '/a/*', upstream: 'https://x.internal/v1' }),
      open({ path: '/b/*', upstream, ...changes }),
    ]
    expect(resolve(good({ routes })).routes).toHaveLength(2)
  })

  it('is allowed if both say why, and not if one does', () => {
    const routes = (first: object, second: object) => [
      session({ path: '/a/*', ...first }),
      open({ path: '/b/*', ...second }),
    ]
    const shared = { shared: 'members get more of it' }
    expect(resolve(good({ routes: routes(shared, shared) })).routes).toHaveLength(2)
    expect(mistakes(good({ routes: routes(shared, {}) }))).toEqual([expect.stringContaining('lacks in routes[1])')])
    expect(mistakes(good({ routes: routes({}, shared) }))).toEqual([expect.stringContaining('lacks in routes[0])')])
  })

  it('is none with the same auth', () => {
    const routes = [session({ path: '/a/*' }), session({ path: '/b/*' })]
    expect(resolve(good({ routes })).routes).toHaveLength(2)
  })
})

describe('an auditor is told of', () => {
  const noticesOf = (...routes: unknown[]) => resolve(good({ routes })).notices

  it('a resource that two routes reach with unequal demands', () => {
    const [notice, ...others] = noticesOf(
      session({ path: '/a/*' }),
      session({ path: '/b/*', kinds: ['fetch', 'media'] }),
    ).filter((text) => text.includes('reaches'))
    expect(notice).toBe('/b/* reaches a resource that /a/* reaches, and they do not ask for the same')
    expect(others).toEqual([])
  })

  it.each<[string, object]>([
    ['addresses', { addresses: { allow: ['10.0.0.0/8'] } }],
    ['rate limits', { rateLimits: [{ per: 'session', requests: 2, window: '1m' }] }],
    ['header rules', { headers: { response: { remove: ['x-mode'] } } }],
    ['a limit on bodies', { bodyLimitBytes: 10 }],
  ])('such demands are %s too', (_name, more) => {
    const wide = session({ path: '/a/*', upstream: 'https://x.internal/v1' })
    const narrow = session({ path: '/a/admin/*', upstream: 'https://x.internal/v1/admin', ...more })
    const notices = noticesOf(wide, narrow, session({ path: '/b/*', upstream: 'https://x.internal/v1/admin' }))
    expect(notices).toContain('/b/* reaches a resource that /a/admin/* reaches, and they do not ask for the same')
    expect(notices.some((text) => text.startsWith('/a/admin/* does not take /a/admin itself'))).toBe(true)
  })

  it('but not of a route that is cut out of a wider one', () => {
    const wide = session({ path: '/a/*', upstream: 'https://x.internal/v1' })
    const exact = session({ path: '/a/admin', upstream: 'https://x.internal/v1/admin', kinds: ['media'] })
    const notices = noticesOf(wide, exact)
    expect(notices.filter((text) => text.includes('reaches'))).toEqual([])
  })

  it('a path that falls between two routes', () => {
    const wide = session({ path: '/a/*', upstream: 'https://x.internal/v1' })
    const narrow = session({ path: '/a/admin/*', upstream: 'https://x.internal/v1/admin', kinds: ['media'] })
    expect(noticesOf(wide, narrow)).toContain(
      '/a/admin/* does not take /a/admin itself, and no other route does: give it its own',
    )
    const named = session({ path: '/a/admin', upstream: 'https://x.internal/v1/admin' })
    expect(noticesOf(wide, narrow, named).filter((text) => text.includes('itself'))).toEqual([])
  })
})
