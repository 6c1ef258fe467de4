/** What is remembered of a token that was verified, and what is not: how often the runtime is asked to verify a signature. */
import fc from 'fast-check'
import { beforeEach, describe, expect, it, type MockInstance, vi } from 'vitest'
import { type AccessTokenOptions, jwtGuard, requireScopes } from '../../src/resource-server/index.ts'
import { audience, claimsOf, requestWith, type SigningKey, signClaims, signingKey, startIssuer } from './issuer.ts'
import { issuer, outcome, pass, sign, startIssuerForEachTest, verifier } from './passing-time.ts'

startIssuerForEachTest()

/** Watched, and called all the same. */
let verifying: MockInstance<SubtleCrypto['verify']>
beforeEach(() => {
  vi.restoreAllMocks()
  verifying = vi.spyOn(crypto.subtle, 'verify')
})

/** How many signatures were verified meanwhile. */
async function signaturesOf(work: () => Promise<unknown>): Promise<number> {
  const before = verifying.mock.calls.length
  await work()
  return verifying.mock.calls.length - before
}

const memoryOf = (maxVerifiedTokens: number): Partial<AccessTokenOptions> => ({ keys: { maxVerifiedTokens } })
const parts = (token: string) => token.split('.') as [head: string, body: string, signature: string]
const firstKey = () => issuer.keys[0] as SigningKey

describe('a token that comes again', () => {
  it.each(['ES256', 'RS256', 'EdDSA'])('with a signature of %s has it verified once', async (alg) => {
    issuer.keys = [await signingKey(alg)]
    const own = verifier()
    const token = await sign()
    const claims = await own.verify(token)
    expect(verifying).toHaveBeenCalledTimes(1)
    for (let call = 0; call < 10; call++) expect(await own.verify(token)).toEqual(claims)
    expect(verifying).toHaveBeenCalledTimes(1)
  })

  it('gives claims that no earlier caller has had in hand', async () => {
    const own = verifier()
    const token = await issuer.sign({ name: 'Zoë 咖啡', roles: ['clerk'], address: { city: 'Bergen' } })
    for (let call = 0; call < 3; call++) {
      const claims = (await own.verify(token)) as Record<string, unknown>
      expect(claims).toMatchObject({
        sub: 'ada',
        name: 'Zoë 咖啡',
        roles: ['clerk'],
        address: { city: 'Bergen' },
        scope: 'orders:read orders:write',
      })
      claims.sub = 'root'
      claims.scope = 'admin'
      claims.exp = Number.MAX_SAFE_INTEGER
      ;(claims.roles as string[]).push('admin')
      ;(claims.address as { city: string }).city = 'Oslo'
    }
  })

  it('is verified each time where nothing is remembered', async () => {
    const own = verifier(memoryOf(0))
    const token = await sign()
    for (let call = 0; call < 5; call++) await own.verify(token)
    expect(verifying).toHaveBeenCalledTimes(5)
  })

  it('is neither remembered nor looked up by verifyOnce', async () => {
    const own = verifier()
    const token = await sign()
    await own.verifyOnce(token)
    await own.verifyOnce(token)
    expect(verifying).toHaveBeenCalledTimes(2)
    await own.verify(token)
    expect(verifying).toHaveBeenCalledTimes(3)
    await own.verifyOnce(token)
    expect(verifying).toHaveBeenCalledTimes(4)
  })

  it('and names no key is found whichever of them it is by', async () => {
    const keys = [await signingKey('ES256'), await signingKey('ES256')]
    for (const { jwk } of keys) delete jwk.kid
    issuer.keys = keys
    const own = verifier()
    const token = await sign(keys[1], { kid: undefined })
    await own.verify(token)
    expect(await signaturesOf(() => own.verify(token))).toBe(0)
    expect(await outcome(own.verify(await sign(await signingKey(), { kid: undefined })))).toMatch(/signature/)
  })
})

