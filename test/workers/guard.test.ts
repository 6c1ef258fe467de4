/** The guard inside workerd, without Node compatibility: what it lets in, and every hostile token. */
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { boundCalls, outcomeOf } from '../resource-server/bound-calls.ts'
import { type HostileToken, hostileTokens } from '../resource-server/hostile-tokens.ts'
import {
  audience,
  type SigningKey,
  seconds,
  signingKey,
  startIssuer,
  type TestIssuer,
} from '../resource-server/issuer.ts'
import { dpopRequest, proofKey, proofOf } from '../resource-server/proofs.ts'
import { type Stranger, startStranger } from '../resource-server/stranger.ts'
import { freePort } from '../support/free-port.ts'
import { type RunningWorkerd, startWorkerd } from '../support/workerd.ts'

let issuer: TestIssuer
let keys: [SigningKey, SigningKey, SigningKey]
let stranger: Stranger
let hostile: HostileToken[]
let good: string
let workerd: RunningWorkerd
let url: string

beforeAll(async () => {
  issuer = await startIssuer()
  keys = await Promise.all([signingKey('ES256'), signingKey('RS256'), signingKey('EdDSA')])
  issuer.keys = keys
  const [es256, rs256, eddsa] = keys
  good = await issuer.sign({ exp: seconds() + 600 })
  stranger = await startStranger(es256.jwk.kid)
  hostile = await hostileTokens({ issuer: issuer.url, es256, rs256, eddsa, stranger, good })
  const port = await freePort()
  url = `http://localhost:${port}`
  workerd = await startWorkerd(
    [
      {
        name: 'guard',
        entry: new URL('./guard-worker.ts', import.meta.url),
        vars: { ISSUER: issuer.url, AUDIENCE: audience },
      },
    ],
    port,
    { cfHeader: 'CF-Blob' },
  )
})
afterAll(async () => {
  await workerd.stop()
  await issuer.stop()
  await stranger.stop()
})

async function get(path: string, token?: string, more: Record<string, string> = {}) {
  const headers = { ...more, ...(token !== undefined && { Authorization: `Bearer ${token}` }) }
  const response = await fetch(url + path, { headers })
  return { status: response.status, body: await response.text(), challenge: response.headers.get('www-authenticate') }
}

describe('the guard on Workers', () => {
  it('fetches the keys once for fifty first calls at once, and lets them in', async () => {
    const token = await issuer.sign()
    const answers = await Promise.all(Array.from({ length: 50 }, () => get('/orders/1', token)))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
    expect(issuer.keyFetches).toBe(1)
  })

  it.each(['ES256', 'RS256', 'EdDSA'])('takes %s', async (alg) => {
    const key = keys.find((candidate) => candidate.alg === alg) as SigningKey
    expect((await get('/orders/1', await issuer.sign({}, { key }))).status).toBe(200)
  })

  it('refuses what it should, as on Node', async () => {
    expect(await get('/orders/1')).toMatchObject({
      status: 401,
      challenge: expect.stringMatching(/^Bearer realm="api", DPoP realm="api", algs=/),
    })
    expect((await get('/orders/1', await issuer.sign({ scope: 'x' }))).status).toBe(403)
    expect((await get('/orders/2', await issuer.sign())).status).toBe(404)
    expect((await get('/nowhere')).status).toBe(401)
    expect(await get('/prices')).toMatchObject({ status: 200, body: 'prices' })
  })

  it('takes a new key at its first token, fifty at once for one fetch', async () => {
    const before = issuer.keyFetches
    const next = await signingKey('ES256')
    issuer.keys = [next, ...keys]
    const tokens = await Promise.all(Array.from({ length: 50 }, () => issuer.sign({}, { key: next })))
    const answers = await Promise.all(tokens.map((token) => get('/orders/1', token)))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
    expect(issuer.keyFetches - before).toBe(1)
  })

  it('refuses every hostile token, with one text and no fetch more, after the good one that they are made of', async () => {
    const before = issuer.keyFetches
    expect((await get('/orders/1', good)).status).toBe(200)
    // The empty one is none in a field: the call has no token then, and is told another thing.
    const sendable = hostile.filter(({ token }) => token !== '')
    expect(sendable.length).toBe(hostile.length - 1)
    expect(sendable.length).toBeGreaterThan(100)
    const taken: unknown[] = []
    const texts = new Set<string>()
    for (const { name, token } of sendable) {
      const { status, body } = await get('/orders/1', token)
      if (status === 401) texts.add(body)
      else taken.push([name, status])
    }
    expect(taken).toEqual([])
    expect(texts.size).toBe(1)
    expect(issuer.keyFetches - before).toBe(0)
    expect(stranger.asked).toEqual([])
  })
})

/** What Cloudflare's edge says of the connection, where a certificate may be asked for. */
function edge(certificate?: Uint8Array, more: Record<string, string> = {}): Record<string, string> {
  const certFingerprintSHA256 = certificate ? createHash('sha256').update(certificate).digest('hex') : ''
  const certVerified = certificate ? 'SUCCESS' : 'NONE'
  const tlsClientAuth = { certVerified, certRevoked: '0', certFingerprintSHA256, ...more }
  return { 'CF-Blob': JSON.stringify({ tlsClientAuth }) }
}

describe.each([
  ['in Hono', '/orders/1'],
  ['alone', '/orders/1?plain'],
])('the guard on Workers, %s, with a token that is bound to its sender', (_, path) => {
  it('lets in who has the key or the certificate, and nobody else (RFC 9449 §7, RFC 8705 §3)', async () => {
    const calls = await boundCalls(issuer)
    const outcomes: unknown[] = []
    for (const { name, headers, certificate } of calls) {
      outcomes.push([name, outcomeOf(await get(path, undefined, { ...headers, ...edge(certificate) }))])
    }
    expect(outcomes).toEqual(calls.map(({ name, expected }) => [name, expected]))
  })

  it('lets in one of ten calls at once that have the same proof', async () => {
    const key = await proofKey()
    const token = await issuer.sign({ cnf: { jkt: key.jkt } })
    const headers = Object.fromEntries(dpopRequest(token, await proofOf(key, token)).headers)
    const answers = await Promise.all(Array.from({ length: 10 }, () => get(path, undefined, headers)))
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, ...Array(9).fill(401)])
  })

  it.each<[string, (certificate: Uint8Array) => Record<string, string>]>([
    ['of no authority that Cloudflare was told of', (shown) => edge(shown, { certVerified: 'FAILED:self signed' })],
    ['that is revoked', (shown) => edge(shown, { certRevoked: '1' })],
    ['where nothing is known of the connection', () => ({})],
  ])('does not let in with a certificate %s', async (_, fieldsFor) => {
    const call = (await boundCalls(issuer)).find(({ name }) => name === 'with its certificate')
    const { status } = await get(path, undefined, { ...call?.headers, ...fieldsFor(call?.certificate as Uint8Array) })
    expect(status).toBe(401)
  })
})
