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
      'whatever the address of this machine',
      session({ path: '/a', upstream: 'http://localhost:4001/v1' }),
      open({ path: '/b', upstream: 'http://[::ffff:127.0.0.1]:4001/v1', allowInsecureUpstream: true }),
    ],
    [
      'by the address of no host, which is this machine',
      session({ path: '/a', upstream: 'http://[::1]:4001/v1' }),
      open({ path: '/b', upstream: 'http://0.0.0.0:4001/v1', allowInsecureUpstream: true }),
    ],
    [
      'by the address of no host in IPv6',
      session({ path: '/a', upstream: 'http://127.9.9.9:4001/v1' }),
      open({ path: '/b', upstream: 'http://[::]:4001/v1', allowInsecureUpstream: true }),
    ],
    [
      'by an IPv4 address as IPv6 writes it',
      session({ path: '/a', upstream: 'https://10.1.2.3/v1' }),
      open({ path: '/b', upstream: 'https://[::ffff:10.1.2.3]/v1' }),
    ],
    [
      'by the name with the dot of the root',
      session({ path: '/a', upstream: 'https://x.internal/v1' }),
      open({ path: '/b', upstream: 'https://x.internal./v1' }),
    ],
    [
      'by the path to which a wildcard adds a slash',
      session({ path: '/a/*', upstream: 'https://x.internal/v1' }),
      open({ path: '/b', upstream: 'https://x.internal/v1/' }),
    ],
    [
      'by the path to which a wildcard adds a slash, below a parameter',
      session({ path: '/a/:id/*', upstream: 'https://x.internal/v1/:id' }),
      open({ path: '/b', upstream: 'https://x.internal/v1/prices' }),
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
    ['another address', 'https://[::ffff:10.1.2.3]/v1', {}],
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

describe('what a route reaches, beside the app’s pages', () => {
  const pages = (spa: object, ...routes: unknown[]) => good({ spa, routes, listeners: { internal: 3001 } })
  const v1 = session({ path: '/api/*', upstream: 'http://127.0.0.1:4001/v1' })

  it.each([
    ['from the same origin', { origin: 'http://127.0.0.1:4001/' }, v1],
    ['by another name of it', { origin: 'http://localhost:4001/' }, v1],
    [
      'from a folder above it',
      { origin: 'http://127.0.0.1:4001/v1/' },
      session({ ...v1, upstream: `${v1.upstream}/x` }),
    ],
    ['from a folder below it', { origin: 'http://127.0.0.1:4001/v1/public/' }, v1],
    ['from the very path', { origin: 'http://127.0.0.1:4001/v1/' }, session({ ...v1, path: '/api' })],
    ['to a client of another kind', { origin: 'http://127.0.0.1:4001/' }, { ...v1, auth: 'jwt', audience: 'a' }],
  ])('is refused if they come %s', (_name, spa, route) => {
    expect(mistakes(pages(spa, route))).toEqual([
      expect.stringMatching(
        /^spa\.origin gives everyone, as a page, what routes\[0\] reaches with auth '(session|jwt)' → /,
      ),
    ])
  })

  it('is refused if the development server is the API', () => {
    expect(mistakes(pages({ proxy: 'http://localhost:4001' }, v1))).toEqual([
      expect.stringMatching(/^spa\.proxy gives everyone/),
    ])
  })

  it('is allowed where the route says why', () => {
    const route = session({ ...v1, shared: 'one server in development' })
    const { notices } = resolve(pages({ proxy: 'http://localhost:4001' }, route))
    expect(notices).toContain(
      '/api/* shares a resource with what is reached by another auth: one server in development',
    )
  })

  it.each<[string, object, unknown]>([
    ['that is open itself', { origin: 'http://127.0.0.1:4001/' }, open({ ...v1, auth: 'none' })],
    ['on another port', { origin: 'http://127.0.0.1:4002/' }, v1],
    ['in another folder', { origin: 'http://127.0.0.1:4001/app/' }, v1],
    ['for methods that pages do not take', { origin: 'http://127.0.0.1:4001/' }, session({ ...v1, methods: ['POST'] })],
    ['with files of our own', { dir: 'dist' }, v1],
  ])('may stand beside what is %s', (_name, spa, route) => {
    expect(resolve(pages(spa, route)).routes).toHaveLength(1)
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

it('a thousand routes that ask for different things are compared two by two, before anybody gives up waiting', () => {
  const routes = Array.from({ length: 1000 }, (_, index) =>
    session({
      path: `/service-${index}/*`,
      upstream: `https://x.internal/v1/service-${index}`,
      timeout: `${index + 1}s`,
    }),
  )
  const { notices } = resolve(
    good({ routes: [...routes, session({ path: '/again/*', upstream: 'https://x.internal/v1/service-7/deep' })] }),
  )
  expect(notices.filter((text) => text.includes('reaches'))).toEqual([
    '/again/* reaches a resource that /service-7/* reaches, and they do not ask for the same',
  ])
})
