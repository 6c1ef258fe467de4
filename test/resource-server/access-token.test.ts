import fc from 'fast-check'
import { CompactSign } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type AccessTokenOptions, accessTokenVerifier, type GuardError } from '../../src/resource-server/index.ts'
import { type HostileToken, hostileTokens } from './hostile-tokens.ts'
import { audience, claimsOf, type SigningKey, seconds, signingKey, startIssuer, type TestIssuer } from './issuer.ts'
import { type Stranger, startStranger } from './stranger.ts'

let issuer: TestIssuer
let es256: SigningKey
let rs256: SigningKey
let eddsa: SigningKey
let stranger: Stranger
let hostile: HostileToken[]
let good: string

beforeAll(async () => {
  issuer = await startIssuer()
  ;[es256, rs256, eddsa] = await Promise.all([signingKey('ES256'), signingKey('RS256'), signingKey('EdDSA')])
  issuer.keys = [es256, rs256, eddsa]
  good = await issuer.sign({ exp: seconds() + 600 }, { key: es256 })
  stranger = await startStranger(es256.jwk.kid)
  hostile = await hostileTokens({ issuer: issuer.url, es256, rs256, eddsa, stranger, good })
})
afterAll(() => Promise.all([issuer.stop(), stranger.stop()]))

function verifier(options: Partial<AccessTokenOptions> = {}) {
  return accessTokenVerifier({ issuer: issuer.url, audience, ...options })
}

describe('a valid token', () => {
  it.each(['ES256', 'RS256', 'EdDSA'])('of %s gives its claims', async (alg) => {
    const key = issuer.keys.find((candidate) => candidate.alg === alg) as SigningKey
    const claims = await verifier().verify(await issuer.sign({ tenant: 'north' }, { key }))
    expect(claims).toMatchObject({ iss: issuer.url, sub: 'ada', client_id: 'app', tenant: 'north' })
  })

  it.each(['PS256', 'RS512', 'ES384', 'Ed25519'])('of %s is taken by default, too', async (alg) => {
    const other = await startIssuer()
    other.keys = [await signingKey(alg)]
    await expect(verifier({ issuer: other.url }).verify(await other.sign())).resolves.toMatchObject({ sub: 'ada' })
    await other.stop()
  })

  it.each<[string, Record<string, unknown> | (() => Record<string, unknown>), Record<string, unknown>]>([
    ['with the long form of the type', {}, { typ: 'application/at+jwt' }],
    ['with a type in capitals', {}, { typ: 'AT+JWT' }],
    ['for several audiences', { aud: ['https://other.example.com', audience] }, {}],
    ['that has just expired, within the tolerance', () => ({ exp: seconds() - 2, iat: seconds() - 60 }), {}],
    ['that is issued by a clock ahead, within the tolerance', () => ({ iat: seconds() + 3 }), {}],
    ['without scopes', { scope: undefined }, {}],
    ['with claims beyond ASCII', { name: 'Zoë Öztürk 咖啡' }, {}],
    ['with a claim that holds JSON', { note: '{"sub":"root","a":":"}' }, {}],
    ['with a certificate in its header that nobody looks at', {}, { x5c: ['MIIB'], x5t: 'abc' }],
  ])('%s is taken', async (_, given, header) => {
    const claims = typeof given === 'function' ? given() : given
    const verified = await verifier().verify(await issuer.sign(claims, { header }))
    for (const [name, value] of Object.entries(claims)) expect(verified[name]).toEqual(value)
  })
})

