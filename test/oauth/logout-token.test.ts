/** What a logout token has to be (OpenID Connect Back-Channel Logout 1.0 §2.6): each part of it is looked at. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { AuthorizationServer } from '../../src/oauth/authorization-server.ts'
import { logoutTokenVerifier, type VerifyLogoutToken } from '../../src/oauth/logout-token.ts'
import { seconds, startIssuer, type TestIssuer } from '../resource-server/issuer.ts'

const clientId = 'app'
const event = 'http://schemas.openid.net/event/backchannel-logout'
let issuer: TestIssuer
let verify: VerifyLogoutToken
beforeAll(async () => {
  issuer = await startIssuer()
})
afterAll(() => issuer.stop())
beforeEach(() => {
  issuer.keyFetches = 0
  const serverMetadata = () => ({ issuer: issuer.url, jwks_uri: `${issuer.url}/jwks` })
  verify = logoutTokenVerifier(
    { provider: { clientId }, configuration: async () => ({ serverMetadata }) } as unknown as AuthorizationServer,
    { now: () => Date.now() },
  )
})

const token = (claims: Record<string, unknown> = {}, header: Record<string, unknown> = {}) =>
  issuer.sign(
    {
      ...{ iss: issuer.url, aud: clientId, sub: 'ada', sid: 'one', scope: undefined, client_id: undefined },
      events: { [event]: {} },
      ...claims,
    },
    { header: { typ: 'logout+jwt', ...header } },
  )

describe('a logout token', () => {
  it.each([
    ['with sid and sub', {}],
    ['for several clients, us among them', { aud: ['other', clientId] }],
    ['without an end, as earlier drafts had it', { exp: undefined }],
    ['of a clock that is a little ahead', { iat: seconds() + 30 }],
  ])('%s is taken', async (_what, claims) => {
    expect(await verify(await token(claims))).toMatchObject({ sub: 'ada', sid: 'one' })
  })

  it.each(['JWT', 'application/logout+jwt', undefined])('of typ %s is taken', async (typ) => {
    expect(await verify(await token({}, { typ }))).toMatchObject({ sub: 'ada' })
  })

  it.each<[what: string, check: string, claims: Record<string, unknown>]>([
    ['of another issuer', 'iss', { iss: 'https://elsewhere.example' }],
    ['of no issuer', 'iss', { iss: undefined }],
    ['for another client', 'aud', { aud: 'other' }],
    ['for other clients', 'aud', { aud: ['other', 'another'] }],
    ['that has ended', 'exp', { exp: seconds() - 61 }],
    ['with neither sid nor sub', 'sid or sub', { sid: undefined, sub: undefined }],
    ['with a sid that is no text', 'sid or sub', { sid: 7, sub: undefined }],
    ['without jti', 'jti', { jti: undefined }],
    ['with a nonce', 'nonce', { nonce: 'n' }],
    ['without the event', 'events', { events: { other: {} } }],
  ])('%s is refused before a key is fetched', async (_what, check, claims) => {
    await expect(verify(await token(claims))).rejects.toMatchObject({
      code: 'invalid_request',
      members: { parameter: 'logout_token', check },
    })
    expect(issuer.keyFetches).toBe(0)
  })

  it.each(['at+jwt', 'secevent+jwt', 'dpop+jwt'])('of typ %s is refused before a key is fetched', async (typ) => {
    await expect(verify(await token({}, { typ }))).rejects.toMatchObject({ members: { check: 'typ' } })
    expect(issuer.keyFetches).toBe(0)
  })

  it.each([
    ['issued long ago', { iat: seconds() - 700, exp: undefined }],
    ['issued long ago and meant to last', { iat: seconds() - 700, exp: seconds() + 3600 }],
    ['issued in the future', { iat: seconds() + 120 }],
  ])('%s is refused', async (_what, claims) => {
    await expect(verify(await token(claims))).rejects.toMatchObject({ members: { check: 'iat' } })
  })
})
