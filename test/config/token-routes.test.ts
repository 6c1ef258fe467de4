/** Routes whose callers are no browsers, and what has to hold for them. */
import { describe, expect, it } from 'vitest'
import { resolveConfig } from '../../src/config/resolve.ts'
import type { ConfigSource } from '../../src/config/user-config.ts'
import { report } from '../../src/node/cli/report.ts'
import { good, goodProvider, goodRoute, mistakes, otherSecret, resolve } from './good.ts'

const audience = 'https://orders.example.com'
const listeners = { internal: 3001 }
const phantom = (changes: Record<string, unknown> = {}) => goodRoute({ auth: 'phantom', audience, ...changes })
const jwt = (changes: Record<string, unknown> = {}) => goodRoute({ auth: 'jwt', audience, ...changes })
const client = (changes: Record<string, unknown> = {}) => goodRoute({ auth: 'client', ...changes })
const mistakesOf = (route: unknown, more: Record<string, unknown> = { listeners }) =>
  mistakes(good({ routes: [route], ...more }))

describe('where a route is reached', () => {
  it('follows from its auth', () => {
    const routes = [
      phantom({ path: '/a/*', upstream: 'https://a.internal' }),
      goodRoute({ path: '/b/*', upstream: 'https://b.internal', auth: 'split', audience }),
      jwt({ path: '/c/*', upstream: 'https://c.internal' }),
      client({ path: '/d/*', upstream: 'https://d.internal' }),
      client({ path: '/e/*', upstream: 'https://e.internal', scopes: ['prices'], public: 'a price list' }),
    ]
    const config = resolve(good({ routes, listeners, splitTokens: { secrets: [otherSecret] } }))
    expect(config.routes.map(({ listener }) => listener)).toEqual([
      ...['public', 'public', 'internal', 'internal', 'public'],
    ])
  })

  it.each([
    ['a jwt route', { routes: [jwt()] }, 'routes[0] is'],
    ['a client route', { routes: [client()] }, 'routes[0] is'],
    ['deliveries', { routes: [], splitTokens: { secrets: [otherSecret] } }, 'splitTokens is'],
  ])('has to be there for %s', (_what, changes, named) => {
    expect(mistakes(good(changes))).toEqual([
      expect.stringContaining(`listeners.internal is not set, and ${named} reached there only → write a port`),
    ])
  })

  it('is there on Workers, as a handler of the entry', () => {
    const source = good({ routes: [jwt()] }) as unknown as ConfigSource
    expect(resolveConfig(source, {}, { hasInternalListener: true }).routes[0]?.listener).toBe('internal')
  })
})

describe('what a token is for', () => {
  it.each(['phantom', 'split', 'jwt'])('has to be said on a route with auth %j', (auth) => {
    const more = { listeners, splitTokens: { secrets: [otherSecret] } }
    expect(mistakesOf(goodRoute({ auth }), more)).toEqual([
      expect.stringMatching(/^routes\[0\]\.audience is not set, so a token for any API would do → /),
    ])
  })

  it.each([
    ['phantom', '/partner/*', 'https://app.example.com/partner'],
    ['split', '/shops/:shop/orders', 'https://app.example.com/shops'],
    ['phantom', '/exact', 'https://app.example.com/exact'],
  ])(
    'is told to an auditor where the metadata calls it by another name (RFC 9728 §3.3): %s, %s',
    (auth, path, resource) => {
      const noticesWith = (audience: string) => {
        const route = goodRoute({ auth, path, upstream: 'https://a.internal', audience })
        return resolve(good({ routes: [route], listeners, splitTokens: { secrets: [otherSecret] } })).notices
      }
      expect(noticesWith(audience)).toEqual([
        `${path} takes tokens for ${audience}, and its metadata (RFC 9728) calls it ${resource}: who asks for a token by that name is refused, unless audience is that name too`,
      ])
      expect(noticesWith(resource)).toEqual([])
    },
  )

  it('is not spoken of for clients inside, who find no metadata', () => {
    expect(resolve(good({ routes: [jwt()], listeners })).notices).toEqual([])
  })

  it.each([
    ['the session’s own', {}],
    ['one by exchange', { upstreamToken: { from: 'exchange', resource: audience } }],
  ])('cannot be said on a session route where nothing would be checked by it: %s', (_what, more) => {
    expect(mistakesOf(goodRoute({ audience, ...more }))).toEqual([
      expect.stringMatching(/^routes\[0\]\.audience is set, and nothing is checked by it here → leave it out/),
    ])
  })

  it('is provider.resource where the route does not say', () => {
    const config = resolve(
      good({ provider: goodProvider({ resource: audience }), routes: [phantom({ audience: undefined })] }),
    )
    expect(config.routes[0]?.audience).toBe(audience)
  })
})

