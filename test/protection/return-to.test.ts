import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CoatcheckError } from '../../src/errors.ts'
import { buildRouteTable } from '../../src/gateway/match.ts'
import { maxReturnToBytes, parseReturnTo } from '../../src/protection/return-to.ts'
import { openRoute, route } from '../gateway/routes.ts'
import { harmlessReturnTos, hostileReturnTos, reservedReturnTos } from './hostile-return-tos.ts'

const routes = buildRouteTable([route('/api/*'), route('/caf%C3%A9/*'), route('/exact'), openRoute('/public/*')])
/** As `endpoints/login.ts` has it. */
const isReserved = (path: string) => path === '/bff' || path.startsWith('/bff/') || routes.has(path)
const parse = (value: string | undefined) => parseReturnTo(value, isReserved)
const refused = expect.objectContaining({ code: 'invalid_return_to' })
const shown = (values: readonly string[]) =>
  values.map((value) => [JSON.stringify(value).slice(0, 120), value] as const)

/** The result, or undefined where it was refused as it should be. */
function accepted(value: string): string | undefined {
  try {
    return parse(value)
  } catch (error) {
    if (error instanceof CoatcheckError && error.code === 'invalid_return_to') return undefined
    throw error
  }
}

const origins = [
  'https://app.example.com',
  'http://localhost:3000',
  'https://app.example.com:8443',
  'http://[::1]:3000',
]

/** What a browser makes of `Location: origin + result`, and of the result as a link. */
function expectOnOurOrigin(result: string): void {
  expect(result).toMatch(/^\/(?![/\\])[\x21-\x7e]*$/)
  expect(result.length).toBeLessThanOrEqual(maxReturnToBytes)
  for (const origin of origins) {
    const location = new URL(origin + result)
    expect(location.origin).toBe(origin)
    expect([location.username, location.password]).toEqual(['', ''])
    expect(location.href).toBe(origin + result)
    // A page that gives it to its router, or to `location.assign`, from wherever it is.
    expect(new URL(result, `${origin}/deep/page?x`).href).toBe(origin + result)
  }
  const { pathname } = new URL(origins[0] + result)
  expect(isReserved(pathname)).toBe(false)
  // A router that decodes first.
  const decoded = decodeURIComponent(pathname)
  expect(new URL(decoded, origins[0]).origin).toBe(origins[0])
  expect(isReserved(decoded)).toBe(false)
  expect(parse(result), 'it means the same when it is read again').toBe(result)
}

describe('a return_to that leads elsewhere is refused', () => {
  it('the table is of hundreds', () => {
    expect(new Set(hostileReturnTos).size).toBeGreaterThan(500)
    expect(new Set(harmlessReturnTos).size).toBeGreaterThan(100)
  })

  it.each(shown(hostileReturnTos))('%s', (_shown, value) => {
    expect(() => parse(value)).toThrow(refused)
  })

  it('with nothing of it in the error', () => {
    try {
      parse('//secret.example/path')
    } catch (error) {
      expect(JSON.stringify({ ...(error as CoatcheckError), message: String(error) })).not.toContain('secret')
      return
    }
    expect.unreachable()
  })
})

describe('a return_to that only looks as if it led elsewhere stays on this origin, if it is taken', () => {
  it.each(shown(harmlessReturnTos))('%s', (_shown, value) => {
    const result = accepted(value)
    if (result === undefined) return expect(() => parse(value)).toThrow(refused)
    expectOnOurOrigin(result)
  })

  it('most of them are taken, so that the table tests something', () => {
    const taken = harmlessReturnTos.filter((value) => accepted(value) !== undefined)
    expect(taken.length).toBeGreaterThan(harmlessReturnTos.length / 2)
  })
})

describe('a return_to that is no page is refused', () => {
  it.each(shown(reservedReturnTos))('%s', (_shown, value) => {
    expect(() => parse(value)).toThrow(refused)
  })

  it.each([
    '/bffs',
    '/bff-x/login',
    '/my/bff/login',
    '/BFF/login',
    '/apis/x',
    '/api',
    '/exact/x',
    '/exactly',
    '/publicity',
  ])('%s is a page', (value) => {
    expect(parse(value)).toBe(value)
  })
})

