/** One thing after the other that a route can ask for and that no other route of a test does. */
import { parse } from 'ipaddr.js'
import type { Demands } from '../../src/config/demands.ts'
import type { Route } from '../../src/config/types.ts'

const noFieldRules = { set: [], add: [], remove: new Set<string>() }
const limit = { name: '/w/admin/* address 60', per: 'address', requests: 2, windowSeconds: 60 } as const

/** Every demand there is: the type asks for a new one. */
const oneOfEach: { readonly [Name in keyof Demands]: readonly Demands[Name][] } = {
  auth: ['phantom'],
  listener: ['internal'],
  kinds: [new Set(['fetch', 'download'])],
  scopes: [['admin']],
  audience: ['https://admin.internal'],
  upstreamToken: [{ from: 'introspection' }],
  requestHeaders: [new Set(['x-tenant'])],
  redirectHosts: [new Set(['files.example.com'])],
  allowEncodedSlash: [true],
  allowSemicolon: [true],
  content: ['page'],
  cache: ['private'],
  forwardAuth: [true],
  bodyLimitBytes: [10],
  earlyHints: [true],
  trailers: [new Set(['server-timing'])],
  timeoutMs: [10],
  headers: (['set', 'add'] as const)
    .map((rule) => ({ ...noFieldRules, [rule]: [['x-mode', 'strict']] as const }))
    .concat({ ...noFieldRules, remove: new Set(['x-mode']) })
    .flatMap<Demands['headers']>((rules) => [
      { request: rules, response: { ...noFieldRules, allow: undefined } },
      { request: noFieldRules, response: { ...rules, allow: undefined } },
    ])
    .concat({ request: noFieldRules, response: { ...noFieldRules, allow: new Set(['x-total']) } }),
  query: [{ allow: new Set(['page']), remove: new Set(), set: '' }],
  contentTypes: [new Set(['application/json'])],
  addresses: [
    { allow: [[parse('10.0.0.0'), 8]], deny: [] },
    { allow: undefined, deny: [[parse('10.0.0.0'), 8]] },
  ],
  rateLimits: [
    { byAddress: [limit], byCaller: [] },
    { byAddress: [], byCaller: [{ ...limit, per: 'session' }] },
  ],
}

/** A change of a route for each. */
export const demands: readonly (readonly [string, Partial<Route>])[] = Object.entries(oneOfEach).flatMap(
  ([name, values]) => values.map((value) => [name, { [name]: value }] as const),
)
