/** Whoever acts as this server from outside is reported, and nobody's token is (API-12). */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { apiResource, partnerResource, type RunningProvider, startProvider } from '../spa-example/provider/index.ts'
import { resolveConfig } from '../src/config/resolve.ts'
import type { CoatcheckEvent } from '../src/observability/events.ts'
import { type TokenHandler, tokenHandler } from '../src/token-handler.ts'
import { testSecret } from './support/system.ts'
import { bearer, clientToken } from './support/tokens.ts'
import { startUpstream, type TestUpstream } from './support/upstream.ts'

const origin = 'http://localhost:9'
const events: CoatcheckEvent[] = []
let provider: RunningProvider
let upstream: TestUpstream
let handler: TokenHandler

beforeAll(async () => {
  provider = await startProvider({ appOrigin: origin })
  upstream = await startUpstream()
  const { issuer, clientId, clientSecret } = provider
  const client = { auth: 'client', resource: apiResource, scopes: ['orders:read'] } as const
  const config = resolveConfig(
    {
      baseUrl: origin,
      provider: { issuer, clientId, clientSecret },
      session: { secrets: [testSecret] },
      listeners: { internal: 3001 },
      routes: [
        { path: '/prices', upstream: `${upstream.origin}/prices`, ...client, public: 'a price list' },
        { path: '/jobs', upstream: `${upstream.origin}/jobs`, ...client },
        {
          ...{ path: '/partner', upstream: `${upstream.origin}/partner`, auth: 'phantom', audience: partnerResource },
          upstreamToken: { from: 'none' },
        },
      ],
    },
    {},
  )
  handler = tokenHandler(config, { report: (event) => events.push(event) })
})
afterAll(async () => {
  await Promise.all([provider.stop(), upstream.stop()])
})

describe('a call with this server’s own token', () => {
  it('is reported where anyone outside can make it, each time', async () => {
    for (const method of ['GET', 'HEAD']) {
      expect(
        (await handler.routes.request(`${origin}/prices`, { method, headers: { host: 'localhost:9' } })).status,
      ).toBe(200)
    }
    expect(events).toEqual([
      { event: 'client_token_used', route: '/prices', method: 'GET' },
      { event: 'client_token_used', route: '/prices', method: 'HEAD' },
    ])
  })

  it('is not where the listener says who may', async () => {
    events.length = 0
    const headers = { host: '127.0.0.1:3001' }
    expect((await handler.internal.request('http://127.0.0.1:3001/jobs', { headers })).status).toBe(200)
    expect(events).toEqual([])
  })
})

describe('a call that is refused', () => {
  it('is reported with its route, and with the reason that its caller does not get', async () => {
    events.length = 0
    const jwt = await clientToken(provider, { resource: apiResource })
    const unknown = 'A'.repeat(43)
    const calls = [
      ['/partner', bearer(jwt).headers],
      ['/partner', bearer(unknown).headers],
      ['/partner', {}],
      ['/partner', { authorization: 'Basic YTpi' }],
      ['/nothing-here', {}],
    ] as const
    for (const [path, headers] of calls) {
      const answer = await handler.routes.request(origin + path, { headers: { ...headers, host: 'localhost:9' } })
      expect(await answer.text()).not.toMatch(/a_jwt|inactive/)
    }
    const refused = { event: 'calls_refused', method: 'GET', count: 1 }
    expect(events).toEqual([
      { ...refused, code: 'invalid_token', status: 401, reason: 'a_jwt', route: '/partner' },
      { ...refused, code: 'invalid_token', status: 401, reason: 'inactive', route: '/partner' },
      { ...refused, code: 'token_required', status: 401, route: '/partner' },
      { ...refused, code: 'wrong_credential', status: 401, route: '/partner' },
      { ...refused, code: 'no_route', status: 404 },
    ])
    expect(JSON.stringify(events)).not.toContain(jwt)
    expect(JSON.stringify(events)).not.toContain(unknown)
  })

  it('has the route of the listener that refused it', async () => {
    events.length = 0
    const headers = { host: '127.0.0.1:3001', authorization: `Bearer ${'A'.repeat(43)}` }
    await handler.internal.request('http://127.0.0.1:3001/jobs', { headers })
    await handler.internal.request('http://127.0.0.1:3001/partner', { headers, method: 'HEAD' })
    expect(events).toMatchObject([
      { event: 'calls_refused', code: 'wrong_credential', route: '/jobs' },
      { event: 'calls_refused', code: 'no_route' },
    ])
    expect(events[1]).not.toHaveProperty('route')
  })

  it('for its address or its target is reported, too', async () => {
    events.length = 0
    await handler.routes.request(`${origin}/partner`, { headers: { host: 'elsewhere.example' } })
    await handler.routes.request(`${origin}/partner;x`, { headers: { host: 'localhost:9' }, method: 'PUT' })
    await handler.routes.request(`${origin}//partner`, { headers: { host: 'localhost:9' } })
    expect(events).toMatchObject([
      { code: 'misdirected_request', status: 421, route: '/partner' },
      { code: 'no_route' },
      { code: 'path_not_canonical', status: 400 },
    ])
  })
})

describe('a server that fails', () => {
  it('is reported by a code, without the token that was asked about', async () => {
    events.length = 0
    const token = await clientToken(provider, { resource: partnerResource })
    await provider.goDown()
    const { headers } = bearer(token)
    const answer = await handler.routes.request(`${origin}/partner`, { headers: { ...headers, host: 'localhost:9' } })
    expect(answer.status).toBe(503)
    expect(events).toMatchObject([{ event: 'request_failed', code: 'provider_unavailable' }])
    const { inspect } = await import('node:util')
    expect(inspect(events, { depth: 10, showHidden: true })).not.toContain(token)
    await provider.comeBack()
  })
})
