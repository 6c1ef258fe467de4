/** Tokens that are bound to a key or a certificate: RFC 9449, RFC 8705. */
import { createHash, randomBytes } from 'node:crypto'
import { exportJWK } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  anyCaller,
  type ClientCertificate,
  type DPoPOptions,
  dpopNonces,
  guarded,
  jwtGuard,
  memoryReplayStore,
  type Refusal,
  requireScopes,
} from '../../src/resource-server/index.ts'
import { audience, requestWith, seconds, startIssuer, type TestIssuer } from './issuer.ts'
import { dpopRequest, type Key, proofKey, proofOf, url } from './proofs.ts'

let issuer: TestIssuer
let refusals: Refusal[]

beforeAll(async () => {
  issuer = await startIssuer()
})
beforeEach(() => {
  refusals = []
})
afterAll(() => issuer.stop())

function api(dpop: Partial<DPoPOptions> | undefined = {}, clientCertificate?: ClientCertificate) {
  const guard = jwtGuard({
    issuer: issuer.url,
    audience,
    onRefused: (refusal) => refusals.push(refusal),
    ...(dpop && { dpop: { origin: audience, ...dpop } }),
    ...(clientCertificate && { clientCertificate }),
  })
  return guarded(guard, [anyCaller()], (_request, access) => Response.json({ boundTo: access.boundTo }))
}

describe('a DPoP-bound token', () => {
  it.each(['ES256', 'RS256', 'EdDSA', 'PS384'])('with a proof of its %s key lets in', async (alg) => {
    const key = await proofKey(alg)
    const token = await issuer.sign({ cnf: { jkt: key.jkt } })
    const response = await api()(dpopRequest(token, await proofOf(key, token)))
    expect(await response.json()).toEqual({ boundTo: ['dpop'] })
  })

  it('is for the URL as the client sees it, without query, whatever Host says', async () => {
    const key = await proofKey()
    const token = await issuer.sign({ cnf: { jkt: key.jkt } })
    const behind = { url: 'http://10.0.0.7:8080/orders/1?page=2' }
    const proof = await proofOf(key, token, { claims: { htu: 'HTTPS://API.example.com:443/orders/./1?page=2#x' } })
    expect((await api()(dpopRequest(token, proof, behind))).status).toBe(200)
    const elsewhere = await proofOf(key, token, { claims: { htu: 'http://10.0.0.7:8080/orders/1' } })
    expect((await api()(dpopRequest(token, elsewhere, behind))).status).toBe(401)
  })

  it('sent as Bearer is refused, also with a proof, and a plain one by DPoP is, too', async () => {
    const key = await proofKey()
    const bound = await issuer.sign({ cnf: { jkt: key.jkt } })
    const asBearer = requestWith(bound, { headers: { DPoP: await proofOf(key, bound) } })
    const plain = await issuer.sign()
    const asDPoP = dpopRequest(plain, await proofOf(key, plain))
    for (const request of [asBearer, asDPoP, requestWith(bound)]) {
      const response = await api()(request)
      expect([response.status, (await response.json()).code]).toEqual([401, 'invalid_token'])
    }
    expect(refusals.map(({ reason }) => reason)).toEqual(['scheme', 'scheme', 'scheme'])
  })

  it('is refused where DPoP is not configured', async () => {
    const key = await proofKey()
    const token = await issuer.sign({ cnf: { jkt: key.jkt } })
    const guard = jwtGuard({ issuer: issuer.url, audience })
    const handler = guarded(guard, [anyCaller()], () => new Response())
    expect((await handler(dpopRequest(token, await proofOf(key, token)))).status).toBe(401)
    expect((await handler(requestWith(token))).status).toBe(401)
  })

  it('may be demanded of everybody', async () => {
    const response = await api({ required: true })(requestWith(await issuer.sign()))
    expect(response.status).toBe(401)
    expect(response.headers.get('www-authenticate')).toMatch(
      /^DPoP realm="api", error="invalid_token".*algs="[^"]*ES256[^"]*"$/,
    )
  })

  it('without the scope is told so in its own scheme', async () => {
    const key = await proofKey()
    const token = await issuer.sign({ cnf: { jkt: key.jkt } })
    const guard = jwtGuard({ issuer: issuer.url, audience, dpop: { origin: audience, algorithms: ['ES256'] } })
    const handler = guarded(guard, [requireScopes('files:read')], () => new Response())
    const response = await handler(dpopRequest(token, await proofOf(key, token)))
    expect(response.headers.get('www-authenticate')).toBe(
      'Bearer realm="api", DPoP realm="api", error="insufficient_scope", scope="files:read", algs="ES256"',
    )
  })
})

