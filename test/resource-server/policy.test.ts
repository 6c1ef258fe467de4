import { describe, expect, it } from 'vitest'
import {
  type Access,
  allow,
  anyCaller,
  GuardError,
  guarded,
  guardedObject,
  jwtGuard,
  openToEveryone,
  ownerOf,
  requireAuthentication,
  requireClaims,
  requireScopes,
} from '../../src/resource-server/index.ts'
import { guardedApi } from './guarded-api.ts'
import { audience, requestWith, seconds, startIssuer } from './issuer.ts'

const { issuer, refusals, guard, answer } = await guardedApi()

describe('policies', () => {
  it('all have to hold', async () => {
    const policies = [
      requireScopes('orders:read'),
      requireClaims('tenant', ({ tenant }) => tenant === 'north'),
    ] as const
    const handler = guarded(guard(), policies, () => new Response('in'))
    expect((await handler(requestWith(await issuer.sign({ tenant: 'north' })))).status).toBe(200)
    expect((await handler(requestWith(await issuer.sign({ tenant: 'south' })))).status).toBe(403)
    expect((await handler(requestWith(await issuer.sign({ tenant: 'north', scope: 'x' })))).status).toBe(403)
  })

  it('a claim is typed, and its rule may take time', async () => {
    interface Staff {
      roles?: string[]
    }
    const isRoaster = requireClaims<Staff>('roaster', async (claims) => claims.roles?.includes('roaster') === true)
    const staff = jwtGuard<Staff>({ issuer: issuer.url, audience })
    const access = await staff.check(requestWith(await issuer.sign({ roles: ['roaster'] })), isRoaster)
    expect(access.claims.roles).toEqual(['roaster'])
    const refused = staff.check(requestWith(await issuer.sign({ roles: ['clerk'] })), isRoaster)
    await expect(refused).rejects.toMatchObject({ code: 'forbidden', reason: 'roaster' })
  })

  it.each<[string, unknown]>([
    ['a promise of false', Promise.resolve(false)],
    ['a number', 1],
    ['a word', 'yes'],
    ['nothing', undefined],
  ])('a rule that gives %s has not said yes', async (_, value) => {
    const policy = requireClaims('unsure', () => value as boolean)
    expect((await answer(requestWith(await issuer.sign()), policy)).status).toBe(403)
  })

  it.each<[string, unknown, number]>([
    ['nothing', undefined, 200],
    ['true', true, 200],
    ['a promise of nothing', Promise.resolve(), 200],
    ['a promise of true', Promise.resolve(true), 200],
    ['false', false, 403],
    ['a promise of false', Promise.resolve(false), 403],
    ['null', null, 403],
    ['zero', 0, 403],
    ['a word', 'yes', 403],
    ['an object', { allowed: true }, 403],
    ['a refusal that it forgot to throw', new GuardError('forbidden', { reason: 'x' }), 403],
  ])('a policy of one’s own that gives %s', async (_, value, status) => {
    const policy = { name: 'own', check: () => value as boolean }
    expect((await answer(requestWith(await issuer.sign()), policy)).status).toBe(status)
    expect(refusals.map(({ code, reason }) => `${code} ${reason}`)).toEqual(status === 200 ? [] : ['forbidden own'])
  })

  it('a rule that fails lets nobody in, and is no refusal', async () => {
    const policy = requireClaims('broken', () => {
      throw new TypeError('x of undefined')
    })
    await expect(answer(requestWith(await issuer.sign()), policy)).rejects.toThrow('x of undefined')
  })

  it.each<[string, unknown, string[]]>([
    ['names with spaces between', 'a b', ['a', 'b']],
    ['one more space', 'a  b ', ['a', 'b']],
    ['a list, which is no scope', ['a', 'b'], []],
    ['a number', 7, []],
  ])('scopes are %s', async (_, scope, expected) => {
    const access = await guard().check(requestWith(await issuer.sign({ scope })), anyCaller())
    expect([...access.scopes]).toEqual(expected)
  })

  it('a scope is the whole name', async () => {
    const token = await issuer.sign({ scope: 'orders:read:all xorders:read ORDERS:READ' })
    expect((await answer(requestWith(token), requireScopes('orders:read'))).status).toBe(403)
  })

  it('that a scope is missing names it, in the challenge and in the problem (RFC 6750 §3.1, RFC 9457 §3.2)', async () => {
    const token = await issuer.sign({ scope: 'orders:read' })
    const refused = await answer(requestWith(token), requireScopes('orders:read', 'orders:write'))
    expect([refused.status, refused.body.scope]).toEqual([403, 'orders:read orders:write'])
    expect(refused.challenge).toContain('scope="orders:read orders:write"')
  })

  it('that another token would not mend has no such member', async () => {
    const policy = {
      name: 'own',
      check() {
        throw new GuardError('forbidden', { reason: 'own', scope: ['x'], maxAge: 1 })
      },
    }
    const { body } = await answer(requestWith(await issuer.sign()), policy)
    expect(Object.keys(body).sort()).toEqual(['code', 'status', 'title', 'type'])
  })

  it('at least one is named, or there is no handler and no check', async () => {
    expect(() => guarded(guard(), [] as never, () => new Response())).toThrow(/anyCaller/)
    const unchecked = (guard().check as (request: Request) => Promise<unknown>)(requestWith(await issuer.sign()))
    await expect(unchecked).rejects.toMatchObject({ code: 'forbidden', reason: 'policy_missing' })
  })

  it.each<[string, () => unknown]>([
    ['a scope with a space', () => requireScopes('orders:read orders:write')],
    ['an empty scope', () => requireScopes('')],
    ['no scope', () => (requireScopes as () => unknown)()],
    ['a list of scopes', () => requireScopes(['orders:read', 'orders:write'] as never)],
    ['a scope that is not set', () => requireScopes(undefined as never)],
    ['an empty acr', () => requireAuthentication({ acr: '' })],
    ['an acr that is not set', () => requireAuthentication({ acr: [undefined as never] })],
    ['two acr in one', () => requireAuthentication({ acr: 'mfa phr' })],
    ['a quote', () => requireScopes('a"b')],
    ['an authentication of nothing', () => requireAuthentication({})],
    ['no acr', () => requireAuthentication({ acr: [] })],
    ['half a second', () => requireAuthentication({ maxAge: 0.5 })],
    ['an open route without a reason', () => openToEveryone(' ')],
    [
      'an open route beside another policy',
      () => guarded(guard(), [openToEveryone('why'), anyCaller()] as never, () => new Response()),
    ],
    ['options of a guard: no function', () => guard({ onRefused: true as never })],
    ['options of a guard: no URL', () => guard({ resourceMetadata: '/.well-known/oauth-protected-resource' })],
  ])('%s is a mistake at start', (_, make) => {
    expect(make).toThrow(TypeError)
  })

  it.each<[string, unknown]>([
    ['a word', 'orders:read'],
    ['nothing', undefined],
    ['a function', () => true],
    ['what was not called', anyCaller],
  ])('what is no policy, as %s, is a mistake at start that says so', (_, policy) => {
    expect(() => allow(policy as never)).toThrow(/^Policy 1 is none: write requireScopes/)
    expect(() => guarded(guard(), [anyCaller(), policy] as never, () => new Response())).toThrow(/^Policy 2 is none/)
    expect(() => guarded(guard(), policy as never, () => new Response())).toThrow(/^Policies are a list/)
  })

  it('a policy of one’s own is asked, whatever other members it has', async () => {
    for (const open of ['from eight to five', 8, false, undefined]) {
      const hours = { name: 'office hours', open, check: () => false }
      const handler = guarded(guard(), [hours as never], () => new Response('open'))
      expect((await handler(requestWith(await issuer.sign()))).status).toBe(403)
      expect((await handler(requestWith('nonsense'))).status).toBe(401)
    }
  })

  it('an open route looks at no token', async () => {
    const handler = guarded(guard(), [openToEveryone('prices')], (_request, access) => Response.json({ access }))
    expect((await handler(requestWith('nonsense'))).status).toBe(200)
    expect(refusals).toEqual([])
  })
})

