import { describe, expect, it } from 'vitest'
import type { Route } from '../../src/config/types.ts'
import { rewriteLocation } from '../../src/gateway/location.ts'
import { route } from './routes.ts'

const below = route('/api/*', { redirectHosts: new Set(['files.example.com', 'cdn.example.com:8443']) })
const refused = expect.objectContaining({ code: 'upstream_redirect' })

function rewrite(location: string, to: Route = below, requestTarget = '/v1/orders/7?x=y'): string {
  return rewriteLocation(location, {
    upstream: to.upstream,
    route: to,
    requestTarget,
    publicOrigin: 'https://app.example.com',
  })
}

describe('inside the upstream’s base it is our path', () => {
  it.each([
    ['https://orders.internal/v1/a/b?c=d#e', '/api/a/b?c=d#e'],
    ['HTTPS://ORDERS.INTERNAL:443/v1/a', '/api/a'],
    ['//orders.internal/v1/a', '/api/a'],
    ['/v1/a', '/api/a'],
    ['/v1/', '/api/'],
    ['/v1', '/api'],
    ['8', '/api/orders/8'],
    ['./', '/api/orders/'],
    ['../x', '/api/x'],
    ['?page=2', '/api/orders/7?page=2'],
    ['#top', '/api/orders/7?x=y#top'],
    ['/v1/caf\u00e9', '/api/caf%C3%A9'],
    ['/v1/a b', '/api/a%20b'],
    ['/v1/x?u=https://evil.example//', '/api/x?u=https://evil.example//'],
    ['/v1/a/../b', '/api/b'],
    ['/v1/../v1/b', '/api/b'],
    // Relative references, to a browser too: the scheme is that of the base, or there is none.
    ['https:evil.example/v1/x', '/api/orders/evil.example/v1/x'],
    [':', '/api/orders/:'],
  ])('%s is %s', (location, expected) => {
    expect(rewrite(location)).toBe(expected)
  })

  it('of an exact route, for its own path alone', () => {
    const exact = route('/api/one', {
      upstream: { origin: 'https://orders.internal', basePath: '/v1/one', binding: undefined },
    })
    expect(rewrite('https://orders.internal/v1/one?x', exact)).toBe('/api/one?x')
    expect(() => rewrite('https://orders.internal/v1/one/two', exact)).toThrow(refused)
    expect(() => rewrite('https://orders.internal/v1/two', exact)).toThrow(refused)
  })

  it('of an upstream at its root, for everything', () => {
    const root = route('/api/*', { upstream: { origin: 'http://127.0.0.1:4000', basePath: '', binding: undefined } })
    expect(rewrite('http://127.0.0.1:4000/x', root, '/')).toBe('/api/x')
    expect(rewrite('/', root, '/x')).toBe('/api/')
  })
})

it('an encoded slash or a semicolon stays where the route takes it', () => {
  const loose = route('/api/*', { allowEncodedSlash: true, allowSemicolon: true })
  expect(rewrite('/v1/a%2Fb;c', loose)).toBe('/api/a%2Fb;c')
  expect(() => rewrite('/v1/..%2fb', loose)).toThrow(refused)
})

describe('our own origin, as an upstream writes it that was told of it', () => {
  it.each([
    ['https://app.example.com/api/x?y', '/api/x?y'],
    ['https://APP.example.com:443/api/', '/api/'],
  ])('%s is %s', (location, expected) => expect(rewrite(location)).toBe(expected))

  it.each([
    ...[
      'https://app.example.com/',
      'https://app.example.com/bff/login',
      'https://app.example.com/apix',
      'https://app.example.com//api/x',
    ],
    ...[
      'http://app.example.com/api/x',
      'https://app.example.com/api/../bff/logout/continue',
      'https://app.example.com:444/api/x',
    ],
    ...['https://app.example.com/v1/x'],
  ])('%s is outside of this route', (location) => expect(() => rewrite(location)).toThrow(refused))
})

