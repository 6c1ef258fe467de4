import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { calculatePKCECodeChallenge, randomPKCECodeVerifier } from 'openid-client'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { type RunningApi, startApi } from '../../spa-example/api/index.ts'
import { twoFactors } from '../../spa-example/api/policies.ts'
import { apiResource, startProvider } from '../../spa-example/provider/index.ts'
import { UserAgent } from '../support/browser.ts'

const everyScope = 'orders:read orders:write files:read files:write'

interface OrderBody {
  id: string
  number: string
  status: string
  notes: string
  customerId: string
  totalCents: number
  items: unknown[]
}

let issuer: TestIssuer
let api: RunningApi
let token: string

beforeAll(async () => {
  issuer = await startIssuer()
})

afterAll(() => issuer.stop())

beforeEach(async () => {
  api = await startApi({ issuer: issuer.url, audience: apiResource, fileLimitBytes: 1024 * 1024, eventIntervalMs: 20 })
  token = await issuer.sign()
})

afterEach(() => api.stop())

describe('authentication', () => {
  test('takes the access token of the demo provider', async () => {
    const provider = await startProvider({ appOrigin: 'http://localhost:39002' })
    const realApi = await startApi({ issuer: provider.issuer, audience: apiResource })
    const verifier = randomPKCECodeVerifier()
    const redirectUri = 'http://localhost:39002/bff/callback'
    const query = new URLSearchParams({
      client_id: provider.clientId,
      response_type: 'code',
      redirect_uri: redirectUri,
      scope: `openid ${everyScope}`,
      code_challenge: await calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    })
    const credentials = { username: 'grace', password: 'grace-demo' }
    const callback = await new UserAgent().signInUntilCallback(`${provider.issuer}/auth?${query}`, credentials)
    const answer = await fetch(`${provider.issuer}/token`, {
      method: 'POST',
      headers: { Authorization: `Basic ${btoa(`${provider.clientId}:${provider.clientSecret}`)}` },
      body: new URLSearchParams({
        grant_type: 'authorization_code',
        code: callback.searchParams.get('code') ?? '',
        redirect_uri: redirectUri,
        code_verifier: verifier,
      }),
    })
    const tokens = (await answer.json()) as { access_token: string; id_token: string }
    const me = await fetch(`${realApi.baseUrl}/me`, { headers: { Authorization: `Bearer ${tokens.access_token}` } })
    expect(await me.json()).toEqual({ sub: 'usr_02_grace', clientId: provider.clientId, scope: everyScope })
    // It says when she signed in, which some things are refused without.
    const headers = { Authorization: `Bearer ${tokens.access_token}` }
    const order = `${realApi.baseUrl}/orders/`
    const { items } = await json<{ items: OrderBody[] }>(await fetch(order.slice(0, -1), { headers }))
    expect((await fetch(order + items[0]?.id, { method: 'DELETE', headers })).status).toBe(204)

    const withIdToken = await fetch(`${realApi.baseUrl}/me`, {
      headers: { Authorization: `Bearer ${tokens.id_token}` },
    })
    expect(withIdToken.status).toBe(401)
    await realApi.stop()
    await provider.stop()
  })

  test('without a token is 401 without an error code (RFC 6750 §3.1)', async () => {
    const response = await fetch(`${api.baseUrl}/orders`)
    expect(response.status).toBe(401)
    expect(response.headers.get('www-authenticate')).toBe(
      'Bearer realm="roastery", resource_metadata="https://api.roastery.example/.well-known/oauth-protected-resource"',
    )
    expect(response.headers.get('content-type')).toBe('application/problem+json')
  })

  test.each<[string, () => Promise<string> | string]>([
    ['an expired token', () => issuer.sign({ exp: seconds() - 10 })],
    ['a token that is not valid yet', () => issuer.sign({ nbf: seconds() + 600 })],
    ['a token for another audience', () => issuer.sign({ aud: 'https://other.example' })],
    ['a token of another issuer', () => issuer.sign({ iss: 'https://other.example' })],
    ['a token without a subject', () => issuer.sign({ sub: undefined })],
    ['a token without an end', () => issuer.sign({ exp: undefined })],
    ['a token of another type', () => issuer.sign({}, { typ: 'JWT' })],
    ['a token signed with a foreign key', () => issuer.sign({}, { isForeign: true })],
    ['an unsigned token', async () => unsigned(await issuer.sign())],
    ['a token with one byte changed', async () => (await issuer.sign()).replace(/.{9}$/, 'AAAAAAAAA')],
    ['garbage', () => 'nonsense'],
    ['two dots', () => '..'],
    ['a token that is too long', () => 'a'.repeat(9000)],
  ])('refuses %s with invalid_token', async (_, make) => {
    const response = await call('/orders', { token: await make() })
    expect(response.status).toBe(401)
    expect(response.headers.get('www-authenticate')).toContain('error="invalid_token"')
  })

  test.each(['Basic YWRhOmFkYQ==', 'Bearer', 'Bearer a b', 'bearer,x'])('refuses Authorization: %s', async (value) => {
    const response = await fetch(`${api.baseUrl}/orders`, { headers: { Authorization: value } })
    expect(response.status).toBe(401)
  })

  test('takes no token from the query', async () => {
    expect((await fetch(`${api.baseUrl}/orders?access_token=${token}`)).status).toBe(401)
  })

  test('answers 503, not 401, when the keys cannot be had, and recovers', async () => {
    await issuer.goDown()
    const out = await call('/orders')
    expect([out.status, out.headers.get('retry-after')]).toEqual([503, '1'])
    await issuer.comeBack()
    // A second later at the latest, as it says.
    await vi.waitFor(async () => expect((await call('/orders')).status).toBe(200), { timeout: 5000 })
  })

  test('a request that brings a cookie is 400 and counted, and its value is not kept', async () => {
    const response = await call('/orders', { headers: { Cookie: 'session=very-secret; other=1' } })
    expect([response.status, api.cookieLeaks]).toEqual([400, 1])
    expect(api.requests.at(-1)?.headers.cookie).toBe('session; other')
  })

  test('the log tells tokens apart and does not keep them', async () => {
    await call('/orders?page=1')
    const [request] = api.requests
    expect(request).toMatchObject({ method: 'GET', target: '/v1/orders?page=1', sub: 'ada' })
    expect(request?.tokenId).toEqual(expect.any(String))
    expect(JSON.stringify(api.requests)).not.toContain(token.slice(0, 30))
  })

  test('tokens that were revoked are refused, a new one works', async () => {
    await call('/orders')
    api.revokeSeenTokens()
    expect((await call('/orders')).status).toBe(401)
    expect((await call('/orders', { token: await issuer.sign() })).status).toBe(200)
  })

  test('everything needs a token but the prices, also what is not there', async () => {
    expect((await fetch(`${api.baseUrl}/nowhere`)).status).toBe(401)
    expect((await call('/nowhere')).status).toBe(404)
    const prices = await fetch(`${api.baseUrl}/public/prices`)
    expect([prices.status, prices.headers.get('cache-control')]).toEqual([200, 'public, max-age=60'])
    const headers = { 'If-None-Match': prices.headers.get('etag') ?? '' }
    expect((await fetch(`${api.baseUrl}/public/prices`, { headers })).status).toBe(304)
  })
})

