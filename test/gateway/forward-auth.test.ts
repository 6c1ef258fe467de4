/** What `/verify` asks of who asks it, for each kind of proxy. A real one is in test/e2e/forward-auth.test.ts. */
import { describe, expect, it } from 'vitest'
import type { ForwardAuthConfig } from '../../src/config/user-config.ts'
import type { CoatcheckEvent, Report } from '../../src/observability/events.ts'
import { tokenHandler } from '../../src/token-handler.ts'
import { webRuntime } from '../../src/web-runtime.ts'
import { good, goodRoute, resolve } from '../config/good.ts'

const browserFields = {
  'x-csrf': '1',
  'sec-fetch-site': 'same-origin',
  'sec-fetch-mode': 'cors',
  'sec-fetch-dest': 'empty',
}
const told = {
  nginx: {
    'x-original-url': 'https://app.example.com/api/orders/1?a=b',
    'x-original-method': 'GET',
    'x-original-answered-by': 'nobody',
  },
  traefik: {
    'x-forwarded-method': 'GET',
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'app.example.com',
    'x-forwarded-uri': '/api/orders/1?a=b',
  },
  envoy: { host: 'app.example.com', 'x-forwarded-proto': 'https' },
} as const
type Proxy = keyof typeof told
const paths = { nginx: '/verify', traefik: '/verify', envoy: '/verify/api/orders/1?a=b' } as const

/** Nobody is signed in: `login_required` is as far as a request gets. */
async function ask(
  proxy: Proxy,
  changes: Readonly<Record<string, string | undefined>> = {},
  {
    path = paths[proxy] as string,
    host = '127.0.0.1:3001',
    settings = {} as Partial<ForwardAuthConfig>,
    internalHosts = [] as string[],
    report = (() => undefined) as Report,
  } = {},
): Promise<[number, string, unknown]> {
  const routes = [goodRoute({ path: '/api/orders/*', methods: ['GET', 'POST'], forwardAuth: true })]
  const handler = tokenHandler(resolve(good({ routes, internalHosts, forwardAuth: { proxy, ...settings } })), {
    report,
  })
  const headers: Record<string, string> = { host }
  for (const [name, value] of Object.entries({ ...browserFields, ...told[proxy], ...changes })) {
    if (value === undefined) delete headers[name]
    else headers[name] = value
  }
  const answer = await handler.internal.request(`http://127.0.0.1:3001${path}`, { headers })
  const { code, missing } = (await answer.json()) as { code: string; missing?: string }
  expect(answer.headers.get('authorization')).toBeNull()
  return [answer.status, code, missing]
}

const proxies = ['nginx', 'traefik', 'envoy'] as const
const passed = [401, 'login_required', undefined]

describe.each(proxies)('%s', (proxy) => {
  it('tells all, and gets as far as the session', async () => {
    expect(await ask(proxy)).toEqual(passed)
  })

  it.each([
    ...Object.keys(told[proxy]).filter((name) => name !== 'host'),
    'sec-fetch-site',
    'sec-fetch-mode',
    'sec-fetch-dest',
  ])('that leaves out %s is refused', async (name) => {
    expect(await ask(proxy, { [name]: undefined })).toEqual([403, 'forward_auth_incomplete', name])
    expect(await ask(proxy, { [name]: '' })).toEqual([403, 'forward_auth_incomplete', name])
  })

  it('cannot be told by the headers of another kind', async () => {
    for (const other of proxies) {
      if (other === proxy || other === 'envoy') continue
      const nothing = Object.fromEntries(Object.keys(told[proxy]).map((name) => [name, undefined]))
      const [status, code] = await ask(proxy, {
        ...nothing,
        ...told[other],
        ...(proxy === 'envoy' && { host: '127.0.0.1' }),
      })
      expect([status, code]).not.toEqual(passed.slice(0, 2))
    }
  })
})