describe('step-up (RFC 9470)', () => {
  const policy = requireAuthentication({ acr: ['phr', 'phrh'], maxAge: 300 })

  it('lets in who signed in strongly and recently', async () => {
    const claims = { acr: 'phrh', auth_time: seconds() - 200 }
    expect((await answer(requestWith(await issuer.sign(claims)), policy)).status).toBe(200)
  })

  it.each<[string, Record<string, unknown>]>([
    ['not strongly', { acr: 'pwd', auth_time: seconds() - 10 }],
    ['long ago', { acr: 'phr', auth_time: seconds() - 4000 }],
    ['nobody knows how', { auth_time: seconds() - 10 }],
    ['nobody knows when', { acr: 'phr' }],
    ['with several acr', { acr: ['phr'], auth_time: seconds() - 10 }],
    ['at a time that is text', { acr: 'phr', auth_time: String(seconds()) }],
    ['tomorrow', { acr: 'phr', auth_time: seconds() + 86_400 }],
  ])('challenges who signed in %s', async (_, claims) => {
    expect(await answer(requestWith(await issuer.sign(claims)), policy)).toMatchObject({
      status: 401,
      challenge:
        'Bearer realm="api", error="insufficient_user_authentication", error_description="A stronger or more recent ' +
        'sign-in is needed", acr_values="phr phrh", max_age="300"',
    })
  })

  it('says so in the problem, too: a page behind a gateway gets no challenge (RFC 9457 §3.2)', async () => {
    expect((await answer(requestWith(await issuer.sign()), policy)).body).toEqual({
      type: 'urn:coatcheck:problem:insufficient_user_authentication',
      title: 'A stronger or more recent sign-in is needed',
      status: 401,
      code: 'insufficient_user_authentication',
      acr_values: 'phr phrh',
      max_age: 300,
    })
  })

  it('asks for what the route asks for, no more', async () => {
    const token = await issuer.sign({ acr: 'pwd', auth_time: seconds() })
    const stronger = await answer(requestWith(token), requireAuthentication({ acr: 'phr' }))
    expect(stronger.challenge).not.toContain('max_age')
    expect([stronger.body.acr_values, 'max_age' in stronger.body]).toEqual(['phr', false])
    expect((await answer(requestWith(token), requireAuthentication({ maxAge: 60 }))).status).toBe(200)
    const old = await issuer.sign({ auth_time: seconds() - 61 })
    const sooner = await answer(requestWith(old), requireAuthentication({ maxAge: 60 }))
    expect(sooner.challenge).not.toContain('acr')
    expect([sooner.body.max_age, 'acr_values' in sooner.body]).toEqual([60, false])
  })
})