describe('scopes', () => {
  test.each([
    ['GET', '/orders', 'orders:read'],
    ['GET', '/orders/x', 'orders:read'],
    ['POST', '/orders', 'orders:write'],
    ['PATCH', '/orders/x', 'orders:write'],
    ['DELETE', '/orders/x', 'orders:write'],
    ['GET', '/products', 'orders:read'],
    ['GET', '/customers', 'orders:read'],
    ['POST', '/customers', 'orders:write'],
    ['GET', '/reports/export', 'orders:read'],
    ['GET', '/events', 'orders:read'],
    ['GET', '/files', 'files:read'],
    ['GET', '/files/x', 'files:read'],
    ['POST', '/files', 'files:write'],
    ['DELETE', '/files/x', 'files:write'],
  ])('%s %s needs %s', async (method, path, scope) => {
    const without = everyScope.split(' ').filter((name) => name !== scope)
    const response = await call(path, { method, token: await issuer.sign({ scope: without.join(' ') }) })
    expect(response.status).toBe(403)
    const challenge = response.headers.get('www-authenticate')
    expect(challenge).toContain(`Bearer realm="roastery", error="insufficient_scope", scope="${scope}", resource_`)
  })
})

describe('claims', () => {
  test.each<[string, Record<string, unknown>]>([
    ['an hour ago', { auth_time: Math.floor(Date.now() / 1000) - 3600 }],
    ['nobody knows when', { auth_time: undefined }],
  ])(
    'who signed in %s deletes no order: the challenge says how recent it has to be (RFC 9470 §3)',
    async (_, claims) => {
      const { id } = await json<OrderBody>(await createOrder())
      const response = await call(`/orders/${id}`, { method: 'DELETE', token: await issuer.sign(claims) })
      expect(response.status).toBe(401)
      expect(response.headers.get('www-authenticate')).toContain('error="insufficient_user_authentication"')
      expect(response.headers.get('www-authenticate')).toContain('max_age="900"')
      expect((await call(`/orders/${id}`)).status).toBe(200)
      expect((await call(`/orders/${id}`, { method: 'DELETE' })).status).toBe(204)
    },
  )

  test.each<[string, Record<string, unknown>]>([
    ['a password alone', { acr: undefined }],
    ['something else', { acr: 'urn:other' }],
  ])('who signed in with %s exports nothing: the challenge says how (RFC 9470 §3)', async (_, claims) => {
    const response = await call('/reports/export?megabytes=1', { token: await issuer.sign(claims) })
    expect(response.status).toBe(401)
    const challenge = response.headers.get('www-authenticate')
    expect(challenge).toContain('error="insufficient_user_authentication"')
    expect(challenge).toContain(`acr_values="${twoFactors}"`)
    expect(challenge).not.toContain('max_age')
    expect(await json(response)).toMatchObject({ acr_values: twoFactors })
    expect((await call('/reports/export?megabytes=1')).status).toBe(200)
  })

  test('a client on its own account exports nothing', async () => {
    const machine = await issuer.sign({ sub: 'test', auth_time: undefined })
    const response = await call('/reports/export?megabytes=1', { token: machine })
    expect([response.status, (await json<{ code: string }>(response)).code]).toEqual([403, 'forbidden'])
    expect((await call('/orders', { token: machine })).status).toBe(200)
  })
})

