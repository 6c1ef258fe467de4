/** What a route changes of the messages that pass: header fields, the query, the types of bodies. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { UserAgent } from '../support/browser.ts'
import { type System, startSystem } from '../support/system.ts'

let system: System
let browser: UserAgent

beforeAll(async () => {
  system = await startSystem({
    routes: [
      {
        path: '/api/*',
        upstream: '/v1',
        auth: 'session',
        methods: ['GET', 'POST'],
        headers: {
          request: {
            set: { 'X-Api-Version': '2', Accept: 'application/json' },
            add: { Prefer: 'return=minimal' },
            remove: ['accept-language'],
          },
          response: { set: { 'X-Served-By': 'orders' }, add: { Link: '</terms>; rel="terms"' }, remove: ['x-debug'] },
        },
        query: { set: { tenant: 'acme' }, remove: ['debug'] },
        contentTypes: ['application/json', 'image/*'],
      },
      {
        ...{ path: '/few/*', upstream: '/few', auth: 'session' },
        headers: { response: { allow: ['X-Total'], set: { 'X-Served-By': 'orders' } } },
      },
    ],
  })
  browser = await system.signedIn()
})
afterAll(() => system.stop())

const post = (type: string | undefined, body: string) =>
  system.call(browser, '/api/x', { method: 'POST', body, headers: type === undefined ? {} : { 'Content-Type': type } })

it('request fields are set over those of the browser, added beside them, and taken out', async () => {
  const headers = { 'X-Api-Version': '99', Accept: 'text/html', 'Accept-Language': 'de', Prefer: 'wait=5' }
  await system.call(browser, '/api/fields', { headers })
  const seen = system.upstream.requests.at(-1)
  expect(seen?.headers['x-api-version']).toBe('2')
  expect(seen?.headers.accept).toBe('application/json')
  expect(seen?.headers['accept-language']).toBeUndefined()
  expect(seen?.headers.prefer).toBe('wait=5, return=minimal')
  expect(seen?.headers.authorization).toMatch(/^Bearer ./)
})

it('response fields are changed before the rules for every route hold', async () => {
  system.upstream.on('/v1/served', (_request, response) => {
    response.writeHead(200, {
      'X-Debug': 'stack',
      'X-Served-By': 'node-7',
      'Set-Cookie': 'a=b',
      Link: '</2>; rel="next"',
    })
    response.end()
  })
  const answer = await system.call(browser, '/api/served')
  expect(answer.headers.get('x-served-by')).toBe('orders')
  expect(answer.headers.get('x-debug')).toBeNull()
  expect(answer.headers.get('set-cookie') ?? '').not.toContain('a=b')
  expect(answer.headers.get('link')).toBe('</2>; rel="next", </terms>; rel="terms"')
})

it('where a route names the response fields that pass, others do not, and Connection of the API undoes nothing', async () => {
  system.upstream.on('/few/x', (_request, response) => {
    response.writeHead(200, {
      Connection: 'x-served-by',
      'Content-Type': 'application/json',
      ETag: '"1"',
      'X-Total': '7',
      'X-Debug': 'stack',
      'X-Served-By': 'node-7',
    })
    response.end('{}')
  })
  const { headers } = await system.call(browser, '/few/x')
  const names = ['content-type', 'etag', 'x-total', 'x-served-by', 'x-debug', 'x-content-type-options']
  expect(names.map((name) => headers.get(name))).toEqual(['application/json', '"1"', '7', 'orders', null, 'nosniff'])
})

it('the query gets what is ours, and loses what is not to pass', async () => {
  await system.call(browser, '/api/query?page=2&tenant=other&debug=1')
  expect(system.upstream.requests.at(-1)?.target).toBe('/v1/query?page=2&tenant=acme')
})

describe('a body', () => {
  it.each(['application/json', 'Application/JSON; charset=utf-8', 'image/png'])('of %s passes', async (type) => {
    expect((await post(type, '{}')).status).toBe(200)
  })

  it.each(['text/html', 'application/xml', 'application/json, text/html', 'image', '', undefined])(
    'of %j is refused before the upstream hears of it',
    async (type) => {
      const before = system.upstream.requests.length
      const answer = await post(type, '<x/>')
      expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([415, 'unsupported_media_type'])
      expect(system.upstream.requests.length).toBe(before)
    },
  )
})
