/** What an authorization server gives for a token (RFC 8693) has to be what was asked for, whatever it says beside it. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { audience, seconds, signingKey } from '../resource-server/issuer.ts'
import { type IntrospectionServer, startIntrospectionServer } from '../support/introspection-server.ts'
import { type System, startSystem } from '../support/system.ts'
import { bearer } from '../support/tokens.ts'

const inside = 'https://inside.example.com'
const day = 86_400
let server: IntrospectionServer
let system: System
let count = 0

beforeAll(async () => {
  server = await startIntrospectionServer()
  system = await startSystem({
    provider: { ...server.provider, introspection: { cacheTime: '1h' } },
    routes: [
      {
        ...{ path: '/partner/*', upstream: '/v1', auth: 'phantom', audience },
        upstreamToken: { from: 'exchange', resource: inside, scopes: ['orders:read', 'files:read'] },
      },
    ],
  })
})
afterAll(async () => {
  await system.stop()
  await server.stop()
})
beforeEach(() => {
  system.upstream.reset()
  server.exchanged.length = 0
})

interface Exchange {
  /** Of the JWT that the server gives. */
  readonly claims?: Record<string, unknown>
  /** Over the members of its answer. */
  readonly said?: Record<string, unknown>
  /** Of the caller's own token. */
  readonly facts?: Record<string, unknown>
  readonly options?: Parameters<IntrospectionServer['jwtFor']>[1]
}

/** A caller's token, and what the server gives for it. */
async function issue({ claims, said, facts, options }: Exchange = {}): Promise<{ token: string; jwt: string }> {
  const exp = seconds() + day
  const token = `subject-${count++}`
  const active = { active: true, token_type: 'Bearer', aud: audience, scope: 'orders:read', sub: 'ada', exp, ...facts }
  server.tell(token, { body: JSON.stringify(active) })
  const jwt = await server.jwtFor({ aud: inside, scope: 'orders:read', exp, ...claims }, options)
  const answer = { access_token: jwt, token_type: 'Bearer', expires_in: day, scope: 'orders:read', ...said }
  server.tellExchange(token, { body: JSON.stringify(answer) })
  return { token, jwt }
}

const call = (token: string) => fetch(`${system.origin}/partner/x`, bearer(token))

describe('an exchanged token', () => {
  it('is forwarded if it is a JWT for the API that was asked for', async () => {
    const { token, jwt } = await issue()
    expect((await call(token)).status).toBe(200)
    expect(system.upstream.requests[0]?.headers.authorization).toBe(`Bearer ${jwt}`)
  })

  it.each<[string, () => Promise<Exchange>]>([
    ['more scopes in the answer', async () => ({ said: { scope: 'orders:read orders:write' } })],
    ['more scopes in the JWT, and says nothing of them', async () => ({ claims: { scope: 'orders:read admin' } })],
    ['the scopes of the JWT unsaid', async () => ({ claims: { scope: 'admin' }, said: { scope: undefined } })],
    ['a JWT for another API', async () => ({ claims: { aud: audience } })],
    ['a JWT for an API of nobody', async () => ({ claims: { aud: 'https://nobody.example' } })],
    ['an opaque token', async () => ({ said: { access_token: 'opaque-as-well' } })],
    ['the caller\u2019s own token', async () => ({ said: { access_token: `subject-${count}` } })],
    ['an ID token', async () => ({ options: { header: { typ: 'JWT' } } })],
    ['a JWT that is over', async () => ({ claims: { exp: 1 } })],
    ['a JWT of another key', async () => ({ options: { key: await signingKey('ES256', String(server.key.jwk.kid)) } })],
  ])('is not forwarded with %s', async (_what, make) => {
    const { token } = await issue(await make())
    const answer = await call(token)
    expect([answer.status, await answer.json()]).toMatchObject([403, { code: 'token_refused' }])
    expect(system.upstream.requests).toEqual([])
  })

  it('may be of another subject: which one the API knows is the server\u2019s to say (RFC 9068 §6)', async () => {
    const { token } = await issue({ claims: { sub: 'pairwise-of-ada' } })
    expect((await call(token)).status).toBe(200)
  })

  it.each<[string, Exchange]>([
    ['the end that the JWT names, whatever the answer says', { claims: { exp: seconds() + 300 } }],
    [
      'the end that the JWT names, where the answer names none',
      { claims: { exp: seconds() + 300 }, said: { expires_in: undefined } },
    ],
    ['the end that the answer names, whatever the JWT says', { said: { expires_in: 300 } }],
    ['the end of the token that was exchanged', { facts: { exp: seconds() + 300 } }],
  ])('is kept until %s', async (_what, exchange) => {
    const { token } = await issue(exchange)
    expect([(await call(token)).status, (await call(token)).status]).toEqual([200, 200])
    expect(server.exchanged).toEqual([token])
    await system.advance(200_000)
    try {
      expect((await call(token)).status).toBe(200)
      expect(server.exchanged).toEqual([token])
      await system.advance(101_000)
      // Whoever asks now is told anew, or is too late.
      const late = await issue()
      server.tell(token, { body: JSON.stringify({ active: true, token_type: 'Bearer', aud: audience, sub: 'ada' }) })
      server.tellExchange(token, {
        body: JSON.stringify({ access_token: late.jwt, token_type: 'Bearer', expires_in: 9 }),
      })
      expect((await call(token)).status).toBe(200)
      expect(server.exchanged).toEqual([token, token])
      expect(system.upstream.requests.at(-1)?.headers.authorization).toBe(`Bearer ${late.jwt}`)
    } finally {
      await system.advance(-301_000)
    }
  })
})