describe('objects', () => {
  interface Order {
    readonly id: string
    readonly placedBy?: unknown
  }
  const orders = new Map<string, Order>([
    ['1', { id: '1', placedBy: 'ada' }],
    ['2', { id: '2', placedBy: 'grace' }],
    ['3', { id: '3' }],
    ['4', { id: '4', placedBy: ['ada'] }],
  ])
  const orderFor = guardedObject((id: string) => orders.get(id), ownerOf<Order>('placedBy'))
  const show = () =>
    guarded(guard(), [requireScopes('orders:read')], async (request, access) =>
      Response.json(await orderFor(access, new URL(request.url).pathname.split('/').at(-1) ?? '')),
    )
  const get = async (id: string, token: string) => show()(requestWith(token, { url: `${audience}/orders/${id}` }))

  it('are their owner’s', async () => {
    expect(await (await get('1', await issuer.sign())).json()).toEqual({ id: '1', placedBy: 'ada' })
  })

  it('of somebody else, of nobody, and that are not there, are the same 404', async () => {
    const token = await issuer.sign()
    const answers = await Promise.all(
      ['2', '3', '4', '9'].map(async (id) => {
        const response = await get(id, token)
        return [response.status, await response.text()]
      }),
    )
    expect(new Set(answers.map(String)).size).toBe(1)
    expect(answers[0]?.[0]).toBe(404)
    // A log can tell, for who tries ids.
    expect(refusals.map(({ reason }) => reason).sort()).toEqual([
      'object_absent',
      ...Array.from({ length: 3 }, () => 'object_refused'),
    ])
    expect(refusals[0]).toMatchObject({ code: 'not_found', sub: 'ada' })
  })

  it('may be owned by another claim, and two that are missing are no match', async () => {
    const byTenant = guardedObject(
      async () => ({ tenant: undefined as string | undefined }),
      ownerOf<{ tenant: string | undefined }>('tenant', { claim: 'tenant' }),
    )
    const access = await guard().check(requestWith(await issuer.sign()), anyCaller())
    await expect(byTenant(access, '1')).rejects.toBeInstanceOf(GuardError)
  })

  it('of one issuer’s ada are not another’s', async () => {
    const partner = await startIssuer()
    const both = jwtGuard({ issuers: [issuer.url, partner.url], audience })
    const load = () => ({ placedBy: 'ada', placedAt: issuer.url })
    const [own, theirs] = await Promise.all(
      [issuer, partner].map(async (of) => both.check(requestWith(await of.sign()), anyCaller())),
    )
    const withIssuer = guardedObject(load, ownerOf('placedBy', { issuer: 'placedAt' }))
    await expect(withIssuer(own as Access, '1')).resolves.toBeDefined()
    await expect(withIssuer(theirs as Access, '1')).rejects.toMatchObject({ code: 'not_found' })
    // By the name alone nobody can tell, so it is nobody's.
    for (const access of [own, theirs]) {
      await expect(guardedObject(load, ownerOf('placedBy'))(access as Access, '1')).rejects.toThrow(GuardError)
    }
    await partner.stop()
  })

  it('have rules of one’s own, which have to say true', async () => {
    const access = await guard().check(requestWith(await issuer.sign({ tenant: 'north' })), anyCaller())
    const load = (tenant: string) => ({ tenant })
    const inTenant = guardedObject(load, (object, caller) => object.tenant === caller.claims.tenant)
    await expect(inTenant(access, 'north')).resolves.toEqual({ tenant: 'north' })
    await expect(inTenant(access, 'south')).rejects.toMatchObject({ code: 'not_found' })
    await expect(guardedObject(load, () => 1 as never)(access, 'x')).rejects.toMatchObject({ code: 'not_found' })
    await expect(guardedObject(load, async () => false)(access, 'x')).rejects.toMatchObject({ code: 'not_found' })
  })
})
