import { performance } from 'node:perf_hooks'
import { describe, expect, it } from 'vitest'
import type { Route } from '../../src/config/types.ts'
import { CoatcheckError } from '../../src/errors.ts'
import { buildRouteTable, upstreamTarget } from '../../src/gateway/match.ts'
import { demands } from './demands.ts'
import { openRoute, route } from './routes.ts'

const all = route('/api/*')
const orders = route('/api/orders/*')
const events = route('/api/orders/events')
const writes = route('/api/orders/*', { methods: new Set(['POST', 'DELETE']) })
const table = buildRouteTable([all, orders, events, writes])

describe('the more specific route wins', () => {
  it.each<[string, string, Route, string]>([
    ['GET', '/api/', all, ''],
    ['GET', '/api/x', all, 'x'],
    ['GET', '/api/orders', all, 'orders'],
    ['GET', '/api/ordersx/1', all, 'ordersx/1'],
    ['GET', '/api/orders/', orders, ''],
    ['HEAD', '/api/orders/1/lines/2/', orders, '1/lines/2/'],
    ['GET', '/api/orders/events', events, ''],
    ['GET', '/api/orders/events/', orders, 'events/'],
    ['GET', '/api/orders/events/1', orders, 'events/1'],
    ['POST', '/api/orders/1', writes, '1'],
    ['DELETE', '/api/orders/1', writes, '1'],
  ])('%s %s', (method, path, expected, rest) => {
    expect(table.match(path, method)).toEqual({ kind: 'route', route: expected, rest })
  })

  it('in whatever order the routes are written', () => {
    const routes = [all, orders, events, writes]
    const paths = ['/api/x', '/api/orders/1', '/api/orders/events']
    for (let turn = 0; turn < routes.length; turn++) {
      routes.push(routes.shift() as Route)
      const turned = buildRouteTable(routes)
      for (const path of paths) expect(turned.match(path, 'GET')).toEqual(table.match(path, 'GET'))
    }
  })

  it('also where it does not take the method: nothing falls through to a wider one', () => {
    const wide = route('/api/*', { methods: new Set(['GET', 'PUT']) })
    const narrow = buildRouteTable([wide, orders, writes])
    expect(narrow.match('/api/orders/1', 'PUT')).toEqual({
      kind: 'method_not_allowed',
      allow: ['GET', 'HEAD', 'POST', 'DELETE'],
      isSessionPath: true,
    })
    expect(buildRouteTable([wide, events]).match('/api/orders/events', 'PUT').kind).toBe('method_not_allowed')
  })
})

describe('a path that a server may take for a narrower route', () => {
  const wide = route('/w/*', { methods: new Set(['GET', 'DELETE']) })
  const admin = route('/w/admin/*', { scopes: ['admin'] })
  const exact = route('/w/exact', { kinds: new Set(['download']) })
  const guarded = buildRouteTable([wide, admin, exact])

  it.each([
    '/w/Admin/x',
    '/w/ADMIN/',
    '/w/admin',
    '/w/aDmin',
    '/w/%41dmin/x',
    '/w/exact/',
    '/w/Exact',
    '/w/exact//',
    '/w/admin;v=1',
    '/w/exact;v=1',
    '/w/admin%2Fx',
  ])('%s is refused', (path) => {
    expect(() => guarded.match(path, 'GET')).toThrow(CoatcheckError)
  })

  it('is refused with a method that the narrower one does not take', () => {
    expect(() => guarded.match('/w/Admin/x', 'DELETE')).toThrow(CoatcheckError)
  })

  it.each<[string, Route]>([
    ['/w/administrators', wide],
    ['/w/admin/x', admin],
    ['/w/admin/X', admin],
    ['/w/exact', exact],
    ['/w/exactly/', wide],
    ['/w/other/', wide],
    ['/w/', wide],
  ])('%s is not', (path, expected) => {
    expect(guarded.match(path, 'GET')).toMatchObject({ kind: 'route', route: expected })
  })

  it.each(demands)('is refused whatever it is that the narrower one has: %s', (_name, demand) => {
    for (const [narrow, at, others] of [
      [route('/w/admin/*', demand), '/w/admin/x', ['/w/ADMIN/x', '/w/Admin/', '/w/%41dmin/x', '/w/admin', '/w/ADMIN']],
      [route('/w/admin', demand), '/w/admin', ['/w/admin/', '/w/ADMIN', '/w/Admin/', '/w/%41dmin']],
    ] as const) {
      const both = buildRouteTable([wide, narrow])
      expect(both.match(at, 'GET')).toMatchObject({ kind: 'route', route: narrow })
      for (const path of others) expect(() => both.match(path, 'GET'), path).toThrow(CoatcheckError)
    }
  })

  it('passes where both ask for the same', () => {
    const alike = buildRouteTable([all, orders])
    expect(alike.match('/api/orders', 'GET')).toMatchObject({ route: all })
    expect(alike.match('/api/Orders/1', 'GET')).toMatchObject({ route: all })
    const limit = (name: string) => ({ name, per: 'session', requests: 9, windowSeconds: 60 }) as const
    const limited = (path: string) =>
      route(path, { scopes: ['b', 'a'], rateLimits: { byAddress: [], byCaller: [limit(path)] } })
    const inOrder = { ...limited('/w/a/*'), scopes: ['a', 'b'] }
    expect(buildRouteTable([limited('/w/*'), inOrder]).match('/w/A/1', 'GET')).toMatchObject({ kind: 'route' })
  })

  it('is the exact route where there is one', () => {
    const own = route('/w/admin', { scopes: ['read'] })
    const named = buildRouteTable([wide, admin, own])
    expect(named.match('/w/admin', 'GET')).toMatchObject({ route: own })
    expect(() => named.match('/w/admin/', 'GET')).toThrow(CoatcheckError)
    expect(() => named.match('/w/Admin', 'GET')).toThrow(CoatcheckError)
  })

  it('is refused for the narrower route in another case too', () => {
    const upper = buildRouteTable([wide, route('/w/Admin/*', { scopes: ['admin'] })])
    expect(() => upper.match('/w/admin/x', 'GET')).toThrow(CoatcheckError)
  })
})