test('the metadata of the resource says where tokens come from (RFC 9728 §2)', async () => {
  const response = await fetch(`${api.url}/.well-known/oauth-protected-resource`)
  expect(await json(response)).toEqual({
    resource: apiResource,
    authorization_servers: [issuer.url],
    scopes_supported: everyScope.split(' '),
    bearer_methods_supported: ['header'],
  })
})

describe('what is somebody else’s is not there, though the token and the scopes are good', () => {
  type Made = { id: string; path: string }
  const strangersToken = () => issuer.sign({ sub: 'grace' })

  async function make(path: string, created: Promise<Response>): Promise<Made> {
    const { id } = await json<{ id: string }>(await created)
    return { id, path: `${path}/${id}` }
  }
  const order = () => make('/orders', createOrder())
  const file = () => make('/files', upload('mine.txt', 'secret beans'))
  const customer = () =>
    make(
      '/customers',
      call('/customers', {
        method: 'POST',
        json: { name: 'Kiosk 7', city: 'Ghent', contact: 'Lotte', email: 'lotte@kiosk.example' },
      }),
    )

  test.each<[string, string, () => Promise<Made>, CallInit]>([
    ['GET', 'an order', order, {}],
    ['HEAD', 'an order', order, {}],
    ['PATCH', 'an order', order, { json: { notes: 'stolen' } }],
    ['DELETE', 'an order', order, {}],
    ['GET', 'a customer', customer, {}],
    ['GET', 'a file', file, {}],
    ['GET', 'a part of a file', file, { headers: { Range: 'bytes=0-3' } }],
    ['DELETE', 'a file', file, {}],
  ])('%s of %s is the 404 of one that never was', async (method, _, create, init) => {
    const { id, path } = await create()
    const other = path.replace(id, `${id.slice(0, -1)}${id.endsWith('0') ? '1' : '0'}`)
    const stranger = await strangersToken()
    const [theirs, nobodys] = [
      await call(path, { ...init, method, token: stranger }),
      await call(other, { ...init, method, token: stranger }),
    ]
    expect([theirs.status, nobodys.status]).toEqual([404, 404])
    expect(await theirs.text()).toBe(await nobodys.text())
    expect(theirs.headers.get('etag')).toBeNull()
    expect(api.refusals.map(({ reason, sub }) => `${reason} ${sub}`)).toEqual([
      'object_refused grace',
      'object_absent grace',
    ])
    // Its owner has it as it was.
    expect(await (await call(path)).text()).not.toContain('stolen')
    expect((await call(path)).status).toBe(200)
  })

  test('a stranger’s list has nothing of it, nor has the export', async () => {
    const made = [await order(), await customer(), await file()]
    const mine = await json<OrderBody>(await call(made[0]?.path ?? ''))
    const stranger = await strangersToken()
    for (const path of ['/orders?pageSize=100', '/customers', '/files', '/reports/export?megabytes=1', '/me']) {
      const text = await (await call(path, { token: stranger })).text()
      for (const { id } of made) expect(text).not.toContain(id)
      expect(text).not.toContain(mine.customerId)
    }
  })

  test('an order for a stranger’s customer is refused as one for nobody', async () => {
    const { id } = await customer()
    const stranger = await strangersToken()
    const answers = await Promise.all(
      [id, 'cus_none'].map(async (customerId) => {
        const body = { customerId, items: [{ sku: 'GUJI-250', quantity: 1 }] }
        const response = await call('/orders', { method: 'POST', json: body, token: stranger })
        return `${response.status} ${await response.text()}`
      }),
    )
    expect(answers[0]).toBe(answers[1])
    expect(answers[0]).toMatch(/^422 /)
  })

  test.each(['0', '1', '2', '000000000000', '-1', 'ada', 'ada:0', '0, 1'])(
    'a stranger who says to have seen %s last gets no event of it again, only their own',
    async (lastSeen) => {
      const { path } = await order()
      await call(path, { method: 'PATCH', json: { notes: 'for me alone' } })
      const asGrace = { Authorization: `Bearer ${await strangersToken()}`, 'Last-Event-ID': lastSeen }

      const before = await listen(asGrace)
      // What is sent again comes before the greeting, which has the newest id of the caller's own.
      expect(await before.next()).toMatchObject({ type: 'hello', id: '0', data: { lastId: 0 } })
      await before.close()

      const { id } = await json<OrderBody>(await createOrder({ token: await strangersToken() }))
      const after = await listen(asGrace)
      if (Number(lastSeen) === 0) {
        expect(await after.next()).toMatchObject({ type: 'order.created', id: '1', data: { id } })
      }
      expect(await after.next()).toMatchObject({ type: 'hello', id: '1', data: { lastId: 1 } })
      await after.close()
    },
  )

  test('the same name at another issuer is another person', async () => {
    const other = await startIssuer()
    const { path } = await order()
    expect((await call(path, { token: await other.sign() })).status).toBe(401)
    await other.stop()
  })
})

