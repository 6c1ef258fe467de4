import { describe, expect, it } from 'vitest'
import { claimsOf, type SigningKey, signClaims, signingKey, startIssuer } from './issuer.ts'
import { issuer, outcome, pass, sign, startIssuerForEachTest, verifier } from './passing-time.ts'

startIssuerForEachTest()

describe('the first call', () => {
  it('asks for metadata and keys, and a hundred at once ask once', async () => {
    const own = verifier()
    expect([issuer.metadataFetches, issuer.keyFetches]).toEqual([0, 0])
    const token = await sign()
    await Promise.all(Array.from({ length: 100 }, () => own.verify(token)))
    expect([issuer.metadataFetches, issuer.keyFetches]).toEqual([1, 1])
  })

  it.each([
    ['openid', '/tenants/one'],
    ['oauth', ''],
    ['oauth', '/tenants/one'],
  ] as const)('finds the metadata of %s under "%s"', async (metadata, path) => {
    const other = await startIssuer({ metadata, path })
    await expect(verifier({ issuer: other.url }).verify(await other.sign())).resolves.toBeDefined()
    await other.stop()
  })

  it('asks for no metadata where the keys are given', async () => {
    const own = verifier({ jwksUri: `${issuer.url}/jwks` })
    await own.verify(await sign())
    expect([issuer.metadataFetches, issuer.keyFetches]).toEqual([0, 1])
  })

  it('without the server is keys_unavailable, asked again after a second, and works once it is there', async () => {
    const own = verifier()
    const token = await sign()
    await issuer.goDown()
    expect(await outcome(own.verify(token))).toBe('keys_unavailable keys_unavailable')
    await issuer.comeBack()
    expect(await outcome(own.verify(token))).toBe('keys_unavailable keys_unavailable')
    expect(issuer.metadataFetches).toBe(0)
    pass(1)
    expect(await outcome(own.verify(token))).toBe('taken')
  })

  it.each<[string, Record<string, unknown> | null]>([
    ['of another issuer', { issuer: 'https://elsewhere.example' }],
    ['of an issuer with a slash more', { issuer: 'ISSUER/' }],
    ['with keys by plain http', { jwks_uri: 'http://keys.example/' }],
    ['without keys', { jwks_uri: undefined }],
    ['that is null', null],
    ['of megabytes', { filler: 'x'.repeat(300_000) }],
  ])('with metadata %s is keys_unavailable', async (_, wrong) => {
    const token = await sign()
    const keys = issuer.keys.map(({ jwk }) => jwk)
    const answerWith = (changes: Record<string, unknown> | null) => {
      const right = { issuer: issuer.url, jwks_uri: `${issuer.url}/jwks` }
      const metadata = JSON.stringify(changes && { ...right, ...changes }).replace('ISSUER', issuer.url)
      issuer.answer = (request, response) => response.end(request.url === '/jwks' ? JSON.stringify({ keys }) : metadata)
    }
    answerWith(wrong)
    expect(await outcome(verifier().verify(token))).toBe('keys_unavailable keys_unavailable')
    answerWith({})
    expect(await outcome(verifier().verify(token))).toBe('taken')
  })

  it('follows no redirect', async () => {
    const token = await sign()
    const elsewhere = await startIssuer()
    elsewhere.keys = issuer.keys
    issuer.answer = (_request, response) => response.writeHead(302, { Location: `${elsewhere.url}/jwks` }).end()
    expect(await outcome(verifier({ jwksUri: `${issuer.url}/jwks` }).verify(token))).toMatch(/^keys_unavailable/)
    expect(elsewhere.keyFetches).toBe(0)
    await elsewhere.stop()
  })

  it.each<[string, (keys: unknown[]) => string]>([
    ['an empty set', () => '{"keys":[]}'],
    ['no set', () => '{"keys":"none"}'],
    ['a list', (keys) => JSON.stringify(keys)],
    ['no JSON', () => '<html>'],
    ['megabytes', (keys) => JSON.stringify({ keys, filler: 'x'.repeat(300_000) })],
  ])('with %s of keys is keys_unavailable', async (_, write) => {
    const token = await sign()
    const keys = issuer.keys.map(({ jwk }) => jwk)
    const options = { jwksUri: `${issuer.url}/jwks` }
    issuer.answer = (_request, response) => response.end(write(keys))
    expect(await outcome(verifier(options).verify(token))).toMatch(/^keys_unavailable/)
    issuer.answer = (_request, response) => response.end(JSON.stringify({ keys, filler: 'x'.repeat(200_000) }))
    expect(await outcome(verifier(options).verify(token))).toBe('taken')
  })
})