describe('the request that is told of', () => {
  it.each<[string, string, string]>([
    ['another host', 'https://evil.example/api/orders/1', 'misdirected_request'],
    ['another scheme', 'http://app.example.com/api/orders/1', 'forward_auth_incomplete'],
    ['a user in the host', 'https://app.example.com@evil.example/api/orders/1', 'misdirected_request'],
    ['no path', 'https://app.example.com', 'forward_auth_incomplete'],
    ['two of them', 'https://app.example.com/api/orders/1, https://app.example.com/x', 'forward_auth_incomplete'],
    ['dot segments', 'https://app.example.com/api/orders/../admin', 'path_not_canonical'],
    ['encoded ones', 'https://app.example.com/api/orders/%2e%2e/admin', 'path_not_canonical'],
    ['a backslash', 'https://app.example.com/api/orders\\1', 'path_not_canonical'],
    ['a fragment', 'https://app.example.com/api/orders/1#x', 'path_not_canonical'],
    ['no route', 'https://app.example.com/other', 'no_route'],
    ['an endpoint of ours', 'https://app.example.com/bff/session', 'no_route'],
    ['/verify itself', 'https://app.example.com/verify', 'no_route'],
  ])('with %s is refused', async (_name, url, code) => {
    const [status, found] = await ask('nginx', { 'x-original-url': url })
    expect([status, found]).toEqual([403, code])
  })

  it.each(['nobody127.0.0.1:8080', 'nobody, nobody', '127.0.0.1:8080'])('answered by %s is refused', async (who) => {
    expect((await ask('nginx', { 'x-original-answered-by': who }))[1]).toBe('forward_auth_incomplete')
  })

  it.each(['get', 'GET, GET', 'G T', 'X'.repeat(30)])('with %s for a method is refused', async (method) => {
    expect((await ask('nginx', { 'x-original-method': method }))[1]).toBe('forward_auth_incomplete')
  })

  it.each(['OPTIONS', 'TRACE', 'DELETE'])('with the method %s is refused', async (method) => {
    expect((await ask('nginx', { 'x-original-method': method, origin: 'https://app.example.com' }))[0]).toBe(403)
  })

  it.each<[string, Record<string, string>, object]>([
    ['its route and its own method', {}, { code: 'login_required', method: 'POST', route: '/api/orders/*' }],
    ['no route where it has none', { 'x-original-url': 'https://app.example.com/other' }, { code: 'no_route' }],
  ])('is told to the log with %s, when it is refused', async (_what, changes, told) => {
    const events: CoatcheckEvent[] = []
    const post = { 'x-original-method': 'POST', origin: 'https://app.example.com' }
    await ask('nginx', { ...post, ...changes }, { report: (event) => events.push(event) })
    expect(events).toEqual([{ event: 'calls_refused', count: 1, status: expect.any(Number), method: 'GET', ...told }])
  })

  it('with an unsafe method needs an Origin, and ours', async () => {
    const post = { 'x-original-method': 'POST' }
    expect(await ask('nginx', post)).toEqual([403, 'forward_auth_incomplete', 'origin'])
    expect((await ask('nginx', { ...post, origin: 'https://evil.example' }))[1]).toBe('csrf')
    expect(await ask('nginx', { ...post, origin: 'https://app.example.com' })).toEqual(passed)
  })

  it('may not be what a script or a frame asks for', async () => {
    expect((await ask('nginx', { 'sec-fetch-dest': 'script' }))[1]).toBe('csrf')
  })
})

describe('who asks without a secret', () => {
  it.each(['127.0.0.1:3001', '10.1.2.3', '[::1]:3001', '[fd00::1]'])('may by the address %s', async (host) => {
    expect(await ask('nginx', {}, { host })).toEqual(passed)
  })

  it.each(['rebound.example', 'localhost.evil.example:3001', '127.0.0.1.evil.example', ''])(
    'may not by the name %j',
    async (host) => {
      expect((await ask('nginx', {}, { host }))[1]).toBe('browser_refused')
    },
  )

  it('may by a name that is listed', async () => {
    const internalHosts = ['coatcheck.internal']
    expect(await ask('traefik', {}, { host: 'coatcheck.internal:3001', internalHosts })).toEqual(passed)
    expect((await ask('traefik', {}, { host: 'other.internal:3001', internalHosts }))[1]).toBe('browser_refused')
  })

  it('as Envoy is known by the host of the app alone', async () => {
    expect((await ask('envoy', { host: '127.0.0.1:3001' }))[1]).toBe('misdirected_request')
    expect((await ask('envoy', { host: 'app.example.com:3001' }))[1]).toBe('misdirected_request')
  })
})

it('whom the addresses for everything keep out gets no token by way of the proxy', async () => {
  const routes = [goodRoute({ path: '/api/orders/*', forwardAuth: true })]
  const config = { routes, forwardAuth: { proxy: 'nginx' }, trustedProxies: ['10.0.0.1'] }
  const askFor = async (address: string) => {
    const runtime = webRuntime({ peerAddress: () => '10.0.0.1' })
    const changes = { ...config, addresses: { deny: ['198.51.100.0/24'] } }
    const handler = tokenHandler(resolve(good(changes as Parameters<typeof good>[0])), {
      runtime,
      report: () => undefined,
    })
    const headers = { ...browserFields, ...told.nginx, host: '127.0.0.1:3001', 'x-forwarded-for': address }
    const answer = await handler.internal.request('http://127.0.0.1:3001/verify', { headers })
    return [answer.status, ((await answer.json()) as { code: string }).code]
  }
  expect(await askFor('203.0.113.9')).toEqual([401, 'login_required'])
  expect(await askFor('198.51.100.7')).toEqual([403, 'address_refused'])
  expect(await askFor('203.0.113.9, 198.51.100.7')).toEqual([403, 'address_refused'])
})

it('nobody may ask where the configuration names no proxy', async () => {
  const handler = tokenHandler(resolve(good()), { report: () => undefined })
  const headers = { ...told.nginx, host: '127.0.0.1:3001' }
  const answer = await handler.internal.request('http://127.0.0.1:3001/verify', { headers })
  expect(((await answer.json()) as { code: string }).code).toBe('no_route')
})

it('the public listener has no /verify', async () => {
  const routes = [goodRoute({ path: '/api/orders/*', forwardAuth: true })]
  const handler = tokenHandler(resolve(good({ routes, forwardAuth: { proxy: 'nginx' } })), { report: () => undefined })
  const answer = await handler.routes.request('https://app.example.com/verify', {
    headers: { ...browserFields, ...told.nginx, host: 'app.example.com' },
  })
  expect(answer.status).toBe(404)
})