describe('orders', () => {
  test('are listed newest first, by page and by status', async () => {
    const first = await json<{ items: OrderBody[]; total: number; pages: number }>(await call('/orders'))
    expect(first.items).toHaveLength(10)
    expect(first.total).toBe(27)
    expect(first.items[0]?.number).toBe('R-1027')
    const last = await json<{ items: OrderBody[] }>(await call(`/orders?page=${first.pages}`))
    expect(last.items.at(-1)?.number).toBe('R-1001')
    const shipped = await json<{ items: OrderBody[] }>(await call('/orders?status=shipped&pageSize=100'))
    expect(new Set(shipped.items.map(({ status }) => status))).toEqual(new Set(['shipped']))
  })

  test.each(['page=0', 'page=-1', 'page=x', 'page=1e3', 'pageSize=101', 'status=lost', 'page=99999999999'])(
    'refuse the query %s',
    async (query) => {
      const response = await call(`/orders?${query}`)
      expect(response.status).toBe(422)
    },
  )

  test('are created, changed, and deleted', async () => {
    const created = await createOrder()
    expect(created.status).toBe(201)
    const order = await json<OrderBody>(created.clone())
    expect(order).toMatchObject({ number: 'R-1028', status: 'new', notes: 'By the side door', totalCents: 2 * 3150 })
    expect(created.headers.get('location')).toBe(`/v1/orders/${order.id}`)

    const changed = await call(`/orders/${order.id}`, { method: 'PATCH', json: { status: 'roasting' } })
    expect(await json<OrderBody>(changed)).toMatchObject({ status: 'roasting', notes: 'By the side door' })
    const read = await call(`/orders/${order.id}`)
    expect([read.headers.get('etag'), (await json<OrderBody>(read)).status]).toEqual(['"2"', 'roasting'])

    expect((await call(`/orders/${order.id}`, { method: 'DELETE' })).status).toBe(204)
    expect((await call(`/orders/${order.id}`)).status).toBe(404)
  })

  test('of somebody else are not there', async () => {
    const { id } = await json<OrderBody>(await createOrder())
    const stranger = await issuer.sign({ sub: 'grace' })
    for (const method of ['GET', 'PATCH', 'DELETE']) {
      const response = await call(`/orders/${id}`, { method, token: stranger, ...(method === 'PATCH' && { json: {} }) })
      expect([method, response.status]).toEqual([method, 404])
    }
    expect((await call(`/orders/${id}`)).status).toBe(200)
  })

  test('name every mistake at once', async () => {
    const items = [{ sku: 'NOPE', quantity: 0 }, { sku: 'GUJI-250', quantity: 1.5 }, null]
    const response = await call('/orders', { method: 'POST', json: { items, notes: 5, customerId: {} } })
    expect(response.status).toBe(422)
    const { errors } = await json<{ errors: { field: string }[] }>(response)
    expect(errors.map(({ field }) => field)).toEqual([
      'customerId',
      'items[0].sku',
      'items[0].quantity',
      'items[1].quantity',
      'items[2].sku',
      'items[2].quantity',
      'notes',
    ])
  })

  test('do not go where they cannot, and change nothing else', async () => {
    const { id } = await json<OrderBody>(await createOrder())
    for (const change of [{ status: 'delivered' }, { status: 'toString' }, { totalCents: 1 }, {}, { notes: null }]) {
      const response = await call(`/orders/${id}`, { method: 'PATCH', json: change })
      expect([change, response.status]).toEqual([change, 422])
    }
  })

  test('a change on the base of an old version is 412', async () => {
    const { id } = await json<OrderBody>(await createOrder())
    const change = { method: 'PATCH', json: { notes: 'mine' }, headers: { 'If-Match': '"1"' } }
    expect((await call(`/orders/${id}`, change)).status).toBe(200)
    expect((await call(`/orders/${id}`, change)).status).toBe(412)
  })

  test('an Idempotency-Key makes one order of two requests, and takes no other body', async () => {
    const headers = { 'Idempotency-Key': 'k-1' }
    const [first, second] = await Promise.all([createOrder({ headers }), createOrder({ headers })])
    expect((await json<OrderBody>(first)).id).toBe((await json<OrderBody>(second)).id)
    const other = await createOrder({ headers, notes: 'something else' })
    expect(other.status).toBe(422)
    const stranger = await createOrder({ headers, token: await issuer.sign({ sub: 'grace' }) })
    expect(stranger.status).toBe(201)
    expect(stranger.headers.get('idempotent-replayed')).toBeNull()
  })

  test.each([
    ['no JSON', '{', 'application/json', 400],
    ['no object', '[1]', 'application/json', 400],
    ['bytes that are not UTF-8', new Uint8Array([0x22, 0xff, 0x22]), 'application/json', 400],
    ['another type', '{}', 'text/plain', 415],
    ['too much', JSON.stringify({ notes: 'x'.repeat(70_000) }), 'application/json', 413],
  ])('refuse a body that is %s', async (_, body, type, status) => {
    const response = await call('/orders', { method: 'POST', body, headers: { 'Content-Type': type } })
    expect(response.status).toBe(status)
  })
})