describe('times, with a tolerance of five seconds', () => {
  const at = 1_800_000_000
  it.each<[string, Record<string, number>, string]>([
    ['a token that expires now', { exp: at }, 'taken'],
    ['one that expired just within the tolerance', { exp: at - 4 }, 'taken'],
    ['one that expired at the end of it', { exp: at - 5 }, 'expired'],
    ['one that is issued at the end of it', { iat: at + 5 }, 'taken'],
    ['one that is issued after it', { iat: at + 6 }, 'iat'],
    ['one that is valid from the end of it', { nbf: at + 5 }, 'taken'],
    ['one that is valid from after it', { nbf: at + 6 }, 'nbf'],
    ['one with parts of a second', { exp: at - 4.999, nbf: at + 4.999 }, 'taken'],
  ])('%s', async (_, times, expected) => {
    const token = await issuer.sign({ iat: at, exp: at + 60, ...times })
    const verified = verifier({ now: () => at * 1000 }).verify(token)
    const reason = await verified.then(
      () => 'taken',
      (error: GuardError) => error.reason,
    )
    expect(reason).toBe(expected)
  })
})

describe('a hostile token is refused, with one text for all', () => {
  it.each(['in each of its ways', 'after good tokens just the same'])('%s', async (when) => {
    const one = verifier()
    const several = verifier({ issuer: undefined, issuers: ['https://other.example', issuer.url] } as never)
    if (when.startsWith('after')) {
      const others = await Promise.all([rs256, eddsa].map((key) => issuer.sign({}, { key })))
      for (const own of [one, several]) for (const token of [good, ...others]) await own.verify(token)
    }
    expect(hostile.length).toBeGreaterThan(100)
    const results = await Promise.all(
      hostile.map(async ({ name, token }) => ({
        name,
        one: await outcome(one.verify(token)),
        several: await outcome(several.verify(token)),
      })),
    )
    const refused = 'invalid_token: The access token is not valid'
    expect(results).toEqual(hostile.map(({ name }) => ({ name, one: refused, several: refused })))
    for (const own of [one, several]) expect(await outcome(own.verify(good))).toBe('taken')
    expect(stranger.asked).toEqual([])
  })

  it('and all of them together cost the first keys and one look for newer ones, which is what the cooldown allows', async () => {
    const own = verifier()
    const before = issuer.keyFetches
    for (const { token } of hostile) await outcome(own.verify(token))
    expect(issuer.keyFetches - before).toBe(2)
  })

  it('the reasons are for logs, and hold no part of the token', async () => {
    for (const { name, token } of hostile) {
      const error: GuardError = await verifier({ keys: { cooldownSeconds: 0 } })
        .verify(token)
        .then(
          () => expect.unreachable(name),
          (thrown) => thrown,
        )
      const { reason, cause } = error
      const said = `${error.stack}${JSON.stringify({ reason, details: error.details })}${cause}`
      expect(reason, name).toMatch(/^[a-z_]+$/)
      const signature = token.split('.')[2] ?? ''
      if (signature.length > 10) expect(said).not.toContain(signature)
      expect(said).not.toContain('"ada"')
    }
  })
})