it.each(['/', '/api', '/apix', '/API/orders', '/Api/', '/x/api/orders', '/__proto__', '/constructor', '/bff/session'])(
  'no route has %s',
  (path) => {
    expect(table.match(path, 'GET')).toEqual({ kind: 'none' })
    expect(table.has(path)).toBe(false)
  },
)

it.each(['TRACE', 'CONNECT', 'OPTIONS', 'get', 'constructor', ''])(
  'the method %j is not taken unless named',
  (method) => {
    expect(table.match('/api/orders/events', method).kind).toBe('method_not_allowed')
  },
)

it('a path of open routes alone is no session path', () => {
  const open = buildRouteTable([openRoute('/public/*')])
  expect(open.match('/public/x', 'OPTIONS')).toMatchObject({ kind: 'method_not_allowed', isSessionPath: false })
})

it('a route for everything takes the root and all below it', () => {
  const everything = buildRouteTable([route('/*'), events])
  expect(everything.match('/', 'GET')).toMatchObject({ rest: '' })
  expect(everything.match('/a/b', 'GET')).toMatchObject({ rest: 'a/b' })
  expect(everything.match('/api/orders/events', 'GET')).toMatchObject({ route: events })
})

it('a table without routes has nothing', () => {
  expect(buildRouteTable([]).match('/', 'GET')).toEqual({ kind: 'none' })
})

it('two routes for one path and method are refused', () => {
  expect(() => buildRouteTable([all, openRoute('/api/*')])).toThrow('two routes take GET /api/*')
  expect(() => buildRouteTable([route('/caf%C3%A9'), route('/caf%c3%a9')])).toThrow('two routes')
})

describe('a second spelling of a literal part does not reach a wider route', () => {
  const admin = route('/api/@admin,x/*')
  const cafe = route('/api/caf%C3%A9/*')
  const spelled = buildRouteTable([all, admin, cafe, route('/api/@me')])

  it.each([
    ['/api/%40admin,x/1', admin, '1'],
    ['/api/@admin%2Cx/1', admin, '1'],
    ['/api/%40admin%2cx/%40a%2cb', admin, '%40a%2cb'],
    ['/api/caf%c3%a9/x', cafe, 'x'],
    ['/api/caf%C3%a9/%c3%a9', cafe, '%c3%a9'],
  ])('%s, and what is sent is what came', (path, expected, rest) => {
    expect(spelled.match(path, 'GET')).toEqual({ kind: 'route', route: expected, rest })
  })

  it('of an exact route either', () => {
    expect(spelled.match('/api/%40me', 'GET')).toMatchObject({ route: { path: '/api/@me' } })
  })
})

describe('an encoded slash or a parameter does not hide another route', () => {
  const loose = route('/api/*', { allowEncodedSlash: true, allowSemicolon: true })
  const mixed = buildRouteTable([loose, orders, events])
  const refused = expect.objectContaining({ code: 'path_not_canonical' })

  it.each([
    '/api/orders%2F1',
    '/api/orders%2f1',
    '/api/orders%2Fevents',
    '/api/orders;x/1',
    '/api/orders;/1',
    '/api/orders%3Bx/1',
    '/api/orders;a%2F1',
    '/api/orders/events;x',
  ])('%s', (path) => {
    expect(() => mixed.match(path, 'GET')).toThrow(refused)
  })

  it('nor is a route found that is written with a parameter in its literal part', () => {
    expect(mixed.match('/api;x/orders/1', 'GET')).toEqual({ kind: 'none' })
    expect(mixed.match('/api%2Forders/1', 'GET')).toEqual({ kind: 'none' })
  })

  it.each([
    ['/api/a%2Fb', 'a%2Fb'],
    ['/api/a;x=1/b', 'a;x=1/b'],
    ['/api/ordersx%2F1', 'ordersx%2F1'],
    ['/api/a%2Forders%2F1', 'a%2Forders%2F1'],
  ])('%s belongs to the one route in both readings', (path, rest) => {
    expect(mixed.match(path, 'GET')).toEqual({ kind: 'route', route: loose, rest })
  })
})

