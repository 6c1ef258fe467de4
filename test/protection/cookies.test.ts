import { describe, expect, it } from 'vitest'
import { readCookies, serializeCookie } from '../../src/protection/cookies.ts'

const name = '__Host-Http-coatcheck'
const readCookie = (header: string | undefined, ours: string) => readCookies(header, (one) => one === ours).get(ours)

describe('a cookie is read by its exact name', () => {
  it.each<[string | undefined, string | undefined]>([
    [`${name}=abc`, 'abc'],
    [`a=b; ${name}=abc; c=d`, 'abc'],
    [`a=b;${name}=abc`, 'abc'],
    [`  ${name}  =  abc  `, 'abc'],
    [`${name}=a=b==`, 'a=b=='],
    [`${name}=%61`, '%61'],
    [`${name}=`, ''],
    [`${name}=abc; ${name}=abc`, 'abc'],
    [undefined, undefined],
    ['', undefined],
    [';;; ;', undefined],
    ['=', undefined],
    [`=${name}=abc`, undefined],
    [name, undefined],
    [`${name}; a=b`, undefined],
    [`${name}-id=abc`, undefined],
    [`x${name}=abc`, undefined],
    [`${name.toLowerCase()}=abc`, undefined],
    [`${name.toUpperCase()}=abc`, undefined],
    [`%5F_Host-Http-coatcheck=abc`, undefined],
    [`a="; ${name}=abc"`, undefined],
    [`a=${name}=abc`, undefined],
  ])('%j gives %j', (header, value) => {
    expect(readCookie(header, name)).toBe(value)
  })
})

describe('a value that is not one is none', () => {
  it.each(['"abc"', 'a b', 'a,b', 'a\\b', 'a\0b', 'a\tb', 'ä', '\x7f', 'a"b', '\u2028', '\xa0'])('%j', (value) => {
    expect(readCookie(`${name}=${value}`, name)).toBeUndefined()
  })
})

describe('two values of one name', () => {
  it.each([
    [`${name}=mine; ${name}=theirs`],
    [`${name}=theirs; ${name}=mine`],
    [`${name}=mine; a=b; ${name}=`],
    [`${name}="x"; ${name}=mine`],
    [`${name}=mine; ${name}="x"`],
    [`${name}=mine; ${name}=theirs; ${name}=mine`],
    [`${name}=mine; ${name}=theirs; ${name}=theirs`],
  ])('%s: neither is taken, since one was planted', (header) => {
    expect(readCookie(header, name)).toBeUndefined()
  })

  it('of another name do not matter', () => {
    expect(readCookie(`a=1; ${name}=x; a=2`, name)).toBe('x')
  })
})

it('several of ours are read at once, and nothing else', () => {
  const cookies = readCookies('app-a=1; b=2; app-c=3; __proto__=4; app-=5', (other) => other.startsWith('app-'))
  expect([...cookies]).toEqual([
    ['app-a', '1'],
    ['app-c', '3'],
    ['app-', '5'],
  ])
})

it('a field of a million separators is read in one pass', () => {
  // In steps that grow with the square of the length, this would not end within the test's time.
  expect(readCookie(`${'a=b;'.repeat(1_000_000)}${name}=x`, name)).toBe('x')
  expect(readCookie(`${';'.repeat(4_000_000)}${name}=x`, name)).toBe('x')
  expect(readCookie(';'.repeat(4_000_000), name)).toBeUndefined()
  expect(readCookie(`${name}${' '.repeat(4_000_000)}`, name)).toBeUndefined()
})

describe('a cookie is written', () => {
  it('with every attribute that it should have, and no Domain', () => {
    expect(serializeCookie(name, 'a-b_c.d~e*f', { sameSite: 'Strict', maxAgeSeconds: 60.9 })).toBe(
      `${name}=a-b_c.d~e*f; Max-Age=60; Path=/; HttpOnly; Secure; SameSite=Strict`,
    )
    expect(serializeCookie(`${name}-id`, 'x', { sameSite: 'Lax' })).toBe(
      `${name}-id=x; Path=/; HttpOnly; Secure; SameSite=Lax`,
    )
  })

  it('so that it ends at once to delete it', () => {
    expect(serializeCookie(name, '', { sameSite: 'Strict', maxAgeSeconds: 0 })).toBe(
      `${name}=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Strict`,
    )
    expect(serializeCookie(name, 'x', { sameSite: 'Lax', maxAgeSeconds: -5 })).toContain('Max-Age=0;')
  })

  it.each(['a;b', 'a b', 'a,b', 'a=b', 'a"b', 'a\r\nSet-Cookie: x', 'ä', 'a%20b', '\0'])(
    'not with the value %j',
    (value) => {
      expect(() => serializeCookie(name, value, { sameSite: 'Strict' })).toThrow('base64url')
    },
  )

  it.each(['a b', 'a=b', 'a;b', '', 'ä', 'a\r\n'])('not with the name %j', (other) => {
    expect(() => serializeCookie(other, 'x', { sameSite: 'Strict' })).toThrow('cookie name')
  })

  it('with no value in the error', () => {
    expect(() => serializeCookie(name, 'secret secret', { sameSite: 'Strict' })).toThrow(/^((?!secret).)*$/)
  })
})