describe('properties', () => {
  it('no change of one character of a valid token is taken', async () => {
    const own = verifier()
    const tokens = await Promise.all([es256, rs256, eddsa].map((key) => issuer.sign({}, { key })))
    const alphabet = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \n\u00e9']
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...tokens),
        fc.nat(),
        fc.constantFrom(...alphabet),
        async (token, place, letter) => {
          const index = place % token.length
          fc.pre(token[index] !== letter)
          const changed = token.slice(0, index) + letter + token.slice(index + 1)
          expect(await outcome(own.verify(changed))).toMatch(/^invalid_token/)
        },
      ),
      { numRuns: 400 },
    )
  })

  it('nor is any last character but its own', async () => {
    const own = verifier()
    const token = await issuer.sign()
    const alphabet = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_']
    const taken: string[] = []
    for (const letter of alphabet) {
      if (!(await outcome(own.verify(token.slice(0, -1) + letter))).startsWith('invalid_token')) taken.push(letter)
    }
    expect(taken).toEqual([token.at(-1)])
  })

  it('no text at all throws anything but a refusal', async () => {
    const own = verifier()
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.string({ unit: 'binary' }), fc.base64String(), jwtLike()), async (text) => {
        expect(await outcome(own.verify(text))).toMatch(/^invalid_token/)
      }),
      { numRuns: 300 },
    )
  })

  it('claims come out as they were signed', async () => {
    const own = verifier()
    await fc.assert(
      fc.asyncProperty(fc.jsonValue({ maxDepth: 4 }), async (value) => {
        const expected: unknown = JSON.parse(JSON.stringify(value))
        expect((await own.verify(await issuer.sign({ value }))).value).toEqual(expected)
      }),
      { numRuns: 100 },
    )
  })

  it('a member that is there twice never comes out, wherever it is and whatever it holds', async () => {
    const own = verifier()
    const signedWith = (value: string) => {
      const text = `${JSON.stringify(claimsOf(issuer.url)).slice(0, -1)},"value":${value}}`
      const key = issuer.keys[0] as SigningKey
      const header = { alg: key.alg, typ: 'at+jwt', ...(key.jwk.kid !== undefined && { kid: key.jwk.kid }) }
      return new CompactSign(Buffer.from(text)).setProtectedHeader(header).sign(key.privateKey)
    }
    const json = fc.jsonValue({ maxDepth: 2 }).map((value) => JSON.stringify(value))
    const wrappings = fc.array(fc.constantFrom(['[1,', ']'], ['{"in":', '}'], ['{"a":":","in":', '}']), {
      maxLength: 5,
    })
    await fc.assert(
      fc.asyncProperty(fc.string({ minLength: 1 }), fc.boolean(), json, json, wrappings, async (...given) => {
        const [name, isEscaped, first, second, around] = given
        const again = isEscaped ? `"${escaped(name)}"` : JSON.stringify(name)
        const wrapped = (inner: string) => around.reduce((text, [before, after]) => before + text + after, inner)
        const once = wrapped(`{${again}:${second}}`)
        expect((await own.verify(await signedWith(once))).value).toEqual(JSON.parse(once))
        const twice = await signedWith(wrapped(`{${JSON.stringify(name)}:${first},${again}:${second}}`))
        expect(await outcome(own.verify(twice))).toMatch(/^invalid_token/)
      }),
      { numRuns: 100 },
    )
  })
})

describe('several authorization servers', () => {
  it('have keys, audience and algorithms of their own', async () => {
    const partner = await startIssuer({ path: '/partners', metadata: 'oauth' })
    const own = accessTokenVerifier({
      issuers: [issuer.url, { issuer: partner.url, audience: 'urn:partners', algorithms: ['ES256'] }],
      audience,
    })
    await expect(own.verify(await partner.sign({ aud: 'urn:partners' }))).resolves.toMatchObject({ iss: partner.url })
    await expect(own.verify(await issuer.sign())).resolves.toMatchObject({ iss: issuer.url })
    for (const token of [
      await partner.sign(),
      await issuer.sign({ aud: 'urn:partners' }),
      // One server does not speak for another.
      await partner.sign({ iss: issuer.url }),
      await issuer.sign({ iss: partner.url, aud: 'urn:partners' }),
      await issuer.sign({ iss: partner.url, aud: 'urn:partners' }, { header: { kid: partner.keys[0]?.jwk.kid } }),
    ]) {
      expect(await outcome(own.verify(token))).toMatch(/^invalid_token/)
    }
    const rsa = await signingKey('RS256')
    partner.keys = [...partner.keys, rsa]
    expect(await outcome(own.verify(await partner.sign({ aud: 'urn:partners' }, { key: rsa })))).toMatch(/^invalid/)
    await partner.stop()
  })
})