describe('every single character', () => {
  const everyUnit = Array.from({ length: 0x10000 }, (_, code) => String.fromCharCode(code))

  it('at the front: only a slash begins a path', () => {
    const beginnings = everyUnit.filter((character) => accepted(`${character}evil.example`) !== undefined)
    expect(beginnings).toEqual(['/'])
  })

  it('after the first slash, with an authority after it: none leaves the origin', () => {
    for (const character of everyUnit) {
      for (const value of [`/${character}/evil.example`, `/${character}evil.example`]) {
        const result = accepted(value)
        if (result === undefined) continue
        // The whole of `expectOnOurOrigin` for each would take a minute.
        if (new URL(result, 'https://app.example.com').origin !== 'https://app.example.com') {
          expect.fail(JSON.stringify(value))
        }
      }
    }
  })

  it.each([
    ['C0 controls', 0x00, 0x1f],
    ['DEL and C1 controls', 0x7f, 0x9f],
    ['the backslash', 0x5c, 0x5c],
    ['line and paragraph separators', 0x2028, 0x2029],
    ['lone surrogates', 0xd800, 0xdfff],
  ])('%s are refused in path, query and fragment', (_what, first, last) => {
    for (let code = first; code <= last; code++) {
      const character = String.fromCharCode(code)
      for (const value of [`/a${character}b`, `/a?b${character}c`, `/a#b${character}`, `/a${character}`]) {
        expect(() => parse(value), JSON.stringify(value)).toThrow(refused)
      }
    }
  })

  it('controls and backslashes are refused in the path also as escapes, in both cases of hex', () => {
    for (const octet of [...Array(0x20).keys(), 0x5c, 0x7f]) {
      const hex = octet.toString(16).padStart(2, '0')
      for (const escaped of [`%${hex}`, `%${hex.toUpperCase()}`]) {
        expect(() => parse(`/${escaped}/x`), escaped).toThrow(refused)
        expect(() => parse(`/a${escaped}b`), escaped).toThrow(refused)
      }
    }
  })
})

describe('length', () => {
  it('may be a kilobyte, as it is written in the end', () => {
    expect(parse(`/${'a'.repeat(maxReturnToBytes - 1)}`)).toHaveLength(maxReturnToBytes)
    expect(() => parse(`/${'a'.repeat(maxReturnToBytes)}`)).toThrow(refused)
    expect(parse(`/${'é'.repeat(170)}`)).toHaveLength(1 + 170 * 6)
    expect(() => parse(`/${'é'.repeat(171)}`)).toThrow(refused)
    expect(() => parse(`/?${'a'.repeat(maxReturnToBytes - 1)}`)).toThrow(refused)
    expect(() => parse(`/#${'a'.repeat(maxReturnToBytes - 1)}`)).toThrow(refused)
  })

  it('is looked at before anything else: a megabyte costs nothing', () => {
    for (const value of [
      '/'.repeat(1e6),
      `/${'../'.repeat(3e5)}`,
      `/${'%2e%2e/'.repeat(1e5)}`,
      `/${'a'.repeat(1e6)}`,
    ]) {
      expect(() => parse(value)).toThrow(refused)
    }
  })

  it('is not shortened into range by normalization', () => {
    expect(() => parse(`/${'a/../'.repeat(300)}`)).toThrow(refused)
  })
})