describe('keys that nobody knows', () => {
  it('are asked for once in a cooldown, however many strangers name them', async () => {
    const own = verifier()
    await own.verify(await sign())
    const strangers = await Promise.all(Array.from({ length: 50 }, () => signingKey()))
    for (let round = 0; round < 4; round++) {
      const tokens = await Promise.all(strangers.map((key) => sign(key)))
      const results = await Promise.all(tokens.map((token) => outcome(own.verify(token))))
      expect(new Set(results)).toEqual(new Set(['invalid_token unknown_key']))
      expect(issuer.keyFetches).toBe(2 + round)
      pass(29.9)
      expect(await outcome(own.verify(tokens[0] as string))).toBe('invalid_token unknown_key')
      expect(issuer.keyFetches).toBe(2 + round)
      pass(0.1)
    }
  })

  it('that name an issuer that is not trusted are not asked for', async () => {
    const own = verifier({ issuers: [issuer.url, 'https://other.example'], issuer: undefined } as never)
    const token = await signClaims(claimsOf('https://elsewhere.example'), await signingKey())
    expect(await outcome(own.verify(token))).toBe('invalid_token iss')
    expect([issuer.metadataFetches, issuer.keyFetches]).toEqual([0, 0])
  })

  it('cost one request each cooldown while the server is out, and 503: a good token is not to be thrown away', async () => {
    const own = verifier()
    await own.verify(await sign())
    const stranger = await signingKey()
    issuer.answer = (_request, response) => response.writeHead(500).end()
    for (let count = 0; count < 20; count++) {
      expect(await outcome(own.verify(await sign(stranger)))).toMatch(/^keys_unavailable/)
    }
    expect(issuer.keyFetches).toBe(2)
    expect(await outcome(own.verify(await sign()))).toBe('taken')
  })

  it('cost, over an hour of strangers, one fetch each cooldown beside the first and those by age', async () => {
    const own = verifier({ keys: { cooldownSeconds: 30, maxAgeSeconds: 600 } })
    await own.verify(await sign())
    const stranger = await signingKey()
    const behind: Promise<unknown>[] = []
    for (let second = 0; second < 3600; second += 5) {
      await outcome(own.verify(await sign(stranger), (promise) => behind.push(promise)))
      await Promise.all(behind)
      pass(5)
    }
    expect(issuer.keyFetches).toBe(1 + 3600 / 30)
  })

  it('are not asked for twice by the call that fetched the first keys', async () => {
    const own = verifier()
    expect(await outcome(own.verify(await sign(await signingKey())))).toBe('invalid_token unknown_key')
    expect(issuer.keyFetches).toBe(1)
  })
})

describe('keys that are old', () => {
  it('are renewed behind the calls, once', async () => {
    const own = verifier()
    await own.verify(await sign())
    pass(601)
    const behind: Promise<unknown>[] = []
    const token = await sign()
    await Promise.all(Array.from({ length: 30 }, () => own.verify(token, (promise) => behind.push(promise))))
    expect(behind).toHaveLength(1)
    await Promise.all(behind)
    expect(issuer.keyFetches).toBe(2)
  })

  it('serve on while the server is out, which is asked once a cooldown, and for a day at most', async () => {
    const own = verifier()
    await own.verify(await sign())
    issuer.answer = (_request, response) => response.writeHead(503).end()
    const behind: Promise<unknown>[] = []
    const verify = async () => {
      const result = await outcome(own.verify(await sign(), (promise) => behind.push(promise)))
      await Promise.all(behind)
      return result
    }
    for (let minute = 0; minute < 20; minute++) {
      pass(60)
      for (let count = 0; count < 3; count++) expect(await verify()).toBe('taken')
    }
    // From the eleventh minute on.
    expect(behind.length).toBeLessThanOrEqual(11)
    expect(behind.length).toBeGreaterThanOrEqual(9)

    pass(24 * 3600)
    expect(await verify()).toMatch(/^keys_unavailable/)
    issuer.answer = undefined
    pass(1)
    expect(await verify()).toBe('taken')
  })

  it('are looked for anew when they have moved', async () => {
    const own = verifier()
    await own.verify(await sign())
    const moved = await startIssuer()
    moved.keys = [await signingKey()]
    issuer.answer = (request, response) => {
      if (request.url === '/jwks') return response.writeHead(404).end()
      return response.end(JSON.stringify({ issuer: issuer.url, jwks_uri: `${moved.url}/jwks` }))
    }
    expect(await outcome(own.verify(await sign(moved.keys[0])))).toMatch(/^keys_unavailable/)
    pass(30)
    expect(await outcome(own.verify(await sign(moved.keys[0])))).toBe('taken')
    await moved.stop()
  })
})

