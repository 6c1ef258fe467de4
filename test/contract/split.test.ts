/** `auth: 'split'`: the provider's hook delivers head and payload, the client holds the signature. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  apiResource,
  clientIds,
  partnerId,
  partnerResource,
  reportsResource,
} from '../../spa-example/provider/index.ts'
import { deliverSplitToken } from '../../src/split/index.ts'
import { claimsOf, signClaims, signingKey } from '../resource-server/issuer.ts'
import { otherTestSecret, type System, startSystem, storeHasItsOwnClock, testSecret } from '../support/system.ts'
import { bearer, clientToken, otherCredentials } from '../support/tokens.ts'

let system: System
beforeAll(async () => {
  system = await startSystem({
    splitClients: [partnerId],
    routes: [
      { path: '/partner/*', upstream: '/v1', auth: 'split', audience: apiResource, scopes: ['orders:read'] },
      { path: '/reports/*', upstream: '/reports', auth: 'split', audience: reportsResource },
      {
        path: '/opaque/*',
        upstream: '/opaque',
        auth: 'phantom',
        audience: apiResource,
        upstreamToken: { from: 'none' },
      },
    ],
  })
})
afterAll(() => system.stop())
beforeEach(() => system.upstream.reset())

const tokenFor = (resource: string, client = partnerId, scope = 'orders:read') =>
  clientToken(system.provider, { client, resource, scope })
const call = (token: string, path = '/partner/orders') => fetch(system.origin + path, bearer(token))
const endpoint = () => `${system.internalUrl}/bff/split-tokens`
const hashOf = async (text: string) =>
  Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(text))).toString('base64url')

function deliver(body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(endpoint(), {
    method: 'POST',
    headers: { Authorization: `Bearer ${otherTestSecret}`, 'Content-Type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
}

/** A token of a forger with claims as the server would write them. */
async function forged(claims: Record<string, unknown> = {}) {
  const jwt = await signClaims(claimsOf(system.provider.issuer, { aud: apiResource, ...claims }), await signingKey())
  const [head, payload, signature = ''] = jwt.split('.')
  return { token: `${head}.${payload}`, signature, signature_hash: await hashOf(signature) }
}

describe('the signature of a token', () => {
  it('is what the client gets, and it opens the route with the whole token', async () => {
    const signature = await tokenFor(apiResource)
    expect(signature).toMatch(/^[\w-]{86}$/)
    const answer = await call(signature)
    expect(answer.status).toBe(200)
    const [, jwt = ''] = system.upstream.requests[0]?.headers.authorization?.split(' ') ?? []
    expect(jwt.split('.')).toHaveLength(3)
    expect(jwt.endsWith(`.${signature}`)).toBe(true)
  })

  it('opens the routes of its API only, with the scopes that they need', async () => {
    const signature = await tokenFor(reportsResource)
    expect([(await call(signature)).status, (await call(signature, '/reports/1')).status]).toEqual([401, 200])
    expect((await call(await tokenFor(apiResource, partnerId, 'orders:write'))).status).toBe(403)
  })

  it('opens no route of another kind', async () => {
    expect((await call(await tokenFor(apiResource), '/opaque/1')).status).toBe(401)
  })

  it('is no good once the token is over', async () => {
    const signature = await tokenFor(apiResource)
    expect((await call(signature)).status).toBe(200)
    await system.advance(700_000)
    try {
      expect((await call(signature)).status).toBe(401)
    } finally {
      await system.advance(-700_000)
    }
  })

  // What was delivered is still found there when our clock says it is over, and a token that is found has a minute's tolerance.
  it.skipIf(storeHasItsOwnClock)(
    'is no good once the token is over, also if it was joined a moment before',
    async () => {
      const signature = await tokenFor(apiResource)
      await system.advance(590_000)
      try {
        expect((await call(signature)).status).toBe(200)
        await system.advance(20_000)
        expect((await call(signature)).status).toBe(401)
      } finally {
        await system.advance(-610_000)
      }
    },
  )

  it('opens nothing if it was never delivered, was changed by a character, or is the whole token', async () => {
    const whole = await tokenFor(apiResource, clientIds.basic)
    const signature = await tokenFor(apiResource)
    const changed = `${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`
    for (const token of [whole, String(whole.split('.')[2]), changed, 'a'.repeat(1367)]) {
      const answer = await call(token)
      expect(answer.status).toBe(401)
      expect(await answer.json()).toMatchObject({ code: 'invalid_token', accepts: 'the signature of an access token' })
    }
    expect(system.upstream.requests).toEqual([])
  })

  it('opens nothing as another signature that is good for the same token: whoever has one makes a second (ES256, n - s)', async () => {
    const signature = await tokenFor(apiResource)
    const bytes = Buffer.from(signature, 'base64url')
    const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
    const other = order - BigInt(`0x${bytes.subarray(32).toString('hex')}`)
    const twin = Buffer.concat([bytes.subarray(0, 32), Buffer.from(other.toString(16).padStart(64, '0'), 'hex')])
    expect(twin).toHaveLength(64)
    expect((await call(twin.toString('base64url'))).status).toBe(401)
    // It would be found under its own hash only, and a delivery that fits it is of its owner's own token.
    expect((await call(signature)).status).toBe(200)
  })

  it('opens nothing in another spelling of its bytes, nor with the token of another in front', async () => {
    const [mine, theirs] = [await tokenFor(apiResource), await tokenFor(apiResource)]
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const last = alphabet[alphabet.indexOf(mine.at(-1) ?? '') + 1] ?? ''
    const spellings = [
      mine.slice(0, -1) + last,
      `${mine}=`,
      `${mine}==`,
      mine.replace(/[-_]/g, '+'),
      mine.toLowerCase(),
    ]
    for (const token of spellings.filter((spelling) => spelling !== mine)) expect((await call(token)).status).toBe(401)
    for (const token of [`a.${mine}`, `${mine}.${theirs}`, `${mine}~`, mine + theirs]) {
      expect((await call(token)).status, token).toBe(401)
    }
    expect(system.upstream.requests).toEqual([])
  })

  it('is not split for other clients of the server, nor where the token is opaque', async () => {
    expect((await tokenFor(apiResource, clientIds.basic)).split('.')).toHaveLength(3)
    expect((await tokenFor(partnerResource)).split('.')).toHaveLength(1)
  })

  it('opens nothing if what was delivered was not signed by the server', async () => {
    const delivery = await forged()
    expect((await deliver(delivery)).status).toBe(204)
    expect((await call(delivery.signature)).status).toBe(401)
    expect(system.upstream.requests).toEqual([])
  })
})