describe('an honest return_to passes', () => {
  it.each([
    '/',
    '/orders',
    '/orders/',
    '/orders/7?tab=items',
    '/orders/7?tab=items#notes',
    '/#/hash/route',
    '/#',
    '/?',
    '/?q=a%20b&r=a+b',
    '/a?b?c',
    '/a?b=c=d&&e',
    '/search?q=%2F%2Fevil.example',
    '/search?url=https://example.com/a?b',
    '/search?next=//example.com',
    '/search?q=%5C%00%0A%FF',
    '/search#//example.com',
    '/a//b',
    '/a/b//',
    '/a%2Fb',
    '/a%20b',
    '/caf%C3%A9s',
    '/caf%c3%a9s',
    '/%E6%97%A5%E6%9C%AC/%F0%9F%98%80',
    '/~ada/@me/$1/a+b,c;d=e/!*()',
    "/it's",
    '/a|b[c]',
    '/a:b',
    '/...',
    '/.well-known/x',
    '/.hidden/..also/and..',
    '/index.html',
    '/a%25b',
    '/login?login_error=access_denied',
  ])('%s as it is', (value) => {
    expect(parse(value)).toBe(value)
    expectOnOurOrigin(value)
  })

  it.each([
    [undefined, '/'],
    ['/.', '/'],
    ['/..', '/'],
    ['/a/./b', '/a/b'],
    ['/a/../b', '/b'],
    ['/a/%2e%2e/b', '/b'],
    ['/../../b?c', '/b?c'],
    ['/a b?c d#e f', '/a%20b?c%20d#e%20f'],
    ['/cafés', '/caf%C3%A9s'],
    ['/日本?é=ü#ö', '/%E6%97%A5%E6%9C%AC?%C3%A9=%C3%BC#%C3%B6'],
    ['/😀', '/%F0%9F%98%80'],
    ['/<b>"x"</b>', '/%3Cb%3E%22x%22%3C/b%3E'],
    ["/?it's", '/?it%27s'],
  ])('%s as a browser writes it: %s', (value, written) => {
    expect(parse(value)).toBe(written)
    expectOnOurOrigin(written)
  })
})

describe('whatever it is made of', () => {
  /** What attacks on redirects are made of, and some honest text. */
  const piece = fc.constantFrom(
    ...[
      '/',
      '/',
      '/',
      '\\',
      '.',
      '..',
      '%2e',
      '%2E%2e',
      '%2f',
      '%2F',
      '%5c',
      '%5C',
      '%25',
      '%252f',
      '%00',
      '%09',
      '%0a',
    ],
    ...[
      '\t',
      '\n',
      '\r',
      '\0',
      ' ',
      '\u00a0',
      '\u0085',
      '\u2028',
      '\ufeff',
      '／',
      '＼',
      '．',
      '。',
      '\ud800',
      '%c0%af',
      '%',
    ],
    ...['@', ':', ':80', ';', '?', '#', '&', '|', '^', '[::1]', 'evil.example', 'https:', 'javascript:', 'é', '%C3%A9'],
    ...['bff', '%62ff', 'api', 'ap%69', 'exact', 'public', 'caf', 'a', 'orders', '7', '=', '+', '~'],
  )
  const assembled = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(''))
  const anything = fc.oneof(
    { weight: 6, arbitrary: assembled.map((text) => `/${text}`) },
    { weight: 1, arbitrary: assembled },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }).map((text) => `/${text}`) },
    { weight: 1, arbitrary: fc.webPath() },
  )

  it('what is accepted is a place of this origin that is no endpoint and no route, and is read again as itself', () => {
    let taken = 0
    fc.assert(
      fc.property(anything, (value) => {
        const result = accepted(value)
        if (result === undefined) return
        taken++
        expectOnOurOrigin(result)
      }),
      { numRuns: 5000 },
    )
    expect(taken, 'enough was accepted for this to say something').toBeGreaterThan(500)
  })

  it('what is accepted is where a browser on this origin would have gone', () => {
    fc.assert(
      fc.property(anything, (value) => {
        const result = accepted(value)
        if (result === undefined) return
        expect(new URL(value, 'https://app.example.com/').href).toBe(`https://app.example.com${result}`)
      }),
      { numRuns: 3000 },
    )
  })

  it('an address that a browser shows for a page of ours is accepted as it is', () => {
    const segment = fc.stringMatching(/^[A-Za-z0-9_~!$&'()*+,;=:@-]{1,12}$/)
    const text = fc.string({ unit: 'grapheme', maxLength: 10 }).map(encodeURIComponent)
    const page = fc
      .tuple(fc.array(segment, { maxLength: 5 }), fc.option(text), fc.option(text))
      .map(
        ([segments, query, hash]) => `/p/${segments.join('/')}${query ? `?q=${query}` : ''}${hash ? `#${hash}` : ''}`,
      )
    fc.assert(
      fc.property(page, (address) => {
        const { pathname, search, hash } = new URL(address, 'https://app.example.com')
        expect(parse(pathname + search + hash)).toBe(pathname + search + hash)
      }),
      { numRuns: 1000 },
    )
  })
})
