import { describe, expect, it } from 'vitest'
import { CoatcheckError } from '../../src/errors.ts'
import { assertRouteTakes, checkTarget, maxTargetBytes } from '../../src/gateway/target.ts'
import { hostileTargets } from './hostile-targets.ts'

const parseTarget = (raw: string, allow = { encodedSlash: false, semicolon: false }) => {
  const target = checkTarget(raw)
  assertRouteTakes(target, { allowEncodedSlash: allow.encodedSlash, allowSemicolon: allow.semicolon })
  return target
}
const refused = expect.objectContaining({ code: 'path_not_canonical' })

describe('a request target that can be read in two ways is refused', () => {
  it('the table is of hundreds', () => {
    expect(new Set(hostileTargets).size).toBeGreaterThan(400)
  })

  it.each(hostileTargets.map((target) => [JSON.stringify(target), target]))('%s', (_shown, target) => {
    expect(() => parseTarget(target)).toThrow(refused)
  })

  it('every code unit beyond printable ASCII, raw, in path and in query', () => {
    for (let code = 0; code <= 0x2ff; code++) {
      if (code > 0x20 && code < 0x7f) continue
      const character = String.fromCharCode(code)
      expect(() => parseTarget(`/a${character}b`), `path ${code}`).toThrow(refused)
      expect(() => parseTarget(`/a?b${character}`), `query ${code}`).toThrow(refused)
    }
  })

  it('every encoded unreserved character and control, in both cases of hex', () => {
    for (let octet = 0; octet < 128; octet++) {
      const character = String.fromCharCode(octet)
      if (octet >= 0x20 && octet !== 0x7f && !/[A-Za-z0-9._~\\%/;-]/.test(character)) continue
      const hex = octet.toString(16).padStart(2, '0')
      expect(() => parseTarget(`/a%${hex}b`), hex).toThrow(refused)
      expect(() => parseTarget(`/a%${hex.toUpperCase()}b`), hex).toThrow(refused)
    }
  })

  it('every octet from 0x80 on that stands alone', () => {
    for (let octet = 0x80; octet <= 0xff; octet++) {
      expect(() => parseTarget(`/%${octet.toString(16)}`), octet.toString(16)).toThrow(refused)
      expect(() => parseTarget(`/%${octet.toString(16)}a`), octet.toString(16)).toThrow(refused)
    }
  })

  it('with nothing of it in the error', () => {
    try {
      parseTarget('/secret/../x')
    } catch (error) {
      expect(error).toBeInstanceOf(CoatcheckError)
      expect(JSON.stringify({ ...(error as CoatcheckError), message: String(error) })).not.toContain('secret')
      return
    }
    expect.unreachable()
  })
})

describe('a canonical target passes as it came', () => {
  it.each([
    ['/', '/', ''],
    ['/?', '/', '?'],
    ['/api/orders', '/api/orders', ''],
    ['/api/orders/', '/api/orders/', ''],
    ['/api/orders?page=2', '/api/orders', '?page=2'],
    ['/a?b?c', '/a', '?b?c'],
    ['/...', '/...', ''],
    ['/.well-known/x', '/.well-known/x', ''],
    ['/a/.b/..c/d..', '/a/.b/..c/d..', ''],
    ["/-._~!$&'()*+,=:@", "/-._~!$&'()*+,=:@", ''],
    ['/a|b[c]', '/a|b[c]', ''],
    ['/caf%C3%A9', '/caf%C3%A9', ''],
    ['/caf%c3%a9', '/caf%c3%a9', ''],
    ['/%F0%9F%98%80', '/%F0%9F%98%80', ''],
    ['/%E2%82%AC/%F4%8F%BF%BF', '/%E2%82%AC/%F4%8F%BF%BF', ''],
    ['/%20%21%22%23%3F%40%7C', '/%20%21%22%23%3F%40%7C', ''],
    ['/a?../..//;%2F%5c%00%0a%2e%FF', '/a', '?../..//;%2F%5c%00%0a%2e%FF'],
    ["/a?q='{x}'|^`\\", '/a', "?q='{x}'|^`\\"],
    ['/a?//evil.example', '/a', '?//evil.example'],
  ])('%s', (raw, path, query) => {
    expect(parseTarget(raw)).toMatchObject({ path, query })
  })

  it('up to 8 KB', () => {
    expect(parseTarget(`/${'a'.repeat(maxTargetBytes - 1)}`).path).toHaveLength(maxTargetBytes)
    expect(() => parseTarget(`/${'a'.repeat(maxTargetBytes)}`)).toThrow(refused)
    expect(() => parseTarget(`/?${'a'.repeat(maxTargetBytes - 1)}`)).toThrow(refused)
  })
})

describe('an encoded slash or a semicolon', () => {
  it('is recorded, for the route to decide', () => {
    expect(checkTarget('/a/b%2Fc')).toMatchObject({ path: '/a/b%2Fc', hasEncodedSlash: true, hasSemicolon: false })
    expect(checkTarget('/a/b%2fc?d')).toMatchObject({ path: '/a/b%2fc', query: '?d', hasEncodedSlash: true })
    expect(checkTarget('/a/b;c=1')).toMatchObject({ path: '/a/b;c=1', hasEncodedSlash: false, hasSemicolon: true })
    expect(checkTarget('/a/b%3Bc')).toMatchObject({ hasSemicolon: true })
    expect(checkTarget('/a?b%2Fc;d')).toMatchObject({ hasEncodedSlash: false, hasSemicolon: false })
  })

  it('is refused unless the route takes it by name', () => {
    const neither = { allowEncodedSlash: false, allowSemicolon: false }
    expect(() => assertRouteTakes(checkTarget('/a%2Fb'), neither)).toThrow(refused)
    expect(() => assertRouteTakes(checkTarget('/a%2Fb'), { ...neither, allowSemicolon: true })).toThrow(refused)
    expect(() => assertRouteTakes(checkTarget('/a%2Fb'), { ...neither, allowEncodedSlash: true })).not.toThrow()
    expect(() => assertRouteTakes(checkTarget('/a;b'), { ...neither, allowEncodedSlash: true })).toThrow(refused)
    expect(() => assertRouteTakes(checkTarget('/a;b'), { ...neither, allowSemicolon: true })).not.toThrow()
  })

  it.each([
    '/a/..%2Fb',
    '/a/.%2fb',
    '/a%2F..',
    '/a%2F../b',
    '/a%2F.%2Fb',
    '/a%2F%2Fb',
    '/a%2F/b',
    '/a/%2Fb',
    '/%2Fevil.example',
    '/..;/b',
    '/a/..;x=1/b',
    '/a/.;/b',
    '/a/;/b',
    '/;x',
    '/a/..%3B/b',
    '/a;x%2F..%2Fb',
    '/a;x/../b',
    '/a/..;x',
    '/a%2F..;x',
    '/a%2F;x',
  ])('%s hides a dot segment or an empty one, also where both are allowed', (raw) => {
    expect(() => parseTarget(raw, { encodedSlash: true, semicolon: true })).toThrow(refused)
  })

  it.each(['/a%2Fb', '/a%2F', '/a;x', '/a;x/b;y', '/a;x%2Fb', '/a;;x', '/a;../b'])('%s passes where allowed', (raw) => {
    expect(parseTarget(raw, { encodedSlash: true, semicolon: true }).path).toBe(raw)
  })
})
