/** `auth: 'client'`: calls with an access token of this server's own. */
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { apiResource, reportsResource } from '../../spa-example/provider/index.ts'
import { type System, startSystem } from '../support/system.ts'

let system: System
beforeAll(async () => {
  system = await startSystem({
    accessTokenSeconds: 600,
    routes: [
      {
        path: '/jobs/*',
        upstream: '/jobs',
        auth: 'client',
        scopes: ['orders:write'],
        resource: apiResource,
        methods: ['GET', 'POST'],
      },
      { path: '/reports/*', upstream: '/reports', auth: 'client', scopes: ['orders:read'], resource: reportsResource },
      {
        path: '/catalogue/*',
        upstream: '/catalogue',
        auth: 'client',
        scopes: ['orders:read'],
        resource: apiResource,
        public: 'a price list',
      },
    ],
  })
})
afterAll(() => system.stop())
beforeEach(async () => {
  // No token of the test before is alive.
  await system.advance(700_000)
  system.upstream.reset()
  system.provider.token.clear()
  system.provider.token.forget()
})

const inside = (path: string, init?: RequestInit) => fetch(system.internalUrl + path, init)
const asked = () => system.provider.token.count({ grantType: 'client_credentials' })
const sentToken = () => system.upstream.requests.at(-1)?.headers.authorization?.slice('Bearer '.length) ?? ''

describe('a call with no user', () => {
  it('has a token of ours, for the API and the scopes of the route', async () => {
    expect((await inside('/jobs/1', { method: 'POST', body: 'x' })).status).toBe(200)
    expect(decodeJwt(sentToken())).toMatchObject({
      aud: apiResource,
      scope: 'orders:write',
      sub: system.provider.clientId,
    })
    expect((await inside('/reports/1')).status).toBe(200)
    expect(decodeJwt(sentToken())).toMatchObject({ aud: reportsResource, scope: 'orders:read' })
  })

  it('shares the token with every other of its kind', async () => {
    await inside('/jobs/1')
    system.provider.token.forget()
    const before = sentToken()
    await Promise.all(Array.from({ length: 20 }, () => inside('/jobs/1')))
    expect([asked(), sentToken()]).toEqual([0, before])
  })

  it('asks once for a burst, early and behind the calls', async () => {
    await inside('/jobs/1')
    const before = sentToken()
    // Alive, and past the latest time at which it is renewed.
    await system.advance(520_000)
    system.provider.token.forget()
    system.provider.token.inject('hold-answer')
    const statuses = await Promise.all(Array.from({ length: 20 }, () => inside('/jobs/1').then(({ status }) => status)))
    expect(new Set(statuses)).toEqual(new Set([200]))
    expect(sentToken()).toBe(before)
    await system.provider.token.whenHeld(1)
    system.provider.token.clear()
    const nextToken = async () => {
      await inside('/jobs/1')
      return sentToken()
    }
    await expect.poll(nextToken).not.toBe(before)
    expect(asked()).toBe(1)
  })

  it('goes on with a live token while the server is out, and leaves it alone', async () => {
    await inside('/reports/1')
    system.provider.token.inject('503')
    await system.advance(520_000)
    system.provider.token.forget()
    for (const _call of Array.from({ length: 10 })) expect((await inside('/reports/1')).status).toBe(200)
    await expect.poll(() => system.provider.token.requests.length).toBe(1)
    await system.advance(100_000)
    const late = await inside('/reports/1')
    expect([late.status, Number(late.headers.get('retry-after')) > 0]).toEqual([503, true])
    system.provider.token.forget()
    expect((await inside('/reports/1')).status).toBe(503)
    expect(system.provider.token.requests).toEqual([])
    system.provider.token.clear()
    await system.advance(60_000)
    expect((await inside('/reports/1')).status).toBe(200)
  })

  it('is repeated once with another token after a 401, of what can be repeated', async () => {
    await inside('/jobs/1')
    const before = sentToken()
    system.upstream.on('/jobs/rotated', (incoming, outgoing) => {
      outgoing.writeHead(incoming.headers.authorization === `Bearer ${before}` ? 401 : 204)
      outgoing.end()
    })
    expect((await inside('/jobs/rotated')).status).toBe(401)
    await system.advance(61_000)
    expect((await inside('/jobs/rotated')).status).toBe(204)
  })

  it('that was refused with a body too long to keep is another with the next call', async () => {
    await inside('/jobs/1')
    const before = sentToken()
    system.upstream.on('/jobs/uploads', async (incoming, outgoing) => {
      for await (const _chunk of incoming);
      outgoing.writeHead(incoming.headers.authorization === `Bearer ${before}` ? 401 : 204).end()
    })
    await system.advance(61_000)
    const upload = () => inside('/jobs/uploads', { method: 'POST', body: 'x'.repeat(70_000) })
    expect((await upload()).status).toBe(401)
    expect((await upload()).status).toBe(204)
  })
})

describe('from outside', () => {
  it('there is only what the configuration gives a reason for', async () => {
    expect((await fetch(`${system.origin}/catalogue/1`)).status).toBe(200)
    expect(decodeJwt(sentToken())).toMatchObject({ scope: 'orders:read' })
    expect((await fetch(`${system.origin}/jobs/1`)).status).toBe(404)
    expect((await fetch(`${system.origin}/catalogue/1`, { method: 'POST' })).status).toBe(405)
  })

  it('what a browser brings by itself is not passed on', async () => {
    const headers = { Authorization: `Basic ${btoa('a:b')}`, Cookie: 'a=b', 'X-User': 'admin' }
    expect((await fetch(`${system.origin}/catalogue/1`, { headers })).status).toBe(200)
    expect(decodeJwt(sentToken())).toMatchObject({ sub: system.provider.clientId })
    const { cookie, 'x-user': user } = system.upstream.requests[0]?.headers ?? {}
    expect([cookie, user]).toEqual([undefined, undefined])
  })
})

describe('a caller with a credential', () => {
  it.each([
    ['a token, outside', () => system.origin, '/catalogue/1', 'Bearer of-theirs'],
    ['a token that is bound to a key, outside', () => system.origin, '/catalogue/1', 'DPoP of-theirs'],
    ['a token, inside', () => system.internalUrl, '/jobs/1', 'Bearer of-theirs'],
    ['a name and password, inside', () => system.internalUrl, '/jobs/1', `Basic ${btoa('a:b')}`],
  ])(
    'is not served as this server instead: with %s it is told that the route takes none',
    async (_what, base, path, authorization) => {
      const answer = await fetch(base() + path, { headers: { Authorization: authorization } })
      expect([answer.status, await answer.json()]).toMatchObject([
        401,
        { code: 'wrong_credential', accepts: 'no credential' },
      ])
      expect([system.upstream.requests, asked()]).toEqual([[], 0])
    },
  )
})