describe('keys that are no good', () => {
  it.each<[string, () => Promise<SigningKey>]>([
    ['a symmetric one', async () => ({ ...(await signingKey()), jwk: { kty: 'oct', k: 'c2VjcmV0', kid: 'bad' } })],
    ['one for encryption', async () => changed(await signingKey('ES256', 'bad'), { use: 'enc' })],
    ['one of another algorithm', async () => changed(await signingKey('ES256', 'bad'), { alg: 'ES384' })],
  ])('%s verifies nothing', async (_, make) => {
    const bad = await make()
    issuer.keys = [...issuer.keys, bad]
    const token = await sign(bad, { kid: 'bad', alg: 'ES256' })
    expect(await outcome(verifier().verify(token))).toMatch(/^invalid_token/)
    expect(await outcome(verifier().verify(await sign()))).toBe('taken')
  })

  it('one that no runtime takes is the server at fault: 503', async () => {
    const bad = changed(await signingKey('ES256', 'bad'), { x: 'AAAA' })
    issuer.keys = [...issuer.keys, bad]
    expect(await outcome(verifier().verify(await sign(bad)))).toMatch(/^keys_unavailable/)
  })
})

it('a fetch of which nothing is heard again keeps nobody waiting for ever', async () => {
  // As on Workers, when the request that began it is gone.
  const token = await sign()
  const own = verifier({
    jwksUri: `${issuer.url}/jwks`,
    fetch: (url, init) => (isLost ? new Promise<never>(() => undefined) : fetch(url, init)),
  })
  let isLost = true
  const lost = outcome(own.verify(token))
  isLost = false
  pass(9)
  expect(await outcome(own.verify(token))).toBe('taken')
  expect(await Promise.race([lost, Promise.resolve('still waiting')])).toBe('still waiting')
})

function changed(key: SigningKey, more: Record<string, unknown>): SigningKey {
  return { ...key, jwk: { ...key.jwk, ...more } }
}

describe('a clock that is set back by an hour', () => {
  it('does not make who failed before wait for its return', async () => {
    const own = verifier()
    await issuer.goDown()
    expect(await outcome(own.verify(await sign()))).toMatch(/^keys_unavailable/)
    await issuer.comeBack()
    pass(-3600)
    expect(await outcome(own.verify(await sign()))).toBe('taken')
  })

  it('keeps no new key out, and no withdrawn one in', async () => {
    const own = verifier()
    const [withdrawn] = issuer.keys as [SigningKey]
    await own.verify(await sign())
    expect(await outcome(own.verify(await sign(await signingKey())))).toBe('invalid_token unknown_key')
    pass(-3600)
    issuer.keys = [await signingKey()]
    expect(await outcome(own.verify(await sign()))).toBe('taken')
    expect(await outcome(own.verify(await sign(withdrawn)))).toBe('invalid_token unknown_key')
  })

  it('has keys fetched behind the call that would be fresh only by the clock of before', async () => {
    const own = verifier()
    const [withdrawn] = issuer.keys as [SigningKey]
    await own.verify(await sign())
    issuer.keys = [await signingKey()]
    pass(-3600)
    const behind: Promise<unknown>[] = []
    expect(await outcome(own.verify(await sign(withdrawn), (promise) => behind.push(promise)))).toBe('taken')
    await Promise.all(behind)
    expect(await outcome(own.verify(await sign(withdrawn)))).toBe('invalid_token unknown_key')
  })
})

it('an answer that comes after that of a later request brings no withdrawn key back', async () => {
  const [withdrawn] = issuer.keys as [SigningKey]
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  let isFirst = true
  const own = verifier({
    jwksUri: `${issuer.url}/jwks`,
    // Takes no notice of a time limit.
    fetch: async (url) => {
      const mustWait = isFirst
      isFirst = false
      const answer = await fetch(url)
      if (mustWait) await released
      return answer
    },
  })
  const first = own.verify(await sign())
  await expect.poll(() => issuer.keyFetches).toBe(1)
  pass(9)
  issuer.keys = [await signingKey()]
  expect(await outcome(own.verify(await sign()))).toBe('taken')
  release()
  await outcome(first)
  expect(await outcome(own.verify(await sign(withdrawn)))).toBe('invalid_token unknown_key')
})