describe('the token of an upstream', () => {
  it.each<[string, unknown, RegExp]>([
    [
      'an unknown origin',
      phantom({ upstreamToken: { from: 'session' } }),
      /upstreamToken\.from is none of 'introspection', 'exchange', 'none'/,
    ],
    [
      'a session’s refresh for a partner',
      phantom({ upstreamToken: { from: 'refresh' } }),
      /upstreamToken\.from is none of/,
    ],
    ['no origin', phantom({ upstreamToken: {} }), /upstreamToken\.from is not set/],
    ['null', phantom({ upstreamToken: null }), /upstreamToken\.from is not set/],
    [
      'an exchange for nothing',
      phantom({ upstreamToken: { from: 'exchange' } }),
      /upstreamToken does not say for which API/,
    ],
    [
      'an API that is no URI',
      phantom({ upstreamToken: { from: 'exchange', resource: 'orders' } }),
      /resource is not an absolute URI/,
    ],
    [
      'a field of another origin',
      phantom({ upstreamToken: { from: 'none', resource: audience } }),
      /upstreamToken\.resource is not for from: 'none' → leave it out: it is for from: 'exchange', 'refresh'/,
    ],
    ['none for a session', goodRoute({ upstreamToken: { from: 'none' } }), /upstreamToken\.from is none of 'session'/],
    [
      'a refresh of a token for nothing',
      goodRoute({ upstreamToken: { from: 'refresh', resource: audience } }),
      /set provider\.resource/,
    ],
    [
      'one on a jwt route',
      jwt({ upstreamToken: { from: 'none' } }),
      /leave it out: it is for auth: 'session', 'phantom'/,
    ],
  ])('is refused where it is %s', (_what, route, message) => {
    expect(mistakesOf(route)).toEqual([expect.stringMatching(message)])
  })
})

describe('a scope of a session’s other tokens', () => {
  it('is to look at where it comes by a refresh and the sign-in does not ask for it', () => {
    const upstreamToken = { from: 'refresh', resource: 'https://reports.example.com', scopes: ['reports:read'] }
    const noticesWith = (scope: string) =>
      resolve(good({ provider: goodProvider({ resource: audience, scope }), routes: [goodRoute({ upstreamToken })] }))
        .notices
    expect(noticesWith('openid')).toEqual([
      '/api/orders/* asks for reports:read, which provider.scope does not request',
    ])
    expect(noticesWith('openid reports:read')).toEqual([])
  })

  it('is the server’s to give where it comes by an exchange', () => {
    const upstreamToken = { from: 'exchange', resource: 'https://reports.example.com', scopes: ['reports:read'] }
    const provider = goodProvider({ resource: audience, scope: 'openid' })
    expect(resolve(good({ provider, routes: [goodRoute({ upstreamToken })] })).notices).toEqual([])
  })
})

