/** What an authorization server's answer about an opaque token has to say (RFC 7662), plain and signed (RFC 9701). */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { RouteConfig } from '../../src/config/user-routes.ts'
import { audience, type SigningKey, seconds, signClaims, signingKey } from '../resource-server/issuer.ts'
import { type IntrospectionServer, startIntrospectionServer } from '../support/introspection-server.ts'
import { type System, startSystem } from '../support/system.ts'
import { bearer } from '../support/tokens.ts'

let server: IntrospectionServer
let plain: System
let signed: System
let count = 0

beforeAll(async () => {
  server = await startIntrospectionServer()
  const routes: readonly RouteConfig[] = [
    {
      ...{ path: '/partner/*', upstream: '/v1', auth: 'phantom', audience, scopes: ['orders:read'] },
      upstreamToken: { from: 'none' },
    },
    {
      ...{ path: '/counted/*', upstream: '/counted', auth: 'phantom', audience, upstreamToken: { from: 'none' } },
      rateLimits: [{ per: 'subject', requests: 2, window: '1h' }],
    },
  ]
  plain = await startSystem({ provider: server.provider, routes })
  signed = await startSystem({
    provider: { ...server.provider, introspection: { signedResponseAlg: 'ES256' } },
    routes,
  })
})
afterAll(async () => {
  await Promise.all([plain.stop(), signed.stop()])
  await server.stop()
})
beforeEach(() => {
  for (const system of [plain, signed]) system.upstream.reset()
  server.asked.length = 0
})

const facts = (changes: Record<string, unknown> = {}) => ({
  ...{ active: true, token_type: 'Bearer', aud: audience, scope: 'orders:read', client_id: 'partner' },
  ...{ iss: server.issuer, exp: seconds() + 600, ...changes },
})

async function statusOf(system: System, answer: { body: string; type?: string; status?: number }): Promise<number> {
  const token = `opaque-${count++}`
  server.tell(token, answer)
  const { status } = await fetch(`${system.origin}/partner/x`, bearer(token))
  expect(server.asked.at(-1)?.token).toBe(token)
  if (status !== 200) expect(system.upstream.requests).toEqual([])
  return status
}

describe('a plain answer', () => {
  const ask = (changes?: Record<string, unknown>) => statusOf(plain, { body: JSON.stringify(facts(changes)) })

  it('opens the route, and the API gets no token', async () => {
    expect(await ask()).toBe(200)
    expect(plain.upstream.requests[0]?.headers.authorization).toBeUndefined()
    expect(server.asked[0]?.accept).toBe('application/json')
  })

  it.each<[string, Record<string, unknown>]>([
    ['is not active', { active: false }],
    ['is a refresh token, which says no type', { token_type: undefined }],
    ['is a refresh token by its use', { token_type: undefined, token_use: 'refresh_token' }],
    ['is bound to a key', { token_type: 'DPoP' }],
    ['has a confirmation', { cnf: { jkt: 'x' } }],
    ['is of another issuer', { iss: 'https://evil.example' }],
    ['is of an issuer that is no text', { iss: 42 }],
    ['is of nobody’s, by null', { iss: null }],
    ['has an end that is null', { exp: null }],
    ['has an end that is a number in a text', { exp: '4000000000' }],
    ['begins some day', { nbf: 'yesterday' }],
    ['is for an API within a list within a list', { aud: [[[audience]]] }],
    ['is for an API by the name of a member', { aud: { [audience]: true } }],
    ['is over', { exp: 1 }],
    ['has an end that is none', { exp: 'tomorrow' }],
    ['is not valid yet', { nbf: 4_000_000_000 }],
    ['is for another API', { aud: 'https://other.example.com' }],
    ['is for an API whose name begins alike', { aud: `${audience}/v2` }],
    ['is for none', { aud: undefined }],
  ])('refuses a token that %s', async (_what, changes) => {
    expect(await ask(changes)).toBe(401)
  })

  it('refuses scopes that only look alike', async () => {
    expect(await ask({ scope: 'orders:readonly orders' })).toBe(403)
    expect(await ask({ scope: ['orders:read'] })).toBe(403)
    expect(await ask({ scope: undefined })).toBe(403)
  })

  it('takes what else servers call an access token', async () => {
    expect(await ask({ token_type: 'bearer' })).toBe(200)
    expect(await ask({ token_type: undefined, token_use: 'access_token' })).toBe(200)
    expect(await ask({ aud: ['https://other.example.com', audience] })).toBe(200)
    expect(await ask({ exp: undefined, iss: undefined })).toBe(200)
  })

  it('that is none says nothing of the token', async () => {
    expect(await statusOf(plain, { body: '{"active":"true"}' })).toBe(503)
    expect(await statusOf(plain, { body: '[]' })).toBe(503)
  })
})