describe('a proof is refused', () => {
  it.each<[string, string, (key: Key, token: string) => Promise<string | undefined>]>([
    ['that is not there', 'proof_missing', async () => undefined],
    ['that is no JWT', 'syntax', async () => 'proof'],
    ['twice', 'syntax', async (key, token) => `${await proofOf(key, token)}, ${await proofOf(key, token)}`],
    ['of another key', 'dpop_key', async (_, token) => proofOf(await proofKey(), token)],
    [
      'signed by another key than it shows',
      'signature',
      async (key, token) => proofOf(key, token, { signedBy: (await proofKey()).privateKey }),
    ],
    ['of another type', 'typ', (key, token) => proofOf(key, token, { header: { typ: 'JWT' } })],
    ['without a type', 'typ', (key, token) => proofOf(key, token, { header: { typ: undefined } })],
    ['without a key', 'jwk', (key, token) => proofOf(key, token, { header: { jwk: undefined } })],
    [
      'that shows its private key',
      'jwk',
      async (key, token) => proofOf(key, token, { header: { jwk: await exportJWK(key.privateKey) } }),
    ],
    [
      'with a shared key',
      'jwk',
      (key, token) => proofOf(key, token, { header: { jwk: { kty: 'oct', k: 'c2VjcmV0' } } }),
    ],
    ['with a key that is none', 'jwk', (key, token) => proofOf(key, token, { header: { jwk: { kty: 'EC' } } })],
    ['for another method', 'htm', (key, token) => proofOf(key, token, { claims: { htm: 'POST' } })],
    ['for a method in small letters', 'htm', (key, token) => proofOf(key, token, { claims: { htm: 'get' } })],
    ['for another path', 'htu', (key, token) => proofOf(key, token, { claims: { htu: `${audience}/orders/2` } })],
    ['for another host', 'htu', (key, token) => proofOf(key, token, { claims: { htu: 'https://a.example/orders/1' } })],
    ['for http', 'htu', (key, token) => proofOf(key, token, { claims: { htu: url.replace('https', 'http') } })],
    ['for no URL', 'htu', (key, token) => proofOf(key, token, { claims: { htu: '/orders/1' } })],
    ['without a URL', 'htu', (key, token) => proofOf(key, token, { claims: { htu: undefined } })],
    ['for another token', 'ath', (key) => proofOf(key, 'another')],
    ['for no token', 'ath', (key, token) => proofOf(key, token, { claims: { ath: undefined } })],
    ['that is old', 'iat', (key, token) => proofOf(key, token, { claims: { iat: seconds() - 70 } })],
    ['of tomorrow', 'iat', (key, token) => proofOf(key, token, { claims: { iat: seconds() + 60 } })],
    ['without a time', 'iat', (key, token) => proofOf(key, token, { claims: { iat: undefined } })],
    ['without an id', 'jti', (key, token) => proofOf(key, token, { claims: { jti: undefined } })],
    [
      'with an id that fills the store',
      'jti',
      (key, token) => proofOf(key, token, { claims: { jti: 'x'.repeat(300) } }),
    ],
    ['that is huge', 'syntax', (key, token) => proofOf(key, token, { claims: { filler: 'x'.repeat(5000) } })],
    [
      'of an algorithm that is not taken',
      'algorithm',
      async (key, token) => proofOf({ ...key, ...(await proofKey('RS256')) }, token),
    ],
  ])('%s', async (_, reason, make) => {
    const key = await proofKey()
    const token = await issuer.sign({ cnf: { jkt: key.jkt } })
    const response = await api({ algorithms: ['ES256'] })(dpopRequest(token, await make(key, token)))
    expect([response.status, (await response.json()).code]).toEqual([401, 'invalid_dpop_proof'])
    expect(response.headers.get('www-authenticate')).toContain('DPoP realm="api", error="invalid_dpop_proof"')
    expect(refusals).toMatchObject([{ reason }])
  })

  it('the second time, at once too', async () => {
    const key = await proofKey()
    const token = await issuer.sign({ cnf: { jkt: key.jkt } })
    const proof = await proofOf(key, token)
    const handler = api()
    const answers = await Promise.all(Array.from({ length: 10 }, () => handler(dpopRequest(token, proof))))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(new Set(refusals.map(({ reason }) => reason))).toEqual(new Set(['replay']))
  })

  it('the second time, also in the last moment at which its age lets it in', async () => {
    const key = await proofKey()
    const iat = seconds()
    const token = await issuer.sign({ cnf: { jkt: key.jkt }, exp: iat + 600 })
    const proof = await proofOf(key, token, { claims: { iat } })
    // Sixty seconds old, and five of tolerance.
    const nowMs = (iat + 65) * 1000
    const own = jwtGuard({ issuer: issuer.url, audience, now: () => nowMs, dpop: { origin: audience } })
    await expect(own.check(dpopRequest(token, proof), anyCaller())).resolves.toBeDefined()
    await expect(own.check(dpopRequest(token, proof), anyCaller())).rejects.toMatchObject({ reason: 'replay' })
  })

  it('without a nonce of the server, which gives one', async () => {
    const key = await proofKey()
    const token = await issuer.sign({ cnf: { jkt: key.jkt } })
    let nowMs = Date.now()
    const handler = api({ nonces: dpopNonces({ secret: randomBytes(32), now: () => nowMs }) })
    const first = await handler(dpopRequest(token, await proofOf(key, token)))
    const nonce = first.headers.get('dpop-nonce') ?? ''
    expect(first.headers.get('www-authenticate')).toContain('DPoP realm="api", error="use_dpop_nonce"')
    const second = await handler(dpopRequest(token, await proofOf(key, token, { claims: { nonce } })))
    expect(second.status).toBe(200)
    for (const other of [
      `${nonce.slice(0, -2)}AA`,
      nonce.replace(/^\d+/, (time) => String(Number(time) + 1)),
      'x',
      7,
    ]) {
      const response = await handler(dpopRequest(token, await proofOf(key, token, { claims: { nonce: other } })))
      expect([other, response.status, (await response.json()).code]).toEqual([other, 401, 'use_dpop_nonce'])
    }
    nowMs += 301_000
    const late = await handler(dpopRequest(token, await proofOf(key, token, { claims: { nonce } })))
    expect((await late.json()).code).toBe('use_dpop_nonce')
    expect(late.headers.get('dpop-nonce')).not.toBe(nonce)
  })
})

