/** `auth: 'jwt'` and the tokens that it must not take, really signed by a server that publishes and withdraws keys as a test says. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { audience, seconds, signingKey, startIssuer, type TestIssuer } from '../resource-server/issuer.ts'
import { type System, startSystem } from '../support/system.ts'
import { bearer, otherCredentials } from '../support/tokens.ts'

let issuer: TestIssuer
let system: System
beforeAll(async () => {
  issuer = await startIssuer()
  system = await startSystem({
    provider: {
      issuer: issuer.url,
      metadata: {
        authorizationEndpoint: `${issuer.url}/authorize`,
        tokenEndpoint: `${issuer.url}/token`,
        jwksUri: `${issuer.url}/jwks`,
      },
    },
    routes: [{ path: '/orders/*', upstream: '/v1', auth: 'jwt', audience, scopes: ['orders:read'] }],
  })
})
afterAll(() => Promise.all([system.stop(), issuer.stop()]))
beforeEach(() => system.upstream.reset())

const accepts = 'an access token that is a JWT'
const call = (headers: Record<string, string>) => fetch(`${system.internalUrl}/orders/1`, { headers })
const statusOf = async (token: string) => (await call(bearer(token).headers)).status
const sent = () => system.upstream.requests.map(({ headers }) => headers)

describe('a JWT of the server', () => {
  it.each<[string, Record<string, unknown>, Record<string, unknown>]>([
    ['that has expired', { iat: seconds() - 600, exp: seconds() - 120 }, {}],
    ['that is valid later', { nbf: seconds() + 600, exp: seconds() + 1200 }, {}],
    ['that is no access token (RFC 9068 §4)', {}, { typ: 'JWT' }],
    ['that says it is of another server', { iss: 'https://elsewhere.example' }, {}],
    ['for another API', { aud: 'https://other.example.com' }, {}],
    ['that is bound to a key, which nobody proves here (RFC 7800 §3)', { cnf: { jkt: 'a'.repeat(43) } }, {}],
  ])('%s is refused, where one without that is taken', async (_what, claims, header) => {
    expect(await statusOf(await issuer.sign())).toBe(200)
    system.upstream.reset()
    const answer = await call(bearer(await issuer.sign(claims, { header })).headers)
    expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([
      401,
      'Bearer realm="coatcheck", error="invalid_token", scope="orders:read"',
    ])
    expect(await answer.json()).toMatchObject({ code: 'invalid_token', accepts })
    expect(sent()).toEqual([])
  })

  it('that was taken is refused once it is over, with the minute that clocks may be apart', async () => {
    const token = await issuer.sign({ exp: seconds() + 100 })
    expect(await statusOf(token)).toBe(200)
    await system.advance(140_000)
    const within = await statusOf(token)
    await system.advance(30_000)
    const after = await statusOf(token)
    await system.advance(-170_000)
    expect([within, after]).toEqual([200, 401])
  })

  it('that was taken is refused once its key is withdrawn and the keys are fetched again', async () => {
    const next = await signingKey()
    const token = await issuer.sign({ exp: seconds() + 3600 })
    expect(await statusOf(token)).toBe(200)
    issuer.keys = [next]
    // Past the time in which an unknown key is not asked for; the new key's first token has the keys fetched.
    await system.advance(31_000)
    try {
      expect(await statusOf(await issuer.sign({}, { key: next }))).toBe(200)
      expect(await statusOf(token)).toBe(401)
    } finally {
      await system.advance(-31_000)
    }
  })
})

describe('a call with another credential', () => {
  it.each(otherCredentials)('is told what the route takes if it brings %s', async (_what, headers) => {
    const answer = await call(headers)
    expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([
      401,
      'Bearer realm="coatcheck", scope="orders:read"',
    ])
    expect(await answer.json()).toMatchObject({ code: 'wrong_credential', accepts })
    expect(sent()).toEqual([])
  })

  it('beside the token has its cookies ignored, and never passed on', async () => {
    const token = await issuer.sign({ exp: seconds() + 3600 })
    const answer = await call({ ...bearer(token).headers, Cookie: '__Host-Http-coatcheck=forged; a=b' })
    expect([answer.status, answer.headers.getSetCookie()]).toEqual([200, []])
    expect(sent()).toMatchObject([{ authorization: `Bearer ${token}` }])
    expect(sent()[0]?.cookie).toBeUndefined()
  })
})
