/** Tokens that are made of others: by introspection, by exchange (RFC 8693), for one API and its scopes. */
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { apiResource, clientIds, partnerResource, reportsResource } from '../../spa-example/provider/index.ts'
import { claimsOf, signClaims, signingKey } from '../resource-server/issuer.ts'
import { type System, startSystem } from '../support/system.ts'
import { bearer, clientToken } from '../support/tokens.ts'

const exchangeGrant = 'urn:ietf:params:oauth:grant-type:token-exchange'
let system: System
beforeAll(async () => {
  system = await startSystem({
    accessTokenSeconds: 60,
    provider: { introspection: { signedResponseAlg: 'ES256' } },
    routes: [
      {
        ...{ path: '/partner/*', upstream: '/v1', auth: 'phantom', audience: partnerResource, scopes: ['orders:read'] },
        upstreamToken: { from: 'exchange', resource: apiResource, scopes: ['orders:read'] },
      },
      {
        path: '/plain/*',
        upstream: '/plain',
        auth: 'phantom',
        audience: partnerResource,
        upstreamToken: { from: 'none' },
      },
      { path: '/api/*', upstream: '/session', auth: 'session' },
      {
        ...{ path: '/api/reports/*', upstream: '/reports', auth: 'session', scopes: ['orders:read'] },
        upstreamToken: { from: 'exchange', resource: reportsResource, scopes: ['orders:read'] },
      },
      {
        ...{ path: '/api/partners/*', upstream: '/partners', auth: 'session' },
        upstreamToken: { from: 'exchange', resource: partnerResource, scopes: ['orders:read'] },
      },
      {
        ...{ path: '/api/unknown/*', upstream: '/unknown', auth: 'session' },
        upstreamToken: { from: 'exchange', resource: 'https://nobody.example' },
      },
    ],
  })
})
afterAll(() => system.stop())
beforeEach(() => {
  system.upstream.reset()
  system.provider.token.clear()
  system.provider.token.forget()
})

const partnerToken = (scope = 'orders:read orders:write') =>
  clientToken(system.provider, { resource: partnerResource, scope })
const call = (token: string, path = '/partner/orders') => fetch(system.origin + path, bearer(token))
const exchanges = () => system.provider.token.count({ grantType: exchangeGrant })
const sentToken = () => system.upstream.requests.at(-1)?.headers.authorization?.slice('Bearer '.length) ?? ''

describe('a partner’s opaque token', () => {
  it('is exchanged for a JWT of the API, with the scopes that it needs and no others', async () => {
    const token = await partnerToken()
    expect((await call(token)).status).toBe(200)
    expect(decodeJwt(sentToken())).toMatchObject({
      aud: apiResource,
      scope: 'orders:read',
      iss: system.provider.issuer,
    })
    expect(JSON.stringify(system.upstream.requests)).not.toContain(token)
  })

  it('is exchanged once for all that call with it at the same time', async () => {
    const token = await partnerToken()
    const statuses = await Promise.all(Array.from({ length: 50 }, () => call(token).then(({ status }) => status)))
    expect([new Set(statuses), exchanges()]).toEqual([new Set([200]), 1])
  })

  it('opens a route whose API takes no token, and nothing goes on as Authorization', async () => {
    expect((await call(await partnerToken(), '/plain/x')).status).toBe(200)
    expect(system.upstream.requests[0]?.headers.authorization).toBeUndefined()
    expect(exchanges()).toBe(0)
  })

  it('needs the scopes of the route before it is exchanged', async () => {
    expect((await call(await partnerToken('orders:write'))).status).toBe(403)
    expect(exchanges()).toBe(0)
  })

  it('of no API, or that the server does not know, is refused', async () => {
    for (const token of ['unknown', 'a-refresh-token']) expect((await call(token)).status).toBe(401)
    expect(exchanges()).toBe(0)
  })

  it('is not passed on as it is when the exchange fails', async () => {
    const token = await partnerToken()
    system.provider.token.inject('503')
    const answer = await call(token)
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1'])
    system.provider.token.clear()
    expect((await call(token)).status).toBe(200)
  })
})

