import express from 'express'
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

describe('a parameter that is taken out or set', () => {
  const rules = { remove: ['debug', 'is_admin'], set: { tenant: 'acme' } }

  it.each([
    ...['debug', 'debug[]', 'debug%5B%5D', '+debug', '%20debug', 'debug+', 'debug%09', '[debug]', 'debug[a][b]'],
    ...['debug.x', 'Debug[]', 'debug+[x]', 'debug[', 'debug]', '[[debug', 'tenant[x]', 'tenant%20', 'tenant%5bx%5d'],
    ...['is_admin', 'is.admin', 'is+admin', 'is[admin', 'is%5Badmin', 'IS.ADMIN[]', '+is.admin'],
  ])('is known when it is written as %s', (name) => {
    expect(rewritten(`?a=1&${name}=x&${name}`, rules)).toBe('?a=1&tenant=acme')
  })

  it.each(['debugger', 'xdebug', 'x[debug]', 'x.debug', 'deb-ug', 'isadmin', 'is', 'filter[a]', 'admin', 'de[bug]'])(
    'is not %s',
    (name) => {
      expect(rewritten(`?${name}=x`, rules)).toBe(`?${name}=x&tenant=acme`)
    },
  )

  it.each(['debug%00', 'debug%00x', '%00debug', 'x%00'])('has no NUL in its name: %s', (name) => {
    expect(() => rewritten(`?${name}=x`, rules)).toThrow(CoatcheckError)
  })

  const ofExpress = express().set('query parser', 'extended').get('query parser fn') as (query: string) => object
  /** What servers make of a query: names at the top. */
  const servers: Readonly<Record<string, (query: string) => string[]>> = {
    'by the URL standard': (query) => [...new URLSearchParams(query).keys()],
    'by the URL standard, trimmed and without case': (query) =>
      [...new URLSearchParams(query).keys()].map((name) => name.trim().toLowerCase()),
    'with qs, as Express does': (query) => Object.keys(ofExpress(query)),
    'as PHP does': (query) => [...new URLSearchParams(query).keys()].map(phpName),
  }

  it.each(Object.entries(servers))(
    'is never seen by a server that reads %s, however it is written',
    (_server, read) => {
      const part = fc.constantFrom(
        ...['debug', 'DEBUG', 'd%65bug', 'tenant', 'is', 'admin', '_', '.', '+', '%20', '%09', '[', ']', '%5B', '%5d'],
        ...['[]', '&', '=', '%00', 'x', '%26', '%3d'],
      )
      let count = 0
      fc.assert(
        fc.property(fc.array(part, { minLength: 1, maxLength: 8 }), (parts) => {
          let result: string
          try {
            result = rewritten(`?${parts.join('')}`, rules)
          } catch (error) {
            expect(error).toMatchObject({ code: 'query_refused' })
            return
          }
          count++
          const names = read(result.slice(1))
          expect(names.filter((name) => ['debug', 'is_admin'].includes(name.toLowerCase()))).toEqual([])
          expect(names.filter((name) => name === 'tenant')).toHaveLength(1)
        }),
        { numRuns: 4000 },
      )
      expect(count).toBeGreaterThan(1000)
    },
  )
})

/** As `php_register_variable_ex` reads it: spaces before it go, dots, spaces and a bracket that stays open become `_`. */
function phpName(name: string): string {
  const text = name.replace(/^ +/, '').split('\0', 1)[0] ?? ''
  const bracket = text.indexOf('[')
  const isArray = bracket > 0 && text.includes(']', bracket)
  const root = isArray ? text.slice(0, bracket) : text
  return root.replaceAll(/[ .[]/g, '_')
}

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