test('customers and products', async () => {
  const customer = { name: 'Kiosk 7', city: 'Ghent', contact: 'Lotte', email: 'lotte@kiosk.example' }
  const created = await call('/customers', { method: 'POST', json: customer })
  expect(created.status).toBe(201)
  expect(await json(await call((created.headers.get('location') ?? '').slice(3)))).toMatchObject(customer)
  const refused = await call('/customers', { method: 'POST', json: { ...customer, email: 'lotte', name: ' ' } })
  const { errors } = await json<{ errors: { field: string }[] }>(refused)
  expect([refused.status, errors.map(({ field }) => field)]).toEqual([422, ['name', 'email']])
  expect((await json<{ items: unknown[] }>(await call('/products'))).items.length).toBeGreaterThan(5)
})

describe('files', () => {
  test('come back as they were sent, whole and in parts', async () => {
    const content = randomBytes(300_000)
    const uploaded = await upload('bohnen é.bin', content, 'application/x-beans')
    const file = await json<{ id: string; size: number; sha256: string; name: string }>(uploaded)
    const sha256 = createHash('sha256').update(content).digest('hex')
    expect(file).toMatchObject({ size: 300_000, sha256, name: 'bohnen é.bin' })

    const whole = await call(`/files/${file.id}`)
    expect(whole.headers.get('content-type')).toBe('application/x-beans')
    expect(whole.headers.get('content-disposition')).toBe("attachment; filename*=UTF-8''bohnen%20%C3%A9.bin")
    expect(Buffer.from(await whole.arrayBuffer()).equals(content)).toBe(true)

    const part = await call(`/files/${file.id}?inline=1`, { headers: { Range: 'bytes=100-199' } })
    expect([part.status, part.headers.get('content-range')]).toEqual([206, 'bytes 100-199/300000'])
    expect(part.headers.get('content-disposition')).toMatch(/^inline;/)
    expect(Buffer.from(await part.arrayBuffer()).equals(content.subarray(100, 200))).toBe(true)
  })

  test.each([
    ['bytes=0-', 206, 'bytes 0-9/10'],
    ['bytes=-3', 206, 'bytes 7-9/10'],
    ['bytes=5-999', 206, 'bytes 5-9/10'],
    ['bytes=-99', 206, 'bytes 0-9/10'],
    ['bytes=10-', 416, 'bytes */10'],
    ['bytes=-0', 416, 'bytes */10'],
    ['bytes=5-2', 200, null],
    ['bytes=0-1,3-4', 200, null],
    ['lines=1-2', 200, null],
    ['bytes=-', 200, null],
  ])('Range: %s is answered %i', async (range, status, contentRange) => {
    const { id } = await json<{ id: string }>(await upload('ten.txt', '0123456789'))
    const response = await call(`/files/${id}`, { headers: { Range: range } })
    expect([response.status, response.headers.get('content-range')]).toEqual([status, contentRange])
  })

  test('an If-Range of another version gives the whole', async () => {
    const { id } = await json<{ id: string }>(await upload('ten.txt', '0123456789'))
    const response = await call(`/files/${id}`, { headers: { Range: 'bytes=0-1', 'If-Range': '"other"' } })
    expect(response.status).toBe(200)
  })

  test('take no more than there is room for, chunked too, and the room comes back', async () => {
    const body = () => streamOf(17, new Uint8Array(64 * 1024))
    const refused = await upload('big.bin', body())
    expect(refused.status).toBe(413)
    const { id } = await json<{ id: string }>(await upload('fits.bin', new Uint8Array(1024 * 1024)))
    expect((await upload('one-more.bin', 'x')).status).toBe(413)
    expect((await call(`/files/${id}`, { method: 'DELETE' })).status).toBe(204)
    expect((await upload('one-more.bin', 'x')).status).toBe(201)
  })

  test.each([
    ['that is empty', ''],
    ['with a path', '../etc/passwd'],
    ['with a backslash', 'a\\b'],
    ['with a control character', 'a\u0000b'],
    ['that is too long', 'x'.repeat(201)],
  ])('refuse a name %s', async (_, name) => {
    expect((await upload(name, 'x')).status).toBe(422)
  })

  test('of somebody else are not there', async () => {
    const { id } = await json<{ id: string }>(await upload('mine.txt', 'x'))
    const stranger = await issuer.sign({ sub: 'grace' })
    expect((await call(`/files/${id}`, { token: stranger })).status).toBe(404)
    expect((await call(`/files/${id}`, { token: stranger, method: 'DELETE' })).status).toBe(404)
    expect(await json(await call('/files', { token: stranger }))).toEqual({ items: [] })
  })
})