describe('the store of used proofs', () => {
  it('forgets what has expired, and stays within its bound', () => {
    let nowMs = 1_000_000
    const store = memoryReplayStore({ maxEntries: 3, now: () => nowMs })
    expect(store.add('a', 1010)).toBe(true)
    expect(store.add('a', 1010)).toBe(false)
    nowMs = 1_011_000
    expect(store.add('a', 1030)).toBe(true)
    for (const key of ['b', 'c', 'd']) expect(store.add(key, 1040)).toBe(true)
    // The oldest went.
    expect(store.add('d', 1040)).toBe(false)
    expect(store.add('a', 1030)).toBe(true)
  })

  it('may be another one, shared by several servers', async () => {
    const key = await proofKey()
    const token = await issuer.sign({ cnf: { jkt: key.jkt } })
    const shared = new Set<string>()
    const replayStore = { add: async (id: string) => !shared.has(id) && shared.add(id).size > 0 }
    const proof = await proofOf(key, token)
    expect((await api({ replayStore })(dpopRequest(token, proof))).status).toBe(200)
    expect((await api({ replayStore })(dpopRequest(token, proof))).status).toBe(401)
  })

  it('that fails lets nobody in', async () => {
    const key = await proofKey()
    const token = await issuer.sign({ cnf: { jkt: key.jkt } })
    const replayStore = { add: () => Promise.reject(new Error('no Redis')) }
    await expect(api({ replayStore })(dpopRequest(token, await proofOf(key, token)))).rejects.toThrow('no Redis')
  })
})