describe('a host that the route lists', () => {
  it('passes as it is, over https', () => {
    expect(rewrite('https://files.example.com/a?signature=b#c')).toBe('https://files.example.com/a?signature=b#c')
    expect(rewrite('https://cdn.example.com:8443/a')).toBe('https://cdn.example.com:8443/a')
    expect(rewrite('https://files.example.com/a\r\nset-cookie: x=y')).toBe(
      'https://files.example.com/aset-cookie:%20x=y',
    )
  })

  it.each([
    ...[
      'http://files.example.com/a',
      'https://files.example.com:8443/a',
      'https://cdn.example.com/a',
      'ftp://files.example.com/a',
    ],
    ...[
      'https://files.example.com.evil.example/',
      'https://evil.example/files.example.com',
      'https://xfiles.example.com/',
    ],
    ...[
      'https://files.example.com@evil.example/',
      'https://user:password@files.example.com/',
      'https://user@files.example.com/',
    ],
    ...['https://files.example.com%2eevil.example/', 'https://files.example.com./'],
  ])('%s is not it', (location) => expect(() => rewrite(location)).toThrow(refused))

  it('a backslash ends the host, as in a browser', () => {
    expect(rewrite('https://files.example.com\\@evil.example/')).toBe('https://files.example.com/@evil.example/')
  })
})

describe('everything else is refused', () => {
  it.each([
    ...[
      '',
      'https://evil.example/',
      '//evil.example/',
      '///evil.example',
      '\\\\evil.example',
      '/\\evil.example',
      '/\t/evil.example',
    ],
    ...['https:/\\evil.example', 'http://orders.internal/v1/x', 'https://orders.internal:444/v1/x'],
    ...[
      'https://user@orders.internal/v1/x',
      'https://:p@orders.internal/v1/x',
      'https://orders.internal.evil.example/v1/',
    ],
    ...[
      'javascript:alert(1)',
      'JavaScript:alert(1)//',
      'java\nscript:alert(1)',
      'data:text/html,x',
      'blob:https://app.example.com/x',
    ],
    ...[
      'file:///etc/passwd',
      'about:blank',
      'mailto:a@b.example',
      'unix:/x',
      'http://[::1',
      'https://',
      'http://%00/',
      'x:',
    ],
    // Outside of the base.
    ...[
      '/',
      '/v2/x',
      '/v1x',
      '/v1x/y',
      '/V1/x',
      '/admin',
      '../../admin',
      '/v1/../admin',
      '/v1/%2e%2e/admin',
      '/v1/%2E./%2e%2e/x',
    ],
    ...['/v1\\..\\..\\admin'],
    // What we would refuse as a target, or a browser would take for a host.
    ...[
      '/v1//evil.example',
      '/v1/x//y',
      '/v1/..%2f..%2fadmin',
      '/v1/%2fx',
      '/v1/a%5cb',
      '/v1/%00',
      '/v1/a;b',
      '/v1/%61',
    ],
    ...['/v1/x?a%zz', '/v1/%c0%ae', `/v1/${'a'.repeat(9000)}`],
  ])('%j', (location) => {
    expect(() => rewrite(location)).toThrow(refused)
  })

  it('a second slash that a route for everything would put in front', () => {
    const everything = route('/*')
    expect(rewrite('/v1/x', everything)).toBe('/x')
    for (const location of [
      '/v1//evil.example',
      '/v1/.//evil.example',
      '/v1/x/..//evil.example',
      '/v1/\\evil.example',
    ]) {
      expect(() => rewrite(location, everything), location).toThrow(refused)
    }
  })

  it('with nothing of it in the error: it may hold a code', () => {
    try {
      rewrite('https://evil.example/?code=secret')
    } catch (error) {
      expect(
        Object.values(error as object)
          .concat(String(error), (error as Error).cause)
          .join(),
      ).not.toContain('secret')
      return
    }
    expect.unreachable()
  })
})
