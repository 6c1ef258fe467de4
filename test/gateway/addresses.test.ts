/** Lists of addresses, of a route and of the whole public listener: who is kept out, and that the upstream hears nothing. */
import { Hono } from 'hono'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { tokenHandler } from '../../src/token-handler.ts'
import { webRuntime } from '../../src/web-runtime.ts'
import { good, resolve } from '../config/good.ts'
import { startUpstream, type TestUpstream } from '../support/upstream.ts'

const inside = '10.1.2.3'
const outside = '192.0.2.7'
const refused = '403 address_refused'

let upstream: TestUpstream
beforeAll(async () => {
  upstream = await startUpstream()
})
afterAll(() => upstream.stop())
beforeEach(() => upstream.reset())

/** A call of `path` from an address, at Coatcheck itself or at an app that has its session middleware. */
function start({ addresses, ofRoute }: { addresses?: unknown; ofRoute?: unknown }) {
  let peer: string | undefined
  const open = { path: '/open/*', upstream: upstream.origin, auth: 'none', reason: 'a test', addresses: ofRoute }
  const handler = tokenHandler(resolve(good({ addresses, routes: [open] })), {
    runtime: webRuntime({ peerAddress: () => peer }),
    report: () => undefined,
    pages: (c) => (c.req.path === '/' ? c.html('the app') : undefined),
  })
  const app = new Hono()
    .get('/own', handler.session(), (c) => c.text('own'))
    .route('/', handler.routes as unknown as Hono)
  return async (path: string, from: string | undefined) => {
    peer = from
    const fields = { host: 'app.example.com', 'x-csrf': '1' }
    const answer = await app.request(`https://app.example.com${path}`, { headers: fields })
    const isProblem = answer.headers.get('content-type') === 'application/problem+json'
    return isProblem ? `${answer.status} ${((await answer.json()) as { code: string }).code}` : answer.status
  }
}

describe('the addresses of a route', () => {
  it.each<[string, unknown]>([
    ['that are denied', { deny: ['192.0.2.0/24'] }],
    ['that are not allowed', { allow: ['10.0.0.0/8'] }],
    ['that are allowed, and denied', { allow: ['10.0.0.0/8', '192.0.2.0/24'], deny: [outside] }],
  ])('keep out those %s, before the upstream is troubled', async (_what, ofRoute) => {
    const call = start({ ofRoute })
    expect(await call('/open/x', outside)).toBe(refused)
    expect(upstream.requests).toEqual([])
    expect(await call('/open/x', inside)).toBe(200)
    expect(upstream.requests).toHaveLength(1)
  })

  it('keep out who has none that is known, where only some are allowed', async () => {
    expect(await start({ ofRoute: { allow: ['10.0.0.0/8'] } })('/open/x', undefined)).toBe(refused)
    expect(upstream.requests).toEqual([])
  })

  it('say nothing of the rest', async () => {
    const call = start({ ofRoute: { deny: [outside] } })
    expect(await call('/bff/session', outside)).toBe(200)
    expect(await call('/', outside)).toBe(200)
  })
})

describe('the addresses of the public listener', () => {
  it.each<[string, string, number | string]>([
    ['an endpoint', '/bff/session', 200],
    ['a page', '/', 200],
    ['a route', '/open/x', 200],
    ['what is not there', '/nothing', '404 no_route'],
    ['a handler of one’s own that asks for a session', '/own', '401 login_required'],
  ])('keep out of %s', async (_what, path, otherwise) => {
    const call = start({ addresses: { allow: ['10.0.0.0/8'] } })
    expect(await call(path, outside)).toBe(refused)
    expect(upstream.requests).toEqual([])
    expect(await call(path, inside)).toBe(otherwise)
  })

  it('hold beside those of a route', async () => {
    const call = start({ addresses: { deny: [inside] }, ofRoute: { allow: [inside, outside] } })
    expect(await call('/open/x', inside)).toBe(refused)
    expect(await call('/open/x', outside)).toBe(200)
  })
})