describe('after a good token', () => {
  it('another signature over the same head and payload is verified, and refused unless it is good itself', async () => {
    const own = verifier()
    const claims = claimsOf(issuer.url)
    const token = await signClaims(claims, firstKey())
    await own.verify(token)
    const [head, body, signature] = parts(token)
    const turned = (signature[0] === 'A' ? 'B' : 'A') + signature.slice(1)
    const stranger = await signClaims(claims, await signingKey('ES256', firstKey().jwk.kid))
    for (const other of [turned, parts(stranger)[2], 'A'.repeat(signature.length)]) {
      expect(await outcome(own.verify(`${head}.${body}.${other}`))).toBe('invalid_token signature')
    }
    // ES256 has many signatures for one message, and each is a token of its own.
    const again = await signClaims(claims, firstKey())
    expect(parts(again)).toEqual([head, body, expect.not.stringContaining(signature)])
    expect(await signaturesOf(() => own.verify(again))).toBe(1)
  })

  it('its signature is good for no other payload and no other head', async () => {
    const own = verifier()
    const token = await sign()
    await own.verify(token)
    const [head, , signature] = parts(token)
    const [, body] = parts(await signClaims({ ...claimsOf(issuer.url), sub: 'root' }, firstKey()))
    const [otherHead] = parts(await sign(firstKey(), { typ: 'application/at+jwt' }))
    expect(await outcome(own.verify(`${head}.${body}.${signature}`))).toBe('invalid_token signature')
    expect(await outcome(own.verify(`${otherHead}.${parts(token)[1]}.${signature}`))).toBe('invalid_token signature')
  })

  it('another algorithm in its head is refused before any key is used (RFC 8725 §3.1)', async () => {
    const own = verifier({ algorithms: ['ES256'] })
    const token = await sign()
    await own.verify(token)
    const [, body, signature] = parts(token)
    for (const alg of ['none', 'HS256', 'RS256', 'es256']) {
      const header = JSON.stringify({ alg, kid: firstKey().jwk.kid, typ: 'at+jwt' })
      const head = Buffer.from(header).toString('base64url')
      expect(await outcome(own.verify(`${head}.${body}.${signature}`))).toBe('invalid_token algorithm')
      expect(await outcome(own.verify(`${head}.${body}.`))).toMatch(/^invalid_token/)
    }
    expect(verifying).toHaveBeenCalledTimes(1)
  })

  it('other spellings of it are refused as before', async () => {
    const own = verifier()
    const token = await sign()
    await own.verify(token)
    for (const other of [`${token}=`, ` ${token}`, `${token}\n`, `${token}.`, token.replace('.', '=.')]) {
      expect(await outcome(own.verify(other))).toBe('invalid_token syntax')
    }
  })

  it('a bad one stays bad: it is verified each time that it comes', async () => {
    const own = verifier()
    const bad = await sign(await signingKey('ES256', firstKey().jwk.kid))
    await own.verify(await sign())
    const verdicts: string[] = []
    const signatures = await signaturesOf(async () => {
      for (let call = 0; call < 3; call++) verdicts.push(await outcome(own.verify(bad)))
    })
    expect([signatures, new Set(verdicts)]).toEqual([3, new Set(['invalid_token signature'])])
  })
})

