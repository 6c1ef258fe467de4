/** Protected resource metadata (RFC 9728): how a client outside learns where its token comes from. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { apiResource } from '../../spa-example/provider/index.ts'
import { type System, startSystem } from '../support/system.ts'

let system: System
beforeAll(async () => {
  system = await startSystem({
    splitClients: ['nobody'],
    provider: { resource: apiResource },
    routes: [
      { path: '/partner/*', upstream: '/v1', auth: 'phantom', scopes: ['orders:read'] },
      { path: '/partner/*', upstream: '/v1', auth: 'phantom', scopes: ['orders:write'], methods: ['POST'] },
      { path: '/shops/:shop/orders', upstream: '/shops/:shop', auth: 'split' },
      { path: '/inside/*', upstream: '/inside', auth: 'jwt' },
      { path: '/api/*', upstream: '/api', auth: 'session' },
    ],
  })
})
afterAll(() => system.stop())

const metadata = (path: string, init?: RequestInit) =>
  fetch(`${system.origin}/.well-known/oauth-protected-resource${path}`, init)

describe('the metadata of a resource', () => {
  it('says which server gives tokens, and which scopes there are', async () => {
    const answer = await metadata('/partner')
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/json'])
    expect(await answer.json()).toEqual({
      resource: `${system.origin}/partner`,
      authorization_servers: [system.provider.issuer],
      scopes_supported: ['orders:read', 'orders:write'],
      bearer_methods_supported: ['header'],
    })
  })

  it('is where the challenge says that it is', async () => {
    for (const path of ['/partner/1', '/shops/1/orders']) {
      const challenge = (await fetch(system.origin + path)).headers.get('www-authenticate') ?? ''
      const [, url = ''] = /resource_metadata="([^"]+)"/.exec(challenge) ?? []
      const { resource } = (await (await fetch(url)).json()) as { resource: string }
      expect((system.origin + path).startsWith(`${resource}/`)).toBe(true)
    }
  })

  it('is of routes outside that take a token, and of no others', async () => {
    for (const path of ['', '/', '/api', '/inside', '/partner/1', '/partner/', '/PARTNER']) {
      expect((await metadata(path)).status).toBe(404)
    }
  })

  it('tells a page of another origin nothing', async () => {
    const answer = await metadata('/partner', { headers: { Origin: 'https://evil.example' } })
    expect(answer.headers.get('access-control-allow-origin')).toBeNull()
    expect((await metadata('/partner', { method: 'POST' })).status).toBe(404)
  })
})