test('the export is as large as was asked for, and stops when the reader goes', async () => {
  const response = await call('/reports/export?megabytes=3')
  const text = await response.text()
  expect(Buffer.byteLength(text)).toBe(3 * 1024 * 1024)
  expect(text.startsWith('line,order,customer,')).toBe(true)
  expect((await call('/reports/export?megabytes=1001')).status).toBe(422)

  const large = await call('/reports/export?megabytes=1000')
  const reader = large.body?.getReader()
  await reader?.read()
  await reader?.cancel()
})

describe('events', () => {
  test('tell what happens, and the temperature of the drum meanwhile', async () => {
    const events = await listen()
    expect(await events.until('hello')).toMatchObject({ id: '0', data: { lastId: 0 } })
    expect(await events.until('drum')).toMatchObject({ id: undefined, data: { phase: expect.any(String) } })
    const { id } = await json<OrderBody>(await createOrder())
    expect(await events.until('order.created')).toMatchObject({ id: '1', data: { id } })
    await call(`/orders/${id}`, { method: 'DELETE' })
    expect(await events.until('order.deleted')).toMatchObject({ id: '2', data: { id } })
    await events.close()
  })

  test('that were missed are sent again to who names the last one', async () => {
    const { id } = await json<OrderBody>(await createOrder())
    await call(`/orders/${id}`, { method: 'PATCH', json: { notes: 'soon' } })
    const events = await listen({ 'Last-Event-ID': '1' })
    expect(await events.until('order.updated')).toMatchObject({ id: '2' })
    expect(await events.until('hello')).toMatchObject({ id: '2' })
    await events.close()
  })

  test('of somebody else are not heard', async () => {
    const events = await listen()
    await createOrder({ token: await issuer.sign({ sub: 'grace' }) })
    const { id } = await json<OrderBody>(await createOrder())
    expect(await events.until('order.created')).toMatchObject({ id: '1', data: { id } })
    await events.close()
  })

  test('end when the client goes, and when the API ends them', async () => {
    const gone = await listen()
    await gone.until('hello')
    expect(api.openStreams).toBe(1)
    await gone.close()
    await vi.waitFor(() => expect(api.openStreams).toBe(0))

    const ended = await listen()
    await ended.until('hello')
    api.closeStreams()
    await expect(ended.until('never')).rejects.toThrow('The stream ended')
    expect(api.openStreams).toBe(0)
  })
})