describe('this server’s own token for everyone', () => {
  it('takes safe methods and a few scopes only', () => {
    expect(mistakesOf(client({ public: 'why', methods: ['GET', 'POST'], scopes: ['a'] }))).toEqual([
      expect.stringContaining('routes[0].methods has POST, and anyone may call this route'),
    ])
    expect(mistakesOf(client({ public: 'why' }))).toEqual([expect.stringContaining('routes[0].scopes is empty')])
    expect(mistakesOf(client({ public: ' ', scopes: ['a'] }))).toEqual([
      expect.stringContaining('routes[0].public is empty'),
    ])
  })

  it('is to look at, inside and outside', () => {
    const routes = [
      client({ path: '/a', upstream: 'https://a.internal', scopes: ['a'], public: 'a price list' }),
      client({ path: '/b', upstream: 'https://b.internal' }),
    ]
    expect(resolve(good({ routes, listeners })).notices).toEqual([
      '/a lets anyone outside call as this server: a price list',
      '/b lets anyone inside call as this server',
    ])
  })
})

describe('an API that takes no token', () => {
  it('is to look at', () => {
    const routes = [phantom({ path: '/a', upstream: 'https://a.internal', upstreamToken: { from: 'none' } })]
    expect(resolve(good({ routes })).notices).toContain('/a gives its API no token: it cannot verify who calls')
  })
})

describe('one resource', () => {
  const same = 'https://x.internal/v1'
  it.each([
    ['a session and a partner', goodRoute({ path: '/a/*', upstream: same }), phantom({ path: '/b/*', upstream: same })],
    ['a partner and a client inside', phantom({ path: '/a/*', upstream: same }), jwt({ path: '/b/*', upstream: same })],
    [
      'the two listeners',
      client({ path: '/a', upstream: same }),
      client({ path: '/b', upstream: same, scopes: ['a'], public: 'why' }),
    ],
    [
      'the same path on two listeners',
      jwt({ path: '/a/*', upstream: same }),
      phantom({ path: '/a/*', upstream: same }),
    ],
  ])('is not reached by both %s, unless both say why (API-8)', (_who, one, other) => {
    expect(mistakes(good({ routes: [one, other], listeners }))).toEqual([
      expect.stringMatching(/^routes\[1\] reaches a resource with auth '.*that routes\[0\] reaches with auth '/),
    ])
    const said = [one, other].map((route) => ({ ...route, shared: 'each has its own clients' }))
    expect(resolve(good({ routes: said, listeners })).routes).toHaveLength(2)
  })
})

describe('split tokens', () => {
  it('need a place to which they are delivered', () => {
    expect(mistakesOf(goodRoute({ auth: 'split', audience }))).toEqual([
      expect.stringContaining('splitTokens is not set, and routes[0] takes tokens'),
    ])
  })

  it('need secrets that nobody guesses, and no message shows one', () => {
    const secrets = ['a-phrase-that-somebody-made-up']
    const found = mistakes(good({ listeners, splitTokens: { secrets } }))
    expect(found).toEqual([expect.stringContaining('splitTokens.secrets[0] is not 32 bytes of base64url')])
    expect(found.join()).not.toContain(secrets[0])
  })
})

describe('coatcheck check', () => {
  it('says what each upstream gets as access token', () => {
    const routes = [
      phantom({ path: '/a', upstream: 'https://a.internal' }),
      phantom({ path: '/b', upstream: 'https://b.internal', upstreamToken: { from: 'exchange', resource: 'urn:b' } }),
      goodRoute({ path: '/c', upstream: 'https://c.internal', upstreamToken: { from: 'exchange', audience: 'c' } }),
      jwt({ path: '/d', upstream: 'https://d.internal' }),
      client({ path: '/e', upstream: 'https://e.internal', resource: 'urn:e' }),
    ]
    const lines = report(resolve(good({ routes, listeners }))).split('\n')
    expect(lines.find((line) => line.startsWith('/a'))).toContain(`a JWT for ${audience} by introspection`)
    expect(lines.find((line) => line.startsWith('/b'))).toContain('for urn:b by exchange')
    expect(lines.find((line) => line.startsWith('/c'))).toContain('for c by exchange')
    expect(lines.find((line) => line.startsWith('/d'))).toMatch(
      /jwt +internal +- +- +the caller's for https:\/\/orders\.example\.com/,
    )
    expect(lines.find((line) => line.startsWith('/e'))).toContain('our own for urn:e')
  })
})