describe('a limit by subject', () => {
  const statuses = async (calls: number, changes: Record<string, unknown>) => {
    const token = `counted-${count++}`
    server.tell(token, { body: JSON.stringify(facts(changes)) })
    const found: number[] = []
    while (found.length < calls) found.push((await fetch(`${plain.origin}/counted/x`, bearer(token))).status)
    return found
  }

  it('counts all tokens of one subject together, and of a client that acts for nobody', async () => {
    expect(await statuses(2, { sub: 'ada' })).toEqual([200, 200])
    expect(await statuses(1, { sub: 'ada', client_id: 'another' })).toEqual([429])
    expect(await statuses(3, { client_id: 'alone' })).toEqual([200, 200, 429])
  })

  it('counts each token of which the answer says nobody’s name: none uses up what another may call', async () => {
    const nobody = { sub: undefined, client_id: undefined, iss: undefined }
    expect(await statuses(3, nobody)).toEqual([200, 200, 429])
    expect(await statuses(3, nobody)).toEqual([200, 200, 429])
  })
})

describe('where answers are signed', () => {
  const type = 'application/token-introspection+jwt'
  const answer = async (
    changes: Record<string, unknown> = {},
    claims: Record<string, unknown> = {},
    { key = server.key, header = {} }: { key?: SigningKey; header?: Record<string, unknown> } = {},
  ) => {
    const all = { iss: server.issuer, aud: signed.provider.clientId, iat: seconds(), ...claims }
    return signClaims({ ...all, token_introspection: facts(changes) }, key, {
      typ: 'token-introspection+jwt',
      ...header,
    })
  }

  it('one that is opens the route, and is not passed on', async () => {
    expect(await statusOf(signed, { type, body: await answer() })).toBe(200)
    expect(server.asked[0]?.accept).toBe(type)
    expect(signed.upstream.requests[0]?.headers.authorization).toBeUndefined()
  })

  it('what it says of the token counts', async () => {
    expect(await statusOf(signed, { type, body: await answer({ active: false }) })).toBe(401)
    expect(await statusOf(signed, { type, body: await answer({ aud: 'https://other.example.com' }) })).toBe(401)
  })

  it('one that is not is refused', async () => {
    expect(await statusOf(signed, { body: JSON.stringify(facts()) })).toBe(503)
  })

  it.each<[string, () => Promise<string>]>([
    ['another key', async () => answer({}, {}, { key: await signingKey('ES256', String(server.key.jwk.kid)) })],
    ['a key that is not published', async () => answer({}, {}, { key: await signingKey() })],
    ['an algorithm that is not the one', async () => answer({}, {}, { key: await signingKey('RS256') })],
    ['another issuer', async () => answer({}, { iss: 'https://evil.example' })],
    ['a server that answers somebody else', async () => answer({}, { aud: 'another-client' })],
    ['a server that calls it an access token', async () => answer({}, {}, { header: { typ: 'at+jwt' } })],
  ])('one by %s is refused', async (_what, make) => {
    expect(await statusOf(signed, { type, body: await make() })).toBe(503)
  })
})
