/** What the operator's functions say of a call: fields for the upstream, and the claims that the page may see. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Hooks } from '../../src/config/user-config.ts'
import { CoatcheckError } from '../../src/errors.ts'
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
/** What the log has of a call that failed for its hook. */
const failed = (more: Record<string, string>) => ({
  ...{ event: 'request_failed', code: 'internal_error', route: '/open/*', upstream: served.upstream.origin },
  ...more,
})
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

  const noName = 'gave a name that is no field name of letters, digits and hyphens'
  it.each<[string, unknown, string]>([
    ['a credential', { authorization: 'Bearer other' }, 'may not set authorization'],
    ['the same in capitals', { Authorization: 'Bearer other' }, 'may not set authorization'],
    ['who the client is', { 'x-forwarded-for': '10.0.0.1' }, 'may not set x-forwarded-for'],
    ['who the caller is', { 'x-user': 'ada' }, 'may not set x-user'],
    ['the framing', { 'transfer-encoding': 'chunked' }, 'may not set transfer-encoding'],
    ['a name that is read as another', { x_forwarded_for: '10.0.0.1' }, noName],
    ['no name', { 'x-region: north\r\nx-plan': 'large' }, noName],
    ['a long name', { [`x-auth-${'a'.repeat(1000)}`]: '1' }, `may not set x-auth-${'a'.repeat(57)}…`],
    ['two lines', { 'x-region': 'north\r\nx-plan: large' }, 'gave x-region what no field value may hold'],
    ['a NUL', { 'x-region': 'north\0' }, 'gave x-region what no field value may hold'],
    ['more than a byte a character', { 'x-region': 'nörd😀' }, 'gave x-region what no field value may hold'],
    ['a number', { 'x-region': 7 }, 'gave x-region no string'],
    ['nothing for a name', { 'x-region': undefined }, 'gave x-region no string'],
    ['no object', 'x-region', 'gave no object of fields'],
    ['null', null, 'gave no object of fields'],
  ])('that gives %s is 500 and in the log, and the upstream is not troubled', async (_what, fields, said) => {
    hooks.onUpstreamRequest = () => fields as Record<string, string>
    const answer = await open()
    expect(answer.status).toBe(500)
    expect(await answer.json()).toMatchObject({ code: 'internal_error' })
    expect(served.upstream.bytes()).toBe('')
    expect(served.lines().map((line) => JSON.parse(line))).toEqual([
      failed({ reason: `hooks.onUpstreamRequest ${said}` }),
    ])
  })

  it('that gives a promise is 500, and the upstream is not troubled', async () => {
    hooks.onUpstreamRequest = () => Promise.resolve({ 'x-region': 'north' }) as never
    expect((await open()).status).toBe(500)
    expect(served.upstream.bytes()).toBe('')
    const reason = 'hooks.onUpstreamRequest gave a promise, and nobody waits for it'
    expect(served.lines().map((line) => JSON.parse(line))).toEqual([failed({ reason })])
  })

  it('that throws is 500 and in the log, with what it threw by its name alone (SEC-8)', async () => {
    hooks.onUpstreamRequest = ({ target }) => {
      throw new RangeError(`no region for ${target}`, { cause: Object.assign(new Error(target), { code: 'ENOENT' }) })
    }
    expect((await open()).status).toBe(500)
    expect(served.upstream.bytes()).toBe('')
    expect(served.lines().map((line) => JSON.parse(line))).toEqual([
      failed({ reason: 'hooks.onUpstreamRequest threw', cause: 'RangeError < Error ENOENT' }),
    ])
  })

  it('that throws a problem answers with it: it may refuse a call', async () => {
    hooks.onUpstreamRequest = () => {
      throw new CoatcheckError('insufficient_scope')
    }
    const answer = await open()
    expect([answer.status, (await answer.json()).code]).toEqual([403, 'insufficient_scope'])
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

  it('that throws refuses the sign-in and is in the log, with what it threw by its name alone (SEC-8)', async () => {
    hooks.claims = ({ name }) => {
      throw new TypeError(`no plan for ${name}`)
    }
    expect(await session()).toEqual({ authenticated: false })
    expect(served.lines().map((line) => JSON.parse(line))).toContainEqual({
      ...{ event: 'request_failed', code: 'internal_error', reason: 'hooks.claims threw', cause: 'TypeError' },
    })
  })

  it('leaves nothing that it does not give', async () => {
    hooks.claims = () => ({ plan: 'large' })
    expect((await session()) as { claims: unknown }).toHaveProperty('claims', { plan: 'large' })
  })
})