describe('a token that is bound to a certificate (RFC 8705)', () => {
  const certificate = randomBytes(600)
  const hash = createHash('sha256').update(certificate).digest('base64url')
  const bound = () => issuer.sign({ cnf: { 'x5t#S256': hash } })

  it.each<[string, ClientCertificate]>([
    ['its bytes', () => certificate],
    ['its hash', async () => hash],
  ])('with %s from the connection lets in', async (_, clientCertificate) => {
    const response = await api(undefined, clientCertificate)(requestWith(await bound()))
    expect(await response.json()).toEqual({ boundTo: ['mtls'] })
  })

  it.each<[string, ClientCertificate | undefined]>([
    ['another certificate', () => randomBytes(600)],
    ['no certificate', () => undefined],
    ['an empty one', () => new Uint8Array()],
    ['nobody to ask', undefined],
  ])('with %s is refused', async (_, clientCertificate) => {
    const response = await api(undefined, clientCertificate)(requestWith(await bound()))
    expect([response.status, (await response.json()).code]).toEqual([401, 'invalid_token'])
    expect(refusals).toMatchObject([{ reason: 'certificate' }])
  })

  it.each<[string, object[]]>([
    ['alone', []],
    ['with the context of Workers', [{}, { waitUntil: () => undefined }]],
  ])('has the connection asked for by the request itself, where a function gets it %s', async (_, rest) => {
    const request = requestWith(await bound())
    const asked: unknown[] = []
    const handler = api(undefined, ({ native }) => {
      asked.push(native === request)
      return certificate
    })
    expect(
      (await (handler as (request: Request, ...rest: object[]) => Promise<Response>)(request, ...rest)).status,
    ).toBe(200)
    expect(asked).toEqual([true])
  })

  it('and to a key needs both', async () => {
    const key = await proofKey()
    const token = await issuer.sign({ cnf: { 'x5t#S256': hash, jkt: key.jkt } })
    const withBoth = await api({}, () => certificate)(dpopRequest(token, await proofOf(key, token)))
    expect(await withBoth.json()).toEqual({ boundTo: ['dpop', 'mtls'] })
    expect((await api({}, () => undefined)(dpopRequest(token, await proofOf(key, token)))).status).toBe(401)
    expect((await api({}, () => certificate)(requestWith(token))).status).toBe(401)
  })
})

it.each<[string, unknown]>([
  ['of a kind that nobody knows', { jwk: {} }],
  ['known and unknown', { jkt: 'x', kid: 'y' }],
  ['empty', {}],
  ['no object', 'x'],
  ['a list', []],
  ['null', null],
  ['of a number', { jkt: 7 }],
  ['of an empty text', { 'x5t#S256': '' }],
])('a binding that is %s cannot be checked, and is refused', async (_, cnf) => {
  const response = await api({}, () => '')(requestWith(await issuer.sign({ cnf })))
  expect([response.status, (await response.json()).code]).toEqual([401, 'invalid_token'])
})

it.each(['http://api.example.com', 'api.example.com', ''])('an origin "%s" is a mistake at start', (origin) => {
  expect(() => jwtGuard({ issuer: 'https://a.example', audience, dpop: { origin } })).toThrow(/dpop.origin/)
})
