/** With a memory of verified signatures and without one, whatever comes in whatever order: the same is said of every token. */
import fc from 'fast-check'
import { expect, it, vi } from 'vitest'
import type { AccessTokenVerifier, GuardError } from '../../src/resource-server/index.ts'
import { verifiedTokens } from '../../src/resource-server/verified-tokens.ts'
import { claimsOf, type SigningKey, signClaims, signingKey } from './issuer.ts'
import { clock, issuer, pass, sign, startIssuerForEachTest, verifier } from './passing-time.ts'

startIssuerForEachTest()

const steps = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: fc.record({ kind: fc.constant('call' as const), token: fc.nat() }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('forge' as const), token: fc.nat(), other: fc.nat() }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('sign' as const, 'stranger' as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('publish' as const, 'withdraw' as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('break' as const, 'mend' as const) }) },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('pass' as const), seconds: fc.integer({ min: -5, max: 40 }) }),
    },
  ),
  { minLength: 10, maxLength: 50 },
)

it('a verifier that remembers says what one says that does not', { timeout: 60_000 }, async () => {
  const verifying = vi.spyOn(crypto.subtle, 'verify')
  const spare: SigningKey[] = await Promise.all(['ES256', 'EdDSA', 'RS256', 'ES256'].map((alg) => signingKey(alg)))
  const signatures = { remembering: 0, forgetful: 0 }
  const said = new Set<string>()

  await fc.assert(
    fc.asyncProperty(steps, fc.integer({ min: 1, max: 4 }), async (given, maxVerifiedTokens) => {
      const times = { maxAgeSeconds: 30, cooldownSeconds: 10, maxStaleSeconds: 90 }
      const own = (most: number) =>
        verifier({ jwksUri: `${issuer.url}/jwks`, keys: { ...times, maxVerifiedTokens: most } })
      const [remembering, forgetful] = [own(maxVerifiedTokens), own(0)]
      issuer.answer = undefined
      issuer.keys = [spare[0] as SigningKey]
      let unpublished = spare.slice(1)
      const tokens = [await sign(), await sign()]
      const pick = (index: number) => tokens[index % tokens.length] as string

      const say = async (own: AccessTokenVerifier, name: keyof typeof signatures, token: string) => {
        const before = verifying.mock.calls.length
        const behind: Promise<unknown>[] = []
        const verdict = await verdictOf(own.verify(token, (renewal) => behind.push(renewal)))
        await Promise.all(behind)
        signatures[name] += verifying.mock.calls.length - before
        return verdict
      }
      const ask = async (token: string) => {
        const verdict = await say(remembering, 'remembering', token)
        expect(verdict).toEqual(await say(forgetful, 'forgetful', token))
        said.add(typeof verdict === 'string' ? verdict : 'taken')
      }

      for (const step of given) {
        if (step.kind === 'call') await ask(pick(step.token))
        if (step.kind === 'forge') for (const token of forgeries(pick(step.token), pick(step.other))) await ask(token)
        if (step.kind === 'sign') tokens.push(await sign(issuer.keys.at(-1)))
        if (step.kind === 'stranger') await ask(await signClaims(claimsOf(issuer.url, lifetime()), await signingKey()))
        if (step.kind === 'publish') issuer.keys = [...issuer.keys, ...unpublished.splice(0, 1)]
        if (step.kind === 'withdraw' && issuer.keys.length > 1) {
          unpublished = [...unpublished, issuer.keys[0] as SigningKey]
          issuer.keys = issuer.keys.slice(1)
        }
        if (step.kind === 'break') issuer.answer = (_request, response) => response.writeHead(503).end()
        if (step.kind === 'mend') issuer.answer = undefined
        if (step.kind === 'pass') pass(step.seconds)
      }
    }),
    { numRuns: 100 },
  )

  // It was worth something, and the steps have led to what matters.
  expect(signatures.remembering).toBeLessThan(signatures.forgetful)
  for (const verdict of ['taken', 'expired', 'signature', 'unknown_key', 'keys_unavailable'])
    expect(said).toContain(verdict)
})

/** No two signed ones do: an end is 256 bits of a signature. */
it('tokens that end alike are told apart, and the least recently used goes', () => {
  const ends = ['a', 'b', 'c', 'd'].map((letter) => letter.repeat(43))
  const tokens = ends.flatMap((end) => ['head.payload', 'head.other', 'other.payload'].map((rest) => `${rest}.${end}`))
  const endOf = (token: string) => token.split('.')[2]
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), fc.array(fc.constantFrom(...tokens)), (most, added) => {
      const own = verifiedTokens(most)
      let remembered: string[] = []
      for (const token of added) {
        own.add(token)
        // One of each end: the one that came last.
        remembered = [...remembered.filter((other) => endOf(other) !== endOf(token)), token].slice(-most)
        expect(tokens.filter((one) => own.has(one)).toSorted()).toEqual(remembered.toSorted())
      }
    }),
    { numRuns: 300 },
  )
})

function lifetime(): { iat: number; exp: number } {
  const iat = Math.floor(clock() / 1000)
  return { iat, exp: iat + 60 }
}

/** Of parts of good tokens, and with other heads. */
function forgeries(token: string, other: string): string[] {
  const [head = '', body = '', signature = ''] = token.split('.')
  const [otherHead, otherBody, otherSignature] = other.split('.')
  const header = JSON.parse(Buffer.from(head, 'base64url').toString()) as object
  const none = Buffer.from(JSON.stringify({ ...header, alg: 'none' })).toString('base64url')
  const turned = (signature[0] === 'A' ? 'B' : 'A') + signature.slice(1)
  return [
    `${head}.${body}.${otherSignature}`,
    `${head}.${otherBody}.${signature}`,
    `${otherHead}.${body}.${signature}`,
    `${head}.${body}.${turned}`,
    `${none}.${body}.${signature}`,
    `${none}.${body}.`,
  ]
}

/** The claims, or why not. */
async function verdictOf(verifying: Promise<object>): Promise<object | string> {
  try {
    return await verifying
  } catch (error) {
    return (error as GuardError).reason.split(':')[0] as string
  }
}