describe('what a remembered token says is looked at in each call', () => {
  it('that it has expired', async () => {
    const own = verifier()
    const token = await sign()
    await own.verify(token)
    pass(64)
    expect(await outcome(own.verify(token))).toBe('taken')
    pass(2)
    expect(await outcome(own.verify(token))).toBe('invalid_token expired')
  })

  it('that it is not valid yet, where the clock was set back', async () => {
    const own = verifier()
    const iat = Math.floor(Date.now() / 1000)
    const early = await issuer.sign({ iat: iat - 3600, nbf: iat, exp: iat + 600 })
    const plain = await issuer.sign({ iat, exp: iat + 600 })
    expect([await outcome(own.verify(early)), await outcome(own.verify(plain))]).toEqual(['taken', 'taken'])
    pass(-60)
    expect(await outcome(own.verify(early))).toBe('invalid_token nbf')
    expect(await outcome(own.verify(plain))).toBe('invalid_token iat')
  })

  it('whom it is for: what one API has verified says nothing to another', async () => {
    const [own, other] = [verifier(), verifier({ audience: 'https://other.example' })]
    const forBoth = await issuer.sign({ aud: ['https://other.example', audience] })
    const forOne = await issuer.sign()
    for (const token of [forBoth, forOne]) await own.verify(token)
    expect(await signaturesOf(() => other.verify(forBoth))).toBe(1)
    expect(await outcome(other.verify(forOne))).toBe('invalid_token aud')
    expect(await outcome(other.verify(forOne))).toBe('invalid_token aud')
  })

  it('scopes, revocation and what it is bound to', async () => {
    const revoked = new Set<string>()
    const isRevoked = ({ jti }: { jti: string }) => revoked.has(jti)
    const guard = jwtGuard({ issuer: issuer.url, audience, isRevoked })
    const call = async (token: string, scope: string) => outcome(guard.check(requestWith(token), requireScopes(scope)))
    const token = await issuer.sign({ jti: 'one' })
    expect(await call(token, 'orders:read')).toBe('taken')
    expect(await call(token, 'orders:delete')).toMatch(/^insufficient_scope/)
    expect(await call(token, 'orders:read')).toBe('taken')
    revoked.add('one')
    expect(await call(token, 'orders:read')).toBe('invalid_token revoked')

    const withProofs = jwtGuard({ issuer: issuer.url, audience, dpop: { origin: audience } })
    const bound = await issuer.sign({ cnf: { jkt: 'A'.repeat(43) } })
    const scheme = (name: string) => requestWith(undefined, { headers: { Authorization: `${name} ${bound}` } })
    for (let count = 0; count < 2; count++) {
      expect(await outcome(withProofs.check(scheme('Bearer'), requireScopes('orders:read')))).toMatch(/^invalid_token/)
      expect(await outcome(withProofs.check(scheme('DPoP'), requireScopes('orders:read')))).toMatch(/^invalid_dpop/)
    }
    expect(verifying).toHaveBeenCalledTimes(2)
  })
})