describe('a parameter', () => {
  const one = route('/api/orders/:id', {
    upstream: { origin: 'https://orders.internal', basePath: '/v1/order/:id', binding: undefined },
  })
  const lines = route('/api/orders/:id/lines/*', {
    upstream: { origin: 'https://orders.internal', basePath: '/v1/lines-of/:id', binding: undefined },
  })
  const latest = route('/api/orders/latest')
  const admin = route('/api/:tenant/admin', { scopes: ['admin'] })
  const withParameters = buildRouteTable([all, one, lines, latest, admin])

  const target = (path: string) => {
    const match = withParameters.match(path, 'GET')
    if (match.kind !== 'route') return match.kind
    return `${match.route.path} ${upstreamTarget(match.route, match.rest, '')}`
  }

  it.each([
    ['/api/orders/7', '/api/orders/:id /v1/order/7'],
    ['/api/orders/%C3%BC', '/api/orders/:id /v1/order/%C3%BC'],
    ['/api/orders/:id', '/api/orders/:id /v1/order/:id'],
    ['/api/orders/$&', '/api/orders/:id /v1/order/$&'],
    ['/api/orders/7/lines/', '/api/orders/:id/lines/* /v1/lines-of/7/'],
    ['/api/orders/7/lines/1/2', '/api/orders/:id/lines/* /v1/lines-of/7/1/2'],
    ['/api/orders/latest', '/api/orders/latest /v1'],
    ['/api/acme/admin', '/api/:tenant/admin /v1'],
    ['/api/acme/users', '/api/* /v1/acme/users'],
    ['/api/orders/7/other', '/api/* /v1/orders/7/other'],
  ])('%s is %s', (path, expected) => {
    expect(target(path)).toBe(expected)
  })

  it('is less than a plain segment, and more than the rest', () => {
    expect(target('/api/orders/admin')).toBe('/api/orders/:id /v1/order/admin')
  })

  it.each(['/api/acme/Admin', '/api/acme/admin/', '/api/acme/%61DMIN'])(
    '%s is not taken by a wider route: a server may take it for the one that asks for more',
    (path) => {
      expect(() => withParameters.match(path, 'GET')).toThrow(CoatcheckError)
    },
  )

  it('does not take a plain name in another spelling where that asks for something else', () => {
    const guarded = buildRouteTable([route('/o/:id'), route('/o/secret', { scopes: ['admin'] })])
    expect(() => guarded.match('/o/Secret', 'GET')).toThrow(CoatcheckError)
    expect(guarded.match('/o/secrets', 'GET')).toMatchObject({ kind: 'route' })
  })

  it('is not empty', () => {
    expect(buildRouteTable([route('/o/:id/x')]).match('/o//x', 'GET')).toEqual({ kind: 'none' })
  })

  it('has no second route for another name of it', () => {
    expect(() => buildRouteTable([route('/o/:id'), route('/o/:number')])).toThrow('two routes take GET')
  })
})

describe('the target at the upstream', () => {
  it.each([
    ['/api/*', '/v1', 'orders/1', '?a=b', '/v1/orders/1?a=b'],
    ['/api/*', '/v1', '', '', '/v1/'],
    ['/api/*', '', '', '', '/'],
    ['/api/*', '', 'a/b/', '?', '/a/b/?'],
    ['/api/*', '/v1', '%c3%a9|[x]', '', '/v1/%c3%a9|[x]'],
    ['/api/one', '/v1/one', '', '?x', '/v1/one?x'],
    ['/api/one', '', '', '?x', '/?x'],
  ])('of %s at %j with %j and %j is %s', (path, basePath, rest, query, expected) => {
    const target = route(path, { upstream: { origin: 'https://orders.internal', basePath, binding: undefined } })
    expect(upstreamTarget(target, rest, query)).toBe(expected)
  })
})

it('the cost does not grow with the routes, nor with the slashes of a hostile path', () => {
  const many = buildRouteTable(Array.from({ length: 20_000 }, (_, index) => route(`/api/r${index}/*`)))
  const hostile = `/api/${'a/'.repeat(4000)}`
  const startedAt = performance.now()
  for (let turn = 0; turn < 2000; turn++) {
    many.match('/api/r19999/x', 'GET')
    many.match(hostile, 'GET')
  }
  // Some milliseconds; a walk over all routes, or over all slashes with their prefixes, takes many seconds.
  expect(performance.now() - startedAt).toBeLessThan(1500)
})