describe('bad days', () => {
  test.each([
    ['404', 404],
    ['500', 500],
    ['503', 503],
    ['crash', 500],
    ['unauthorized', 401],
    ['redirect', 302],
    ['redirect-away', 302],
    ['garbage', 200],
    ['html', 200],
    ['set-cookie', 200],
    ['nonsense', 404],
    ['toString', 404],
  ])('/errors/%s is %i', async (kind, status) => {
    expect((await call(`/errors/${kind}`, { redirect: 'manual' })).status).toBe(status)
  })

  test('redirect leads into the API, redirect-away out of it', async () => {
    const [inside, away] = [
      await call('/errors/redirect', { redirect: 'manual' }),
      await call('/errors/redirect-away', { redirect: 'manual' }),
    ]
    expect(inside.headers.get('location')).toBe('/v1/orders?page=1')
    expect(away.headers.get('location')).toBe('https://elsewhere.example/orders')
  })

  test('a crash says nothing about itself', async () => {
    expect(await (await call('/errors/crash')).text()).not.toContain('on purpose')
  })

  test.each(['cut', 'cut-chunked'])('%s begins a body and breaks off', async (kind) => {
    const response = await call(`/errors/${kind}`)
    expect(response.status).toBe(200)
    await expect(response.text()).rejects.toThrow()
  })

  test('reset closes the connection without a body', async () => {
    await expect(call('/errors/reset').then((response) => response.text())).rejects.toThrow()
  })

  test('hang answers nothing until the client goes', async () => {
    const controller = new AbortController()
    const answer = call('/errors/hang', { signal: controller.signal })
    const failure = expect(answer).rejects.toThrow()
    await vi.waitFor(() => expect(api.requests.at(-1)?.target).toBe('/v1/errors/hang'))
    controller.abort()
    await failure
  })
})

test('stops at once with a stream and an unanswered request open', async () => {
  const events = await listen()
  await events.until('hello')
  const failure = expect(call('/errors/hang')).rejects.toThrow()
  await vi.waitFor(() => expect(api.requests.at(-1)?.target).toBe('/v1/errors/hang'))
  await api.stop()
  await failure
})

// --- Helpers ------------------------------------------------------------------------------------------

type CallInit = RequestInit & { token?: string; json?: unknown; headers?: Record<string, string> }

function call(path: string, { token: other, json: value, ...init }: CallInit = {}): Promise<Response> {
  const headers = {
    Authorization: `Bearer ${other ?? token}`,
    ...(value !== undefined && { 'Content-Type': 'application/json' }),
    ...init.headers,
  }
  return fetch(api.baseUrl + path, { ...init, headers, ...(value !== undefined && { body: JSON.stringify(value) }) })
}