describe('the memory goes with the keys', () => {
  it('a key that is withdrawn ends its remembered tokens when old keys are renewed', async () => {
    const own = verifier({ keys: { maxAgeSeconds: 30 } })
    const token = await sign()
    await own.verify(token)
    issuer.keys = [await signingKey()]
    pass(29)
    expect(await outcome(own.verify(token))).toBe('taken')
    pass(1)
    const behind: Promise<unknown>[] = []
    // By the keys there are, as ever; the call of a remembered token has them renewed like any other.
    expect(await outcome(own.verify(token, (renewal) => behind.push(renewal)))).toBe('taken')
    await Promise.all(behind)
    expect(issuer.keyFetches).toBe(2)
    expect(await outcome(own.verify(token))).toBe('invalid_token unknown_key')
  })

  it('and when a token of a new key has them fetched', async () => {
    const own = verifier()
    const token = await sign()
    await own.verify(token)
    issuer.keys = [await signingKey()]
    await own.verify(await sign())
    expect(await outcome(own.verify(token))).toBe('invalid_token unknown_key')
  })

  it('another key under the same name ends them, too', async () => {
    const own = verifier()
    const token = await sign()
    await own.verify(token)
    issuer.keys = [await signingKey('ES256', firstKey().jwk.kid)]
    await outcome(own.verify(await sign(await signingKey())))
    expect(issuer.keyFetches).toBe(2)
    expect(await outcome(own.verify(token))).toBe('invalid_token signature')
  })

  it('the same keys again verify anew', async () => {
    const own = verifier()
    const token = await sign()
    await own.verify(token)
    await outcome(own.verify(await sign(await signingKey())))
    expect(await signaturesOf(() => own.verify(token))).toBe(1)
    expect(await signaturesOf(() => own.verify(token))).toBe(0)
  })

  it('what was being verified by the old keys is not remembered with the new', async () => {
    const own = verifier()
    await own.verify(await sign())
    const token = await sign()
    const isHeld = Promise.withResolvers<void>()
    const release = Promise.withResolvers<void>()
    const real = SubtleCrypto.prototype.verify
    verifying.mockImplementationOnce(async (...given) => {
      isHeld.resolve()
      await release.promise
      return real.apply(crypto.subtle, given)
    })
    const slow = outcome(own.verify(token))
    await isHeld.promise
    issuer.keys = [await signingKey()]
    await own.verify(await sign())
    release.resolve()
    expect(await slow).toBe('taken')
    expect(await outcome(own.verify(token))).toBe('invalid_token unknown_key')
  })

  it('it serves with keys that are stale, and no longer than they do', async () => {
    const keys = { maxAgeSeconds: 10, cooldownSeconds: 1, maxStaleSeconds: 40 }
    const own = verifier({ jwksUri: `${issuer.url}/jwks`, keys })
    const token = await sign()
    await own.verify(token)
    issuer.answer = (_request, response) => response.writeHead(503).end()
    const verdicts: string[] = []
    for (let tens = 1; tens <= 4; tens++) {
      pass(10)
      const behind: Promise<unknown>[] = []
      verdicts.push(await outcome(own.verify(token, (renewal) => behind.push(renewal))))
      await Promise.all(behind)
    }
    expect(verdicts).toEqual(['taken', 'taken', 'taken', 'keys_unavailable keys_unavailable'])
    // At the first call, at three renewals, and by the call that found no keys that serve.
    expect(issuer.keyFetches).toBe(5)
    expect(verifying).toHaveBeenCalledTimes(1)
  })
})

describe('two authorization servers', () => {
  it('have a memory each, and a token of one is none of the other', async () => {
    const partner = await startIssuer({ path: '/partner' })
    // The worst case: one key, under one name.
    partner.keys = issuer.keys
    const own = verifier({ issuers: [issuer.url, partner.url], issuer: undefined, ...memoryOf(1) } as never)
    const [ours, theirs] = [await sign(), await partner.sign()]
    await own.verify(ours)
    await own.verify(theirs)
    expect(await signaturesOf(() => Promise.all([own.verify(ours), own.verify(theirs)]))).toBe(0)
    partner.keys = [await signingKey()]
    await own.verify(await partner.sign())
    expect(await outcome(own.verify(theirs))).toBe('invalid_token unknown_key')
    expect(await outcome(own.verify(ours))).toBe('taken')
    await partner.stop()
  })
})

describe('a memory that is full', () => {
  it('loses the token that was not used for longest', async () => {
    const tokens = await Promise.all(Array.from({ length: 8 }, () => sign()))
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 5 }),
        fc.array(fc.nat(tokens.length - 1), { maxLength: 60 }),
        async (most, calls) => {
          const own = verifier(memoryOf(most))
          let remembered: number[] = []
          for (const index of calls) {
            const signatures = await signaturesOf(() => own.verify(tokens[index] as string))
            expect(signatures).toBe(remembered.includes(index) ? 0 : 1)
            remembered = [...remembered.filter((other) => other !== index), index].slice(-most || calls.length)
            if (most === 0) remembered = []
          }
        },
      ),
      { numRuns: 60 },
    )
  })

  it('loses none to tokens that are not taken here: for other APIs, expired, or forged', async () => {
    const own = verifier(memoryOf(1))
    const token = await sign()
    await own.verify(token)
    for (const other of [
      await issuer.sign({ aud: 'https://other.example' }),
      await issuer.sign({ exp: 1 }),
      await sign(await signingKey('ES256', firstKey().jwk.kid)),
    ]) {
      expect(await outcome(own.verify(other))).toMatch(/^invalid_token/)
    }
    expect(await signaturesOf(() => own.verify(token))).toBe(0)
  })
})
