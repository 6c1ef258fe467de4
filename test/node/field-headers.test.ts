import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FieldHeaders } from '../../src/node/field-headers.ts'

const name = fc.constantFrom(
  'X-One',
  'x-one',
  'x-two',
  'Set-Cookie',
  'set-cookie',
  'Vary',
  '',
  'x y',
  'x\n',
  '\u212A',
  'ä',
)
const value = fc.constantFrom('a', 'b, c', '', ' spaces around\t', '\r\nlines\n', 'é', 'two\r\nx-other: lines', '€')

type Step = readonly [kind: 'append' | 'set' | 'delete' | 'get' | 'has', name: string, value: string]
const step = fc.tuple(fc.constantFrom('append', 'set', 'delete', 'get', 'has'), name, value)

/** What it gives, or that it throws. */
function take(headers: Headers, [kind, name, value]: Step): unknown {
  try {
    return kind === 'append' || kind === 'set' ? headers[kind](name, value) : headers[kind](name)
  } catch (error) {
    return (error as Error).name
  }
}

function stateOf(headers: Headers) {
  const called: unknown[] = []
  headers.forEach((value, name, given) => {
    called.push([name, value, given === headers])
  })
  return {
    called,
    entries: [...headers.entries()],
    iterated: [...headers],
    keys: [...headers.keys()],
    values: [...headers.values()],
    cookies: headers.getSetCookie(),
  }
}

describe('fields as Headers', () => {
  test('are what Headers of the same fields are, whatever is done to them', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        const begun: [string, string][] = [
          ['content-type', 'text/plain'],
          ['set-cookie', 'one=1'],
          ['vary', 'origin'],
          ['vary', 'accept'],
        ]
        const theirs = new Headers(begun)
        const ours = new FieldHeaders(begun)
        for (const one of steps) expect(take(ours, one)).toEqual(take(theirs, one))
        expect(stateOf(ours)).toEqual(stateOf(theirs))
      }),
    )
  })

  test('go out one by one, in their order', () => {
    const headers = new FieldHeaders([
      ['x-two', '2'],
      ['vary', 'origin'],
      ['vary', 'accept'],
    ])
    headers.set('x-two', 'second')
    headers.append('X-One', '1')
    expect(headers.fields).toEqual([
      ['x-two', 'second'],
      ['vary', 'origin'],
      ['vary', 'accept'],
      ['x-one', '1'],
    ])
  })

  test('are taken for Headers by whoever gets them', async () => {
    const headers = new FieldHeaders([
      ['content-type', 'text/plain'],
      ['set-cookie', 'one=1'],
      ['set-cookie', 'two=2'],
    ])
    expect(headers).toBeInstanceOf(Headers)
    expect(Object.prototype.toString.call(headers)).toBe('[object Headers]')
    for (const copy of [new Headers(headers), new Response('', { headers }).headers]) {
      expect([...copy]).toEqual([...headers])
    }
    expect(inspect(headers)).toContain(`[ 'set-cookie', 'two=2' ]`)
  })

  test('make a text of whatever they are given, once', () => {
    const headers = new FieldHeaders([['null', 'nothing']])
    const theirs = new Headers([['null', 'nothing']])
    for (const name of [null, undefined, 5] as unknown as string[]) {
      expect(headers.get(name)).toBe(theirs.get(name))
      expect(headers.has(name)).toBe(theirs.has(name))
    }
    let asked = 0
    const name = { toString: () => (asked++ === 0 ? 'x-one' : 'x-two\r\nset-cookie: b') } as unknown as string
    headers.set(name, 'value')
    expect(headers.fields.at(-1)).toEqual(['x-one', 'value'])
  })

  test('hold no second line, and do not say what the value was', () => {
    const headers = new FieldHeaders([])
    for (const value of ['a\r\nset-cookie: b', 'a\nb', 'a\rb', 'a\0b', 'a\x01b', 'a\x7fb']) {
      expect(() => headers.set('x-one', value)).toThrow(/^a header field cannot hold/)
      expect(() => headers.append('x-one', value)).toThrow(TypeError)
    }
    expect(headers.fields).toEqual([])
  })
})
