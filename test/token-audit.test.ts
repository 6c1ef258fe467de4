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
