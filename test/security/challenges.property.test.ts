/** An API whose challenges are whatever comes: what a caller is told of them cannot end a field, nor a parameter in it. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bearerChallenges, neededToken } from '../../src/gateway/challenges.ts'

const pieces = [
  ...[
    'Bearer ',
    'bearer',
    'Basic ',
    'realm=',
    'error=',
    'scope=',
    'acr_values=',
    'max_age=',
    ', ',
    ',',
    '=',
    '"',
    '\\',
    '\\"',
  ],
  ...[
    'insufficient_scope',
    '"insufficient_user_authentication"',
    '"a b"',
    '60',
    '<',
    '>',
    ';',
    '\t',
    ' ',
    '\r\n',
    '\0',
    'é',
    '€',
    '==',
  ],
]
const content = fc.array(
  fc.oneof(fc.constantFrom('a', ' ', '\\"', '\\\\', '\r\n', '\0', 'é', '\\é', ','), fc.string({ maxLength: 3 })),
  { maxLength: 4 },
)
/** Parameters that would be heard, but for what is in them. */
const nearly = fc
  .array(fc.tuple(fc.constantFrom('realm', 'scope', 'acr_values', 'max_age'), content), { maxLength: 3 })
  .map((all) => all.map(([name, words]) => `, ${name}="${words.join('')}"`).join(''))
  .map((parameters) => `Bearer error="insufficient_scope"${parameters}`)
const weird = fc.oneof(
  nearly,
  fc
    .array(fc.oneof(fc.constantFrom(...pieces), fc.string({ maxLength: 4 })), { maxLength: 24 })
    .map((all) => all.join('')),
)

const read = (...values: string[]) => bearerChallenges(values.map((value) => ['www-authenticate', value] as const))

describe('an API’s challenge', () => {
  it('leaves nothing that could end a quoted string, a field or a line', () => {
    fc.assert(
      fc.property(fc.array(weird, { maxLength: 5 }), (values) => {
        const challenges = read(...values)
        for (const { scheme, text } of challenges) {
          expect(scheme).toBe('bearer')
          expect(text).toMatch(/^bearer(?: [\t\x20-\x7e]*)?$/i)
        }
        const { error, scope, acrValues, maxAge } = neededToken(challenges) ?? {}
        expect([undefined, 'insufficient_scope', 'insufficient_user_authentication']).toContain(error)
        for (const words of [scope, acrValues])
          expect(words ?? 'a').toMatch(/^[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*$/)
        expect(maxAge ?? '0').toMatch(/^\d{1,10}$/)
      }),
      { numRuns: 3000 },
    )
  })

  it('is heard as it was meant, in each form that the grammar has', () => {
    const value = fc.stringMatching(/^[a-z0-9:./-]{1,20}$/)
    const escaped = (text: string) => `"${[...text].map((character) => `\\${character}`).join('')}"`
    fc.assert(
      fc.property(value, value, fc.constantFrom('=', ' = ', '\t='), (scope, acr, equals) => {
        const parameters = `error${equals}insufficient_user_authentication,,\tscope${equals}${escaped(scope)} , acr_values="${acr}"`
        const needed = { error: 'insufficient_user_authentication', scope, acrValues: acr, maxAge: undefined }
        expect(neededToken(read(`Negotiate abc==, Bearer ${parameters}`))).toEqual(needed)
      }),
    )
  })

  it('takes no longer for being written against its reader', () => {
    const long = [
      `Bearer ${'a'.repeat(2000)}`,
      `Bearer a="${'\\a'.repeat(1000)}`,
      `Bearer${' '.repeat(2000)}=`,
      ','.repeat(2048),
    ]
    const before = performance.now()
    for (let round = 0; round < 200; round++) for (const value of long) read(value)
    // A millisecond each, where one pass takes microseconds.
    expect(performance.now() - before).toBeLessThan(800)
  })
})