describe('a call with another credential', () => {
  it.each(otherCredentials)('is told what the route takes if it brings %s', async (_what, headers) => {
    const answer = await fetch(`${system.origin}/partner/orders`, { headers })
    expect(answer.status).toBe(401)
    expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer realm="coatcheck", scope="orders:read"/)
    expect(await answer.json()).toMatchObject({
      code: 'wrong_credential',
      accepts: 'the signature of an access token',
    })
    expect(system.upstream.requests).toEqual([])
  })

  it('beside the signature has its cookies ignored, and never passed on', async () => {
    const headers = {
      ...bearer(await tokenFor(apiResource)).headers,
      Cookie: '__Host-Http-coatcheck=forged; a=b',
    }
    const answer = await fetch(`${system.origin}/partner/orders`, { headers })
    expect([answer.status, answer.headers.getSetCookie()]).toEqual([200, []])
    expect(system.upstream.requests.map((request) => request.headers.cookie)).toEqual([undefined])
  })
})

describe('a delivery', () => {
  it('may come twice, and changes nothing then', async () => {
    const delivery = await forged()
    expect((await deliver(delivery)).status).toBe(204)
    expect((await deliver(delivery)).status).toBe(204)
    const other = { ...(await forged()), signature_hash: delivery.signature_hash }
    expect([(await deliver(other)).status, (await deliver(delivery)).status]).toEqual([409, 204])
  })

  it.each([
    ['no secret', { Authorization: '' }],
    ['another secret', { Authorization: `Bearer ${testSecret}` }],
    ['half of it', { Authorization: `Bearer ${otherTestSecret.slice(0, 20)}` }],
    ['a user name', { Authorization: `Basic ${otherTestSecret}` }],
  ])('is refused with %s', async (_what, headers) => {
    const answer = await deliver(await forged(), headers)
    expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([401, 'Bearer realm="coatcheck"'])
  })

  it.each<[string, unknown]>([
    ['is no JSON', '{'],
    ['is null', null],
    ['has no hash', { token: 'e30.e30' }],
    ['has a hash that is none', { signature_hash: 'short', token: 'e30.e30' }],
    ['has a whole token', { token: 'e30.e30.c2ln' }],
    ['has no head', { token: '.e30' }],
    ['has a token that is none', { token: 'a.b' }],
  ])('is refused if it %s', async (_what, body) => {
    const valid = { signature_hash: await hashOf('x') }
    const sent = typeof body === 'object' && body !== null && 'token' in body ? { ...valid, ...body } : body
    const answer = await deliver(_what === 'has no hash' ? body : sent)
    expect(answer.status).toBe(400)
  })

  it('is refused if the token is of another server, is over, has no end, or is no access token', async () => {
    const wrong = [{ iss: 'https://evil.example' }, { exp: 1 }, { exp: undefined }, { exp: '9999999999' }]
    for (const claims of wrong) expect((await deliver(await forged(claims))).status).toBe(400)
    const jwt = await signClaims(claimsOf(system.provider.issuer), await signingKey(), { typ: 'JWT' })
    const [head, payload] = jwt.split('.')
    expect((await deliver({ signature_hash: await hashOf('x'), token: `${head}.${payload}` })).status).toBe(400)
  })

  it('is refused if it is large, is a form, or comes from a page', async () => {
    expect((await deliver({ signature_hash: await hashOf('x'), token: 'a'.repeat(20_000) })).status).toBe(413)
    expect((await deliver(await forged(), { 'Content-Type': 'text/plain' })).status).toBe(400)
    expect((await deliver(await forged(), { Origin: 'https://evil.example' })).status).toBe(403)
    expect((await fetch(endpoint())).status).toBe(405)
  })

  it('has no place on the public listener', async () => {
    const init = { method: 'POST', headers: { Authorization: `Bearer ${otherTestSecret}` }, body: '{}' }
    expect((await fetch(`${system.origin}/bff/split-tokens`, init)).status).toBe(404)
  })

  it('that is refused leaves the client of the provider without a token: it gets an error, and no part of the JWT', async () => {
    // By this clock the token is over before it is delivered.
    await system.advance(700_000)
    const answer = await fetch(`${system.provider.issuer}/token`, {
      method: 'POST',
      headers: { Authorization: `Basic ${btoa(`${partnerId}:${system.provider.clientSecret}`)}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', resource: apiResource, scope: 'orders:read' }),
    }).finally(() => system.advance(-700_000))
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '2'])
    expect(await answer.json()).toEqual({ error: 'temporarily_unavailable' })
  })

  it('that fails leaves the client without a token', async () => {
    const jwt = await tokenFor(apiResource, clientIds.basic)
    await expect(deliverSplitToken(jwt, { url: endpoint(), secret: testSecret })).rejects.toThrow('401')
    await expect(deliverSplitToken('opaque', { url: endpoint(), secret: otherTestSecret })).rejects.toThrow('JWT')
  })
})