describe('a refresh token', () => {
  it('is active at the server, and opens nothing as a bearer token', async () => {
    const { answers, stop } = watchAnswers()
    await system.signedIn()
    stop()
    const refreshToken = String(answers.find((answer) => answer.refresh_token !== undefined)?.refresh_token)
    expect((await call(refreshToken, '/plain/x')).status).toBe(401)
    expect(system.upstream.requests).toEqual([])
  })
})

describe('a session', () => {
  it('has a token of its own for each API, and no two share one', async () => {
    const browser = await system.signedIn()
    const tokens = new Map<string, string>()
    for (const path of ['/api/x', '/api/reports/x', '/api/partners/x', '/api/x', '/api/reports/x']) {
      expect((await system.call(browser, path)).status).toBe(200)
      const known = tokens.get(path)
      if (known !== undefined) expect(sentToken()).toBe(known)
      tokens.set(path, sentToken())
    }
    expect(new Set(tokens.values()).size).toBe(3)
    expect(decodeJwt(tokens.get('/api/reports/x') ?? '')).toMatchObject({ aud: reportsResource, scope: 'orders:read' })
    expect(exchanges()).toBe(2)
    expect(system.provider.token.count({ grantType: 'refresh_token' })).toBe(0)
  })

  it('exchanges once for a burst, and again when its own token is refreshed', async () => {
    const browser = await system.signedIn()
    const burst = () => Promise.all(Array.from({ length: 8 }, () => system.call(browser, '/api/reports/x')))
    expect(new Set((await burst()).map(({ status }) => status))).toEqual(new Set([200]))
    expect(exchanges()).toBe(1)
    const before = sentToken()
    await system.advance(61_000)
    expect(new Set((await burst()).map(({ status }) => status))).toEqual(new Set([200]))
    expect([exchanges(), system.provider.token.count({ grantType: 'refresh_token' })]).toEqual([2, 1])
    expect(sentToken()).not.toBe(before)
  })

  it('shares nothing with another session', async () => {
    const [ada, grace] = [await system.signedIn('ada'), await system.signedIn('grace')]
    await system.call(ada, '/api/reports/x')
    const first = sentToken()
    await system.call(grace, '/api/reports/x')
    expect(decodeJwt(sentToken()).sub).not.toBe(decodeJwt(first).sub)
  })

  it('gets no token for an API that the server gives none for, and the API is not called', async () => {
    const browser = await system.signedIn()
    const answer = await system.call(browser, '/api/unknown/x')
    expect([answer.status, await answer.json()]).toMatchObject([403, { code: 'token_refused' }])
    expect(system.upstream.requests).toEqual([])
    expect((await system.call(browser, '/api/x')).status).toBe(200)
  })

  it('gets no token that has more scopes than were asked for, whether the server says so or its JWT does', async () => {
    const browser = await system.signedIn()
    const more = 'orders:read orders:write'
    const jwt = (scope: string) =>
      signingKey().then((key) => signClaims(claimsOf(system.provider.issuer, { scope }), key))
    for (const [scope, said] of [
      [more, undefined],
      [more, 'orders:read'],
      ['orders:read', more],
    ] as const) {
      const body = { access_token: await jwt(scope), token_type: 'Bearer', expires_in: 60, scope: said }
      system.provider.token.inject({ status: 200, body }, 1)
      const answer = await system.call(browser, '/api/reports/x')
      expect([answer.status, await answer.json()]).toMatchObject([403, { code: 'token_refused' }])
      await system.advance(6000)
    }
    expect(system.upstream.requests).toEqual([])
    expect((await system.call(browser, '/api/reports/x')).status).toBe(200)
  })

  it('is asked for no other credential than its cookie', async () => {
    const token = await clientToken(system.provider, { client: clientIds.basic, resource: apiResource })
    expect((await call(token, '/api/reports/x')).status).toBe(401)
  })
})

function watchAnswers() {
  const answers: Record<string, unknown>[] = []
  const onGrant = (ctx: { body: unknown }) => void answers.push({ ...(ctx.body as Record<string, unknown>) })
  const { provider } = system.provider
  provider.on('grant.success', onGrant)
  return { answers, stop: () => provider.off('grant.success', onGrant) }
}
