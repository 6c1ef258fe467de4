/** `upstreamToken: { from: 'refresh' }`: a token for another API by a refresh for it (RFC 8707 §2.2, protocol.md R1). */
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { apiResource, partnerResource, reportsResource } from '../../spa-example/provider/index.ts'
import { type ProviderLog, watchProvider } from '../support/provider-log.ts'
import { type System, startSystem } from '../support/system.ts'

let system: System
let log: ProviderLog
beforeAll(async () => {
  system = await startSystem({
    accessTokenSeconds: 60,
    provider: { resource: apiResource },
    routes: [
      { path: '/api/*', upstream: '/v1', auth: 'session' },
      {
        ...{ path: '/api/reports/*', upstream: '/reports', auth: 'session' },
        upstreamToken: { from: 'refresh', resource: reportsResource, scopes: ['orders:read'] },
      },
      {
        ...{ path: '/api/partners/*', upstream: '/partners', auth: 'session' },
        upstreamToken: { from: 'refresh', resource: partnerResource },
      },
      {
        ...{ path: '/api/more/*', upstream: '/more', auth: 'session' },
        upstreamToken: { from: 'refresh', resource: reportsResource, scopes: ['files:read'] },
      },
    ],
  })
  log = watchProvider(system.provider)
})
afterAll(async () => {
  log.stop()
  await system.stop()
})
beforeEach(() => {
  system.upstream.reset()
  system.provider.token.clear()
  system.provider.token.forget()
  log.clear()
})

const refreshes = () => system.provider.token.count({ grantType: 'refresh_token' })
const sentToken = () => system.upstream.requests.at(-1)?.headers.authorization?.slice('Bearer '.length) ?? ''

describe('a token for another API', () => {
  it('is asked for at sign-in, and had by a refresh for that API with its scopes', async () => {
    const browser = await system.signedIn()
    expect(log.authorizations[0]?.getAll('resource')).toEqual([apiResource, reportsResource, partnerResource])
    expect((await system.call(browser, '/api/reports/x')).status).toBe(200)
    expect(decodeJwt(sentToken())).toMatchObject({ aud: reportsResource, scope: 'orders:read' })
    const [refresh] = log.grants.filter((grant) => grant.grant_type === 'refresh_token')
    expect(refresh).toMatchObject({ resource: reportsResource, scope: 'orders:read' })
  })

  it('is kept, and is not the session’s own', async () => {
    const browser = await system.signedIn()
    const tokens: string[] = []
    for (const path of ['/api/x', '/api/reports/x', '/api/partners/x', '/api/reports/y', '/api/x']) {
      expect((await system.call(browser, path)).status).toBe(200)
      tokens.push(sentToken())
    }
    expect([tokens[3], tokens[4]]).toEqual([tokens[1], tokens[0]])
    expect(new Set(tokens).size).toBe(3)
    expect(refreshes()).toBe(2)
  })

  it('is asked for once by a burst, and one API after the other', async () => {
    const browser = await system.signedIn()
    const paths = Array.from({ length: 24 }, (_, index) => `/api/${['reports', 'partners', 'y'][index % 3]}/x`)
    const answers = await Promise.all(paths.map((path) => system.call(browser, path)))
    expect(answers.map(({ status }) => status)).toEqual(paths.map(() => 200))
    expect(refreshes()).toBe(2)
    expect(system.provider.token.count({ grantType: 'refresh_token', outcome: 'refused' })).toBe(0)
  })

  it('goes round with the session’s own refresh, and no refresh token is used twice', async () => {
    const browser = await system.signedIn()
    for (let round = 1; round <= 3; round++) {
      await system.advance(61_000)
      const paths = ['/api/x', '/api/reports/x', '/api/partners/x', '/api/x', '/api/reports/x']
      const answers = await Promise.all(paths.map((path) => system.call(browser, path)))
      expect(answers.map(({ status }) => status)).toEqual(paths.map(() => 200))
      expect(refreshes()).toBe(3 * round)
    }
    expect(system.provider.token.count({ outcome: 'refused' })).toBe(0)
  })

  it('is no reason to sign anyone out: without the server, the session’s own calls go on', async () => {
    const browser = await system.signedIn()
    system.provider.token.inject('503')
    const answer = await system.call(browser, '/api/reports/x')
    expect([answer.status, answer.headers.get('retry-after') !== null]).toEqual([503, true])
    expect((await system.call(browser, '/api/x')).status).toBe(200)
  })

  it.each([
    { error: 'invalid_target' },
    { error: 'consent_required' },
    { error: 'interaction_required' },
    { error: 'login_required' },
    // As Entra ID says it.
    { error: 'invalid_resource', error_codes: [500011] },
    { error: 'invalid_grant', suberror: 'consent_required', error_codes: [65001] },
  ])('that the server does not give is 403, and the session stands: %j', async (body) => {
    const browser = await system.signedIn()
    system.provider.token.inject({ status: 400, body, headers: { 'Content-Type': 'application/json' } }, 1)
    const answer = await system.call(browser, '/api/reports/x')
    expect([answer.status, await answer.json()]).toMatchObject([403, { code: 'token_refused' }])
    expect((await system.call(browser, '/api/x')).status).toBe(200)
    await system.advance(61_000)
    expect((await system.call(browser, '/api/reports/x')).status).toBe(200)
  })

  it('that never had the scope is 403', async () => {
    const browser = await system.signedIn()
    expect((await system.call(browser, '/api/more/x')).status).toBe(403)
    expect((await system.call(browser, '/api/x')).status).toBe(200)
  })
})

describe('a token for another API that this API refuses (R11)', () => {
  let longLived: System
  beforeAll(async () => {
    longLived = await startSystem({
      accessTokenSeconds: 600,
      provider: { resource: apiResource },
      routes: [
        {
          ...{ path: '/api/reports/*', upstream: '/reports', auth: 'session' },
          upstreamToken: { from: 'refresh', resource: reportsResource },
        },
      ],
    })
  })
  afterAll(() => longLived.stop())

  it('is asked for anew with the session’s own, and the call is repeated with it', async () => {
    const browser = await longLived.signedIn()
    expect((await longLived.call(browser, '/api/reports/x')).status).toBe(200)
    const refused = longLived.upstream.requests.at(-1)?.headers.authorization
    longLived.upstream.on('/reports/x', (incoming, outgoing) => {
      const isRefused = incoming.headers.authorization === refused
      if (isRefused) outgoing.setHeader('www-authenticate', 'Bearer error="invalid_token"')
      outgoing.writeHead(isRefused ? 401 : 200).end()
    })
    await longLived.advance(120_000)
    expect((await longLived.call(browser, '/api/reports/x')).status).toBe(200)
    expect((await longLived.call(browser, '/api/reports/x')).status).toBe(200)
    // At first for this API, then for the session, then for this API again.
    expect(longLived.provider.token.count({ grantType: 'refresh_token' })).toBe(3)
    expect(longLived.provider.token.count({ outcome: 'refused' })).toBe(0)
  })
})
