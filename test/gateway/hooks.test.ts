/** What the operator's functions say of a call: fields for the upstream, and the claims that the page may see. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Hooks } from '../../src/config/user-config.ts'
import { type Attacked, attackedRoutes, startAttacked } from '../security/attacked.ts'

let hooks: Hooks
let served: Attacked

beforeAll(async () => {
  served = await startAttacked({
    routes: attackedRoutes.map((route) => ({ ...route, requestHeaders: ['x-region'] })),
    config: {
      hooks: {
        claims: (claims) => hooks.claims?.(claims) ?? { ...claims },
        onUpstreamRequest: (event) => hooks.onUpstreamRequest?.(event),
      },
    },
  })
})
afterAll(() => served.stop())
beforeEach(() => {
  hooks = {}
  served.upstream.reset()
  served.events.length = 0
})

const open = (headers: Record<string, string> = {}) => fetch(`${served.origin}/open/x`, { headers })
const fieldsOf = (name: string) =>
  served.upstream.requests().flatMap(({ fields }) => fields.filter(([other]) => other.toLowerCase() === name))

describe('onUpstreamRequest', () => {
  it('is told what call it is, and whose', async () => {
    const events: unknown[] = []
    hooks.onUpstreamRequest = (event) => void events.push(event)
    await served.call(await served.signedIn(), '/api/orders?page=2', { method: 'DELETE' })
    await open()
    expect(events).toEqual([
      {
        ...{ route: '/api/*', method: 'DELETE', target: '/v1/orders?page=2' },
        claims: expect.objectContaining({ sub: expect.any(String) }),
      },
      { route: '/open/*', method: 'GET', target: '/open/x', claims: undefined },
    ])
  })

  it('gets claims of its own: what it does to them no later call sees', async () => {
    const subjects: unknown[] = []
    hooks.onUpstreamRequest = ({ claims }) => {
      subjects.push(claims?.sub)
      Object.assign(claims ?? {}, { sub: 'grace' })
      return {}
    }
    const browser = await served.signedIn()
    for (let count = 0; count < 2; count++) expect((await served.call(browser, '/api/orders')).status).toBe(200)
    expect(subjects[0]).not.toBe('grace')
    expect(subjects[1]).toBe(subjects[0])
  })

  it('gives fields that reach the upstream, whatever the case of their names', async () => {
    hooks.onUpstreamRequest = () => ({ 'X-Region': 'north', 'x-plan': 'large' })
    expect((await open()).status).toBe(200)
    expect(fieldsOf('x-region')).toEqual([['x-region', 'north']])
    expect(fieldsOf('x-plan')).toEqual([['x-plan', 'large']])
  })

  it('wins over the browser’s own field of that name', async () => {
    await open({ 'x-region': 'south' })
    expect(fieldsOf('x-region')).toEqual([['x-region', 'south']])
    served.upstream.reset()
    hooks.onUpstreamRequest = () => ({ 'X-Region': 'north' })
    await open({ 'x-region': 'south' })
    expect(fieldsOf('x-region')).toEqual([['x-region', 'north']])
  })

  it.each<[string, Record<string, unknown>]>([
    ['a credential', { authorization: 'Bearer other' }],
    ['the same in capitals', { Authorization: 'Bearer other' }],
    ['who the client is', { 'x-forwarded-for': '10.0.0.1' }],
    ['who the caller is', { 'x-user': 'ada' }],
    ['the framing', { 'transfer-encoding': 'chunked' }],
    ['a name that is read as another', { x_forwarded_for: '10.0.0.1' }],
    ['no name', { 'x-region: north\r\nx-plan': 'large' }],
    ['two lines', { 'x-region': 'north\r\nx-plan: large' }],
    ['a NUL', { 'x-region': 'north\0' }],
    ['more than a byte a character', { 'x-region': 'nörd😀' }],
  ])('that gives %s is 500, and the upstream is not troubled', async (_what, fields) => {
    hooks.onUpstreamRequest = () => fields as Record<string, string>
    const answer = await open()
    expect(answer.status).toBe(500)
    expect(await answer.json()).toMatchObject({ code: 'internal_error' })
    expect(served.upstream.bytes()).toBe('')
    expect(served.events).toMatchObject([
      { event: 'request_failed', cause: { message: expect.stringContaining('hooks.onUpstreamRequest may not set') } },
    ])
  })

  it('that gives a promise is 500, and the upstream is not troubled', async () => {
    hooks.onUpstreamRequest = () => Promise.resolve({ 'x-region': 'north' }) as never
    expect((await open()).status).toBe(500)
    expect(served.upstream.bytes()).toBe('')
  })
})

describe('claims', () => {
  const session = async () => (await served.call(await served.signedIn(), '/bff/session')).json()

  it('takes those of the list, and decides what the page sees', async () => {
    let given: unknown
    hooks.claims = (claims) => {
      given = { ...claims }
      return { greeting: `Hello, ${claims.name}` }
    }
    expect(await session()).toMatchObject({ authenticated: true, claims: { greeting: 'Hello, Ada Lovelace' } })
    expect(given).toMatchObject({ sub: expect.any(String), name: 'Ada Lovelace' })
    expect(given).not.toHaveProperty('iss')
    expect(given).not.toHaveProperty('nonce')
  })

  it('leaves nothing that it does not give', async () => {
    hooks.claims = () => ({ plan: 'large' })
    expect((await session()) as { claims: unknown }).toHaveProperty('claims', { plan: 'large' })
  })
})
