import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readQueryRules } from '../../src/config/message-rules.ts'
import type { Issues } from '../../src/config/read-object.ts'
import { CoatcheckError } from '../../src/errors.ts'
import { rewriteQuery } from '../../src/gateway/query.ts'

function rewritten(query: string, rules: unknown): string {
  const issues: Issues = []
  const read = readQueryRules(rules, 'query', issues)
  expect(issues).toEqual([])
  return rewriteQuery(query, read)
}

it('without rules a query stays as it came', () => {
  expect(rewritten('?a=1&&b;c=%2f&a', undefined)).toBe('?a=1&&b;c=%2f&a')
})

describe('parameters that are ours', () => {
  it.each([
    ['', '?tenant=acme'],
    ['?page=2', '?page=2&tenant=acme'],
    ['?tenant=other', '?tenant=acme'],
    ['?tenant=other&tenant=third&page=%C3%BC', '?page=%C3%BC&tenant=acme'],
    ['?%74enant=other', '?tenant=acme'],
    ['?TENANT=other', '?tenant=acme'],
    ['?tenant', '?tenant=acme'],
    ['?&&page=2&', '?page=2&tenant=acme'],
  ])('%j becomes %j', (query, expected) => {
    expect(rewritten(query, { set: { tenant: 'acme' } })).toBe(expected)
  })

  it('are escaped', () => {
    expect(rewritten('', { set: { filter: 'a b&c=d' } })).toBe('?filter=a+b%26c%3Dd')
  })
})

it('parameters that are taken out leave the others as they came', () => {
  expect(rewritten('?debug=1&page=%7e&Debug&d%65bug=x', { remove: ['debug'] })).toBe('?page=%7e')
  expect(rewritten('?debug=1', { remove: ['debug'] })).toBe('')
})

describe('a route that names its parameters', () => {
  const rules = { allow: ['page', 'sort by'], set: { tenant: 'acme' } }

  it('takes these', () => {
    expect(rewritten('?page=1&sort+by=name&sort%20by=date', rules)).toBe(
      '?page=1&sort+by=name&sort%20by=date&tenant=acme',
    )
  })

  it.each(['?admin=1', '?page=1&admin', '?Page=1', '?page=1;admin=1', '?page[]=1', '?=1', '?%ff=1', '?page%00=1'])(
    'refuses %s',
    (query) => {
      expect(() => rewritten(query, rules)).toThrow(CoatcheckError)
    },
  )

  it('lets nothing else through, whatever is asked', () => {
    const part = fc.oneof(
      fc.constantFrom('page', 'p%61ge', 'tenant', 'TENANT', '&', '=', ';', '+', '%3d', '%26'),
      fc.string(),
    )
    fc.assert(
      fc.property(fc.array(part), (parts) => {
        let result: string
        try {
          result = rewritten(`?${parts.join('')}`, rules)
        } catch (error) {
          expect(error).toMatchObject({ code: 'query_refused' })
          return
        }
        const seen = [...new URLSearchParams(result)]
        expect(seen.filter(([name]) => name !== 'page' && name !== 'sort by')).toEqual([['tenant', 'acme']])
      }),
      { numRuns: 2000 },
    )
  })
})
