/** `auth: 'jwt'`: clients inside the network, on the internal listener. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { apiResource, clientIds, partnerResource, reportsResource } from '../../spa-example/provider/index.ts'
import { signClaims, signingKey } from '../resource-server/issuer.ts'
import { type System, startSystem } from '../support/system.ts'
import { bearer, clientToken } from '../support/tokens.ts'

let system: System
beforeAll(async () => {
  system = await startSystem({
    provider: { resource: apiResource },
    routes: [
      { path: '/orders/*', upstream: '/v1', auth: 'jwt', scopes: ['orders:read'] },
      { path: '/reports/*', upstream: '/reports', auth: 'jwt', audience: reportsResource },
      { path: '/api/*', upstream: '/session', auth: 'session' },
    ],
  })
})
afterAll(() => system.stop())
beforeEach(() => system.upstream.reset())

const client = clientIds.basic
const tokenFor = (resource: string, scope = 'orders:read') => clientToken(system.provider, { client, resource, scope })
const call = (token: string, path = '/orders/1') => fetch(system.internalUrl + path, bearer(token))

describe('a JWT on the internal listener', () => {
  it('is verified and passed on as it is', async () => {
    const token = await tokenFor(apiResource)
    const answer = await call(token)
    expect(answer.status).toBe(200)
    expect(system.upstream.requests.map(({ headers }) => headers.authorization)).toEqual([`Bearer ${token}`])
  })

  it('opens the routes of its own API only', async () => {
    const token = await tokenFor(reportsResource)
    expect([(await call(token)).status, (await call(token, '/reports/1')).status]).toEqual([401, 200])
  })

  it('needs the scopes of the route', async () => {
    const answer = await call(await tokenFor(apiResource, 'orders:write'))
    expect(answer.status).toBe(403)
    expect(answer.headers.get('www-authenticate')).toBe(
      'Bearer realm="coatcheck", error="insufficient_scope", scope="orders:read"',
    )
  })

  it('is verified through a rotation of the keys, whoever signed it', async () => {
    const before = await tokenFor(apiResource)
    expect((await call(before)).status).toBe(200)
    await system.provider.rotateKeys()
    // Past the time in which an unknown key is not asked for.
    await system.advance(31_000)
    const after = await tokenFor(apiResource)
    const calls = [before, after, before, after].map((token) => call(token).then(({ status }) => status))
    expect(await Promise.all(calls)).toEqual([200, 200, 200, 200])
  })

  it('is refused if it is opaque, or of nobody that we know', async () => {
    const opaque = await tokenFor(partnerResource)
    const claims = {
      iss: system.provider.issuer,
      aud: apiResource,
      sub: 'x',
      client_id: 'x',
      jti: 'x',
      iat: 1,
      exp: 4e9,
    }
    const forged = await signClaims({ ...claims, scope: 'orders:read' }, await signingKey())
    for (const token of [opaque, forged]) {
      const answer = await call(token)
      expect(answer.status).toBe(401)
      expect(await answer.json()).toMatchObject({ code: 'invalid_token', accepts: 'an access token that is a JWT' })
    }
    expect(system.upstream.requests).toEqual([])
  })

  it('is asked for where there is none', async () => {
    const answer = await fetch(`${system.internalUrl}/orders/1`)
    expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([
      401,
      'Bearer realm="coatcheck", scope="orders:read"',
    ])
  })
})

describe('an API that asks the client for another token', () => {
  async function challengesOf(status: number, challenge: string | string[] | undefined): Promise<string | null> {
    system.upstream.on('/reports/asks', (_incoming, outgoing) => {
      outgoing.writeHead(status, challenge === undefined ? {} : { 'WWW-Authenticate': challenge }).end()
    })
    const answer = await call(await tokenFor(reportsResource), '/reports/asks')
    expect(answer.status).toBe(status)
    return answer.headers.get('www-authenticate')
  }

  it.each([
    [401, 'Bearer error="insufficient_user_authentication", acr_values="urn:x:gold", max_age="60"'],
    [401, 'Bearer realm="stock, and more", error="invalid_token", error_description="It is \\"over\\""'],
    [403, 'Bearer realm="stock", error="insufficient_scope", scope="reports:write"'],
    [401, 'Bearer'],
  ])('is heard as it is, since the token is the client’s own (%d, %s)', async (status, challenge) => {
    expect(await challengesOf(status, challenge)).toBe(challenge)
  })

  it('is not heard on other schemes, which no route takes', async () => {
    const challenge = 'Basic realm="a", Bearer realm="b", error="invalid_token", DPoP algs="ES256", Negotiate abc=='
    expect(await challengesOf(401, challenge)).toBe('Bearer realm="b", error="invalid_token"')
    expect(await challengesOf(401, ['Basic realm="a"', 'Bearer realm="b"'])).toBe('Bearer realm="b"')
    expect(await challengesOf(401, 'Basic realm="Bearer realm=x"')).toBe(
      'Bearer realm="coatcheck", error="invalid_token"',
    )
  })

  it('gets our challenge where it says none, or what is none (RFC 9110 §15.5.2)', async () => {
    const ours = 'Bearer realm="coatcheck", error="invalid_token"'
    for (const none of [
      undefined,
      'Bearer realm="open',
      'Bearer realm=a, realm=b',
      `Bearer realm="${'a'.repeat(3000)}"`,
    ]) {
      expect(await challengesOf(401, none)).toBe(ours)
    }
    expect(await challengesOf(403, undefined)).toBeNull()
  })
})

describe('a route without scopes', () => {
  it('has a parameter in its challenge all the same (RFC 6750 §3)', async () => {
    const answer = await fetch(`${system.internalUrl}/reports/1`)
    expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([401, 'Bearer realm="coatcheck"'])
  })
})

describe('the listeners', () => {
  it('keep their routes apart: a JWT has no route outside', async () => {
    const token = await tokenFor(apiResource)
    const outside = await fetch(`${system.origin}/orders/1`, bearer(token))
    expect([outside.status, await outside.json()]).toMatchObject([404, { code: 'no_route' }])
    expect(system.upstream.requests).toEqual([])
  })

  it('keep their routes apart: a session has none inside', async () => {
    const inside = await fetch(`${system.internalUrl}/api/x`, { headers: { 'X-CSRF': '1' } })
    expect([inside.status, await inside.json()]).toMatchObject([404, { code: 'no_route' }])
  })

  it('answers no page inside, whatever token it has', async () => {
    const { headers } = bearer(await tokenFor(apiResource))
    const answer = await fetch(`${system.internalUrl}/orders/1`, {
      headers: { ...headers, Origin: 'https://evil.example' },
    })
    expect(await answer.json()).toMatchObject({ code: 'browser_refused' })
  })
})