describe('options that cannot be meant are refused at once', () => {
  it.each<[string, AccessTokenOptions, RegExp]>([
    ['no issuer', { audience }, /either `issuer` or `issuers`/],
    ['both', { issuer: 'https://a.example', issuers: ['https://b.example'], audience }, /either/],
    ['an empty list', { issuers: [], audience }, /empty/],
    ['an issuer twice', { issuers: ['https://a.example', 'https://a.example'], audience }, /named twice/],
    ['an issuer by http', { issuer: 'http://id.example.com', audience }, /has to be https/],
    ['an issuer that only begins like loopback', { issuer: 'http://127.0.0.1.example.com', audience }, /https/],
    ['no URL', { issuer: 'id.example.com', audience }, /not a URL/],
    ['credentials', { issuer: 'https://a:b@id.example.com', audience }, /credentials/],
    ['a query', { issuer: 'https://id.example.com?a=b', audience }, /query/],
    ['keys by http', { issuer: 'https://a.example', jwksUri: 'http://a.example/jwks', audience }, /https/],
    ['no audience', { issuer: 'https://a.example' }, /`audience` is missing for https:\/\/a.example/],
    ['an empty audience', { issuer: 'https://a.example', audience: '' }, /`audience` is missing/],
    ['a shared secret', { issuer: 'https://a.example', audience, algorithms: ['HS256' as never] }, /HS256 is not/],
    ['none', { issuer: 'https://a.example', audience, algorithms: ['none' as never] }, /none is not/],
    ['no algorithm', { issuer: 'https://a.example', audience, algorithms: [] }, /empty/],
    ['a tolerance of a day', { issuer: 'https://a.example', audience, clockToleranceSeconds: 86_400 }, /0 to 300/],
    ['no number', { issuer: 'https://a.example', audience, clockToleranceSeconds: Number.NaN }, /0 to 300/],
    ['no size', { issuer: 'https://a.example', audience, maxTokenBytes: 0 }, /maxTokenBytes/],
    ['any size', { issuer: 'https://a.example', audience, maxTokenBytes: Infinity }, /finite/],
    [
      'stale before old',
      { issuer: 'https://a.example', audience, keys: { maxStaleSeconds: 60 } },
      /below `keys.maxAge/,
    ],
    ['half a token', { issuer: 'https://a.example', audience, keys: { maxVerifiedTokens: 0.5 } }, /maxVerifiedTokens/],
    ['less than none', { issuer: 'https://a.example', audience, keys: { maxVerifiedTokens: -1 } }, /0 to 10000: -1/],
    ['every token', { issuer: 'https://a.example', audience, keys: { maxVerifiedTokens: Infinity } }, /0 to 10000/],
    ['an issuer that is a URL object', { issuer: new URL('https://a.example') as never, audience }, /not a string/],
    ['an issuer that is not set, in a list', { issuers: [undefined as never], audience }, /not a string: undefined/],
    ['issuers that are no list', { issuers: 'https://a.example' as never, audience }, /`issuers` is a list/],
    ['algorithms that are no list', { issuer: 'https://a.example', audience, algorithms: 'ES256' as never }, /a list/],
    ['a digit', { issuer: 'https://a.example', audience, clockToleranceSeconds: '5' as never }, /0 to 300/],
    ['no cooldown', { issuer: 'https://a.example', audience, keys: { cooldownSeconds: -1 } }, /cooldownSeconds/],
  ])('%s', (_, options, message) => {
    expect(() => accessTokenVerifier(options)).toThrow(message)
  })
})

async function outcome(verifying: Promise<unknown>): Promise<string> {
  try {
    await verifying
    return 'taken'
  } catch (error) {
    return `${(error as GuardError).code}: ${(error as Error).message}`
  }
}

/** The same name in JSON, each UTF-16 unit as its number. */
function escaped(name: string): string {
  const units = Array.from({ length: name.length }, (_, at) => name.charCodeAt(at))
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('')
}

/** Three parts of base64url, the first two of which are JSON. */
function jwtLike(): fc.Arbitrary<string> {
  const part = fc.jsonValue().map((value) => Buffer.from(JSON.stringify(value)).toString('base64url'))
  return fc.tuple(part, part, fc.base64String()).map(([head, body, tail]) => `${head}.${body}.${tail}`)
}
