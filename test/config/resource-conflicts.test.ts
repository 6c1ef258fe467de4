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
      'also where the narrower path takes over',
      session({ path: '/a/*', upstream: 'https://x.internal/v1' }),
      open({ path: '/a/prices', upstream: 'https://x.internal/v1/prices' }),
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
