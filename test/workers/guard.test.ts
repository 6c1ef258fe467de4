/** The guard inside workerd, without Node compatibility: what it lets in, and every hostile token. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type HostileToken, hostileTokens } from '../resource-server/hostile-tokens.ts'
import {
  audience,
  type SigningKey,
  seconds,
  signingKey,
  startIssuer,
  type TestIssuer,
} from '../resource-server/issuer.ts'
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
  )
})
afterAll(async () => {
  await workerd.stop()
  await issuer.stop()
  await stranger.stop()
})

async function get(path: string, token?: string) {
  const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` }
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
