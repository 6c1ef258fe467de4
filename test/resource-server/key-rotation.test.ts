import { describe, expect, it } from 'vitest'
import { type SigningKey, signingKey } from './issuer.ts'
import { issuer, outcome, pass, sign, startIssuerForEachTest, verifier } from './passing-time.ts'

startIssuerForEachTest()

describe('a rotation', () => {
  it('under load fails no call and costs one fetch a cooldown', async () => {
    const own = verifier()
    let signer = issuer.keys[0] as SigningKey
    await own.verify(await sign(signer))
    let calls = 0
    for (let rotation = 1; rotation <= 5; rotation++) {
      pass(31)
      const [previous] = issuer.keys as [SigningKey]
      const next = await signingKey()
      // Both are published, and tokens of both are about.
      issuer.keys = [next, previous]
      signer = next
      const tokens = await Promise.all(Array.from({ length: 40 }, (_, index) => sign(index % 2 ? signer : previous)))
      const results = await Promise.all(tokens.map((token) => outcome(own.verify(token))))
      calls += results.length
      expect(new Set(results)).toEqual(new Set(['taken']))
      expect(issuer.keyFetches).toBe(1 + rotation)
    }
    expect(calls).toBe(200)
  })

  it('right after the start fails no call either', async () => {
    const own = verifier()
    await own.verify(await sign())
    issuer.keys = [await signingKey(), ...issuer.keys]
    expect(await outcome(own.verify(await sign()))).toBe('taken')
  })

  it.each(['at the first call', 'that renews old keys', 'that looks for newer keys'])(
    'during a fetch %s, whose answer was made before it, fails no call',
    async (when) => {
      const isForUnknown = when === 'that looks for newer keys'
      const keys = { cooldownSeconds: isForUnknown ? 0 : 30 }
      const own = verifier({ jwksUri: `${issuer.url}/jwks`, keys })
      const [previous] = issuer.keys as [SigningKey]
      if (when !== 'at the first call') await own.verify(await sign())
      if (when === 'that renews old keys') pass(601)
      const fetchesBefore = issuer.keyFetches
      const held: (() => void)[] = []
      const arrived = new Promise<void>((resolve) => {
        issuer.answer = (_request, response) => {
          const body = JSON.stringify({ keys: issuer.keys.map(({ jwk }) => jwk) })
          held.push(() => response.end(body))
          resolve()
        }
      })
      const beginner = isForUnknown ? await sign(await signingKey()) : await sign()
      const begun = outcome(own.verify(beginner))
      await arrived
      issuer.answer = undefined
      const next = await signingKey()
      issuer.keys = [next, previous]
      const [token, old] = [await sign(next), await sign(previous)]
      // They find the fetch under way, and wait for it.
      const joined = Array.from({ length: 20 }, (_, index) => outcome(own.verify(index % 2 ? token : old)))
      for (const answer of held) answer()
      expect(await begun).toBe(isForUnknown ? 'invalid_token unknown_key' : 'taken')
      expect(new Set(await Promise.all(joined))).toEqual(new Set(['taken']))
      expect(issuer.keyFetches - fetchesBefore).toBe(2)
    },
  )

  it('without key ids, too', async () => {
    issuer.keys = [await signingKey('ES256', undefined)]
    delete (issuer.keys[0] as SigningKey).jwk.kid
    const own = verifier()
    const old = await sign()
    await own.verify(old)
    const next = await signingKey('ES256')
    delete next.jwk.kid
    issuer.keys = [next, ...issuer.keys]
    expect(await outcome(own.verify(await sign(next)))).toBe('taken')
    // Both fit, and each is tried.
    expect(await outcome(own.verify(old))).toBe('taken')
    expect(issuer.keyFetches).toBe(2)
    expect(await outcome(own.verify(await sign(await signingKey(), { kid: undefined })))).toBe(
      'invalid_token signature',
    )
    expect(issuer.keyFetches).toBe(2)
  })

  it('that withdraws a key ends its tokens when the keys are next fetched', async () => {
    const own = verifier()
    const withdrawn = issuer.keys[0] as SigningKey
    await own.verify(await sign(withdrawn))
    issuer.keys = [await signingKey()]
    expect(await outcome(own.verify(await sign()))).toBe('taken')
    expect(await outcome(own.verify(await sign(withdrawn)))).toBe('invalid_token unknown_key')
  })
})