async function createOrder(options: { headers?: Record<string, string>; notes?: string; token?: string } = {}) {
  const as = options.token === undefined ? {} : { token: options.token }
  const { items } = await json<{ items: { id: string }[] }>(await call('/customers', as))
  const order = {
    customerId: items[0]?.id,
    items: [{ sku: 'GUJI-1000', quantity: 2 }],
    notes: options.notes ?? 'By the side door',
  }
  return call('/orders', { method: 'POST', json: order, headers: options.headers ?? {}, ...as })
}

function upload(name: string, body: string | Uint8Array<ArrayBuffer> | ReadableStream, type = 'text/plain') {
  const init = { method: 'POST', body, headers: { 'Content-Type': type }, duplex: 'half' }
  return call(`/files?filename=${encodeURIComponent(name)}`, init)
}

function streamOf(count: number, chunk: Uint8Array): ReadableStream<Uint8Array> {
  let left = count
  return new ReadableStream({
    pull(controller) {
      if (left === 0) controller.close()
      else controller.enqueue(chunk)
      left -= 1
    },
  })
}

/** Reads the feed; `next` gives the next event, and `until` the next of a type. */
async function listen(headers: Record<string, string> = {}) {
  const response = await call('/events', { headers })
  expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
  const reader = (response.body as ReadableStream<Uint8Array<ArrayBuffer>>)
    .pipeThrough(new TextDecoderStream())
    .getReader()
  let unread = ''

  async function next(): Promise<{ type: string | undefined; id: string | undefined; data: unknown }> {
    for (;;) {
      const end = unread.indexOf('\n\n')
      if (end < 0) {
        const { done, value } = await reader.read()
        if (done) throw new Error('The stream ended')
        unread += value
        continue
      }
      const fields = new Map(
        unread
          .slice(0, end)
          .split('\n')
          .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
      )
      unread = unread.slice(end + 2)
      return { type: fields.get('event'), id: fields.get('id'), data: JSON.parse(fields.get('data') ?? '') }
    }
  }

  return {
    next,
    async until(type: string) {
      for (;;) {
        const event = await next()
        if (event.type === type) return event
      }
    },
    close: () => reader.cancel(),
  }
}

async function json<T>(response: Response): Promise<T> {
  return (await response.json()) as T
}

function seconds(): number {
  return Math.floor(Date.now() / 1000)
}

function unsigned(jwt: string): string {
  const header = Buffer.from(JSON.stringify({ alg: 'none', typ: 'at+jwt' })).toString('base64url')
  return `${header}.${jwt.split('.')[1]}.`
}

interface TestIssuer {
  readonly url: string
  sign(claims?: Record<string, unknown>, options?: { typ?: string; isForeign?: boolean }): Promise<string>
  goDown(): Promise<void>
  comeBack(): Promise<void>
  stop(): Promise<void>
}

/** An authorization server as far as a resource server sees one: metadata, keys, and tokens that are signed. */
async function startIssuer(): Promise<TestIssuer> {
  const own = await generateKeyPair('ES256')
  const foreign = await generateKeyPair('ES256')
  const keys = [{ ...(await exportJWK(own.publicKey)), kid: 'k1', use: 'sig', alg: 'ES256' }]
  const server: Server = createServer((request, response) => {
    const isMetadata = request.url === '/.well-known/openid-configuration'
    response.setHeader('Content-Type', 'application/json')
    response.end(JSON.stringify(isMetadata ? { issuer: url, jwks_uri: `${url}/jwks` } : { keys }))
  })
  const open = async (port: number): Promise<number> => {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return (server.address() as AddressInfo).port
  }
  const close = async (): Promise<void> => {
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  }
  const port = await open(0)
  const url = `http://127.0.0.1:${port}`

  return {
    url,
    async sign(claims = {}, { typ = 'at+jwt', isForeign = false } = {}) {
      const payload = {
        iss: url,
        aud: apiResource,
        sub: 'ada',
        client_id: 'test',
        scope: everyScope,
        jti: randomBytes(12).toString('base64url'),
        iat: seconds(),
        exp: seconds() + 60,
        auth_time: seconds() - 10,
        acr: twoFactors,
        ...claims,
      }
      const given = Object.fromEntries(Object.entries(payload).filter(([, value]) => value !== undefined))
      const key = isForeign ? foreign.privateKey : own.privateKey
      return new SignJWT(given).setProtectedHeader({ alg: 'ES256', kid: 'k1', typ }).sign(key)
    },
    goDown: close,
    comeBack: async () => {
      await open(port)
    },
    stop: close,
  }
}
