import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { UserAgent } from '../support/browser.ts'
import { otherTestSecret, type System, startSystem } from '../support/system.ts'

let system: System
let browser: UserAgent
beforeAll(async () => {
  system = await startSystem()
  browser = await system.signedIn()
})
afterAll(() => system.stop())
beforeEach(() => system.upstream.reset())

const code = async (answer: Response) => ((await answer.json()) as { code?: string }).code
const crossSite = 'https://evil.example'

describe('what no route names', () => {
  it.each(['/api', '/apix/orders', '/API/orders', '/other', '/bff', '/bff/other', '/verify', '/metrics', '/healthz'])(
    '%s is 404',
    async (path) => {
      const answer = await system.call(browser, path)
      expect(answer.status).toBe(404)
      expect(await code(answer)).toBe('no_route')
    },
  )

  it('as a method is 405, and says which there are', async () => {
    const answer = await system.call(browser, '/api/read/x', { method: 'POST' })
    expect(answer.status).toBe(405)
    expect(answer.headers.get('allow')).toBe('GET, HEAD')
    expect(system.upstream.requests).toHaveLength(0)
  })

  it('as a scope is 403 before the upstream is troubled', async () => {
    const answer = await system.call(browser, '/api/admin/x')
    expect(answer.status).toBe(403)
    expect(await answer.json()).toMatchObject({ code: 'insufficient_scope', scope: 'orders:admin' })
    expect(system.upstream.requests).toHaveLength(0)
  })
})

describe('a target with two readings', () => {
  it.each(['/api//x', '/api/a%2Fb', '/api/a%5Cb', '/api/a;b', '/api/%41', '/api/%c0%af', '/api/a%00', '/bff//session'])(
    '%s is 400, and reaches nothing',
    async (path) => {
      system.upstream.reset()
      const answer = await system.call(browser, path)
      expect(answer.status).toBe(400)
      expect(await answer.json()).toMatchObject({ type: 'urn:coatcheck:problem:path_not_canonical', status: 400 })
      expect(system.upstream.requests).toEqual([])
    },
  )
})

describe('a call', () => {
  it('goes to the more specific route, whatever the order', async () => {
    const answer = await system.call(browser, '/api/exact?a=b')
    expect(await answer.json()).toMatchObject({ target: '/exactly/this?a=b' })
  })

  it('takes its body, its query and its escapes along as they came', async () => {
    const answer = await system.call(browser, '/api/caf%C3%A9/%20x?q=%2F..;a&q=2', { method: 'PUT', body: 'ünïcode' })
    expect(await answer.json()).toMatchObject({
      method: 'PUT',
      target: '/v1/caf%C3%A9/%20x?q=%2F..;a&q=2',
      body: 'ünïcode',
    })
  })

  it('takes along what the list names, and nothing that means something to a server behind', async () => {
    await system.call(browser, '/api/x', {
      headers: {
        Accept: 'application/json',
        'If-None-Match': '"a"',
        Authorization: 'Bearer of-the-page',
        'X-User': 'root',
        'X-Forwarded-For': '203.0.113.9',
        'X-Forwarded-User': 'root',
        'X-HTTP-Method-Override': 'DELETE',
        'X-Original-URL': '/admin',
        Forwarded: 'for=203.0.113.9',
      },
    })
    const [request] = system.upstream.requests
    expect(request?.headers).toMatchObject({ accept: 'application/json', 'if-none-match': '"a"' })
    expect(request?.headers.authorization).toMatch(/^Bearer ey/)
    const names = Object.keys(request?.headers ?? {})
    for (const name of [
      'cookie',
      'x-user',
      'x-forwarded-user',
      'x-csrf',
      'x-http-method-override',
      'x-original-url',
      'forwarded',
      'origin',
      'referer',
      'sec-fetch-site',
    ]) {
      expect(names).not.toContain(name)
    }
    // The peer's address where the runtime knows it: workerd alone, without Cloudflare in front, does not.
    expect(request?.headers['x-forwarded-for'] ?? '').not.toContain('203.0.113.9')
  })

  it('by GET or HEAD has no content: an API that does not read it would take it for the next request', async () => {
    for (const method of ['GET', 'HEAD']) {
      await system.call(browser, '/api/x', { method, body: 'GET /v1/smuggled HTTP/1.1\r\nHost: x\r\n\r\n' })
    }
    expect(system.upstream.requests.filter(({ body }) => body.byteLength > 0)).toEqual([])
    expect(system.upstream.requests.map(({ target }) => target)).not.toContain('/v1/smuggled')
  })

  it('without a session is 401, says where to sign in, and sets and clears nothing', async () => {
    const answer = await system.call(new UserAgent(), '/api/x')
    expect(answer.status).toBe(401)
    expect(await answer.json()).toMatchObject({ code: 'login_required', login_url: '/bff/login' })
    expect(answer.headers.getSetCookie()).toEqual([])
  })

  it('to an open route needs no session, and carries none', async () => {
    const answer = await browser.fetch(`${system.origin}/public/prices`)
    expect(answer.status).toBe(200)
    const { headers } = (await answer.json()) as { headers: Record<string, string> }
    expect(headers.authorization).toBeUndefined()
    expect(headers.cookie).toBeUndefined()
  })
})

describe('who did not come from a page of ours', () => {
  it.each<[string, Record<string, string | null>]>([
    ['without X-CSRF', { 'X-CSRF': null }],
    ['with an empty X-CSRF', { 'X-CSRF': '' }],
    ['with a malformed X-CSRF', { 'X-CSRF': 'a b' }],
    ['with two X-CSRF', { 'X-CSRF': '1, 1' }],
    ['from another site', { 'Sec-Fetch-Site': 'cross-site', Origin: crossSite }],
    ['from a sibling subdomain', { 'Sec-Fetch-Site': 'same-site' }],
    ['with the Origin of another site', { Origin: crossSite, 'Sec-Fetch-Site': null }],
    ['with the Origin null', { Origin: 'null', 'Sec-Fetch-Site': null }],
    ['with Sec-Fetch-Site none', { 'Sec-Fetch-Site': 'none' }],
    ['as a script', { 'Sec-Fetch-Dest': 'script' }],
    ['as a style', { 'Sec-Fetch-Dest': 'style' }],
    ['as a frame', { 'Sec-Fetch-Dest': 'iframe' }],
    ['as an object', { 'Sec-Fetch-Dest': 'object' }],
    ['as a service worker', { 'Service-Worker': 'script' }],
  ])('%s is 403, on reads too', async (_what, headers) => {
    const answer = await system.call(browser, '/api/x', { headers: headers as Record<string, string> })
    expect(answer.status).toBe(403)
    expect(await code(answer)).toBe('csrf')
    expect(system.upstream.requests).toHaveLength(0)
  })

  it('gets no leave by a preflight: there is no CORS', async () => {
    const answer = await system.call(browser, '/api/x', {
      method: 'OPTIONS',
      headers: { Origin: crossSite, 'Access-Control-Request-Method': 'GET' },
    })
    expect(answer.status).toBe(403)
    expect([...answer.headers.keys()].filter((name) => name.startsWith('access-control-'))).toEqual([])
  })

  it('is 403 at /bff/session and /bff/logout too', async () => {
    for (const [path, method] of [
      ['/bff/session', 'GET'],
      ['/bff/logout', 'POST'],
    ] as const) {
      const answer = await system.call(browser, path, {
        method,
        headers: { 'Sec-Fetch-Site': 'cross-site', Origin: crossSite },
      })
      expect(answer.status).toBe(403)
    }
  })

  it('may be an old browser that sends no Fetch Metadata: the header stands alone', async () => {
    const old = await system.call(browser, '/api/x', {
      headers: { 'Sec-Fetch-Site': null, 'Sec-Fetch-Mode': null, 'Sec-Fetch-Dest': null } as never,
    })
    expect(old.status).toBe(200)
  })
})

describe('a page that speaks of another session', () => {
  it('is told so with 409', async () => {
    const answer = await system.call(browser, '/api/x', { headers: { 'X-CSRF': 'ref-of-another-session' } })
    expect(answer.status).toBe(409)
    expect(await code(answer)).toBe('session_changed')
  })

  it('is served if it is this one', async () => {
    const { ref } = (await (await system.call(browser, '/bff/session')).json()) as { ref: string }
    expect((await system.call(browser, '/api/x', { headers: { 'X-CSRF': ref } })).status).toBe(200)
  })
})

describe('kinds that cannot send a header', () => {
  const kind = (site: string, mode: string, destination: string) => ({
    'X-CSRF': null as never,
    'Sec-Fetch-Site': site,
    'Sec-Fetch-Mode': mode,
    'Sec-Fetch-Dest': destination,
  })

  it('are served where the route names them', async () => {
    expect((await system.call(browser, '/api/events', { headers: kind('same-origin', 'cors', 'empty') })).status).toBe(
      200,
    )
    expect(
      (await system.call(browser, '/api/files/1', { headers: kind('same-origin', 'navigate', 'document') })).status,
    ).toBe(200)
    expect(
      (await system.call(browser, '/api/files/1', { headers: kind('same-origin', 'no-cors', 'image') })).status,
    ).toBe(200)
  })

  it.each([
    ['another site', '/api/files/1', kind('cross-site', 'no-cors', 'image')],
    ['a sibling subdomain', '/api/files/1', kind('same-site', 'navigate', 'document')],
    ['a route that does not name them', '/api/x', kind('same-origin', 'navigate', 'document')],
    ['another kind than the route names', '/api/events', kind('same-origin', 'navigate', 'document')],
  ])('are refused: %s', async (_what, path, headers) => {
    expect((await system.call(browser, path, { headers })).status).toBe(403)
  })

  it('are refused where Fetch Metadata is not there', async () => {
    const headers = kind(null as never, null as never, null as never)
    expect((await system.call(browser, '/api/files/1', { headers })).status).toBe(403)
  })

  it('a signed-out person who follows a download link gets to sign in', async () => {
    const answer = await system.call(new UserAgent(), '/api/files/1', {
      headers: kind('same-origin', 'navigate', 'document'),
    })
    expect(answer.status).toBe(303)
    expect(answer.headers.get('location')).toBe(`${system.origin}/bff/login?return_to=/`)
  })
})

describe('a cookie', () => {
  const good = () =>
    browser.cookies.match(system.origin).find(({ name }) => name === '__Host-Http-coatcheck')?.value ?? ''
  const withCookie = (cookie: string) =>
    browser.fetch(`${system.origin}/api/x`, { withCookies: false, headers: { 'X-CSRF': '1', Cookie: cookie } })
  const marker = () => browser.cookies.match(system.origin).find(({ name }) => name.endsWith('-id'))?.value ?? ''

  it('that is right is served, so that what follows can fail', async () => {
    expect((await withCookie(`__Host-Http-coatcheck=${good()}`)).status).toBe(200)
  })

  it.each<[string, () => string]>([
    ['garbage', () => '__Host-Http-coatcheck=garbage'],
    ['empty', () => '__Host-Http-coatcheck='],
    ['a prefix and no more', () => '__Host-Http-coatcheck=Fe26.2*'],
    ['cut', () => `__Host-Http-coatcheck=${good().slice(0, -10)}`],
    [
      'changed in the middle',
      () => `__Host-Http-coatcheck=${good().replace(/.(?=.{40}$)/, (old) => (old === '_' ? '-' : '_'))}`,
    ],
    ['of another purpose', () => `__Host-Http-coatcheck=${marker()}`],
    ['under another name', () => `coatcheck=${good()}`],
    ['of the name in another case', () => `__host-http-coatcheck=${good()}`],
    ['twice, with two values', () => `__Host-Http-coatcheck=${good()}; __Host-Http-coatcheck=planted`],
    ['oversized', () => `__Host-Http-coatcheck=Fe26.2*${'A'.repeat(9000)}`],
    [
      'in parts that do not belong together',
      () => `__Host-Http-coatcheck.0=2.aaaa.${good()}; __Host-Http-coatcheck.1=2.bbbb.x`,
    ],
    ['in one part of two', () => `__Host-Http-coatcheck.0=2.aaaa.${good()}`],
    ['in a thousand parts', () => `__Host-Http-coatcheck.0=1000.aaaa.${good()}`],
  ])('%s is no session, and is left alone', async (_what, cookie) => {
    const answer = await withCookie(cookie())
    expect(answer.status).toBe(401)
    expect(answer.headers.getSetCookie()).toEqual([])
  })

  it('of a server with another secret is no session here', async () => {
    const other = await startSystem({ secrets: [otherTestSecret] })
    const foreign = await other.signedIn()
    const cookie = foreign.cookies.match(other.origin).find(({ name }) => name === '__Host-Http-coatcheck')?.value
    await other.stop()
    expect((await withCookie(`__Host-Http-coatcheck=${cookie}`)).status).toBe(401)
  })

  it('has every attribute that it should', async () => {
    const fresh = new UserAgent()
    const callback = await fresh.signInUntilCallback(`${system.origin}/bff/login`, {
      username: 'ada',
      password: 'ada-demo',
    })
    const answer = await fresh.visit(callback, { from: system.provider.issuer })
    const [session, ...rest] = answer.headers.getSetCookie()
    const [cleared, id] = [rest.pop(), rest.pop()]
    expect(session).toMatch(/^__Host-Http-coatcheck=Fe26\.2\*[^;]+; Path=\/; HttpOnly; Secure; SameSite=Strict$/)
    expect(id).toMatch(/^__Host-Http-coatcheck-id=[^;]+; Path=\/; HttpOnly; Secure; SameSite=Lax$/)
    expect(cleared).toMatch(/^__Host-Http-coatcheck-login-[^=]+=; Max-Age=0; Path=\/; HttpOnly; Secure; SameSite=Lax$/)
    // A callback comes without Strict cookies, so every part that an older, longer session may have left goes.
    for (const part of rest) {
      expect(part).toMatch(/^__Host-Http-coatcheck\.\d=; Max-Age=0; Path=\/; HttpOnly; Secure; SameSite=Strict$/)
    }
    expect(rest).toHaveLength(2)
  })
})

describe('a host', () => {
  it('that is not ours is 421', async () => {
    const answer = await system.call(browser, '/bff/session', { headers: { Host: 'evil.example' } })
    expect(answer.status).toBe(421)
  })
})

describe('the session', () => {
  it('idles out without a call, and slides with one', async () => {
    const short = await startSystem({ session: { idleTimeout: '5m' } })
    const person = await short.signedIn()
    for (let round = 0; round < 3; round++) {
      await short.advance(240_000)
      expect((await short.call(person, '/api/x')).status).toBe(200)
    }
    await short.advance(200_000)
    const looked = await short.call(person, '/bff/session?slide=false')
    expect(looked.headers.getSetCookie()).toEqual([])
    expect(await looked.json()).toMatchObject({ authenticated: true })
    await short.advance(101_000)
    expect((await short.call(person, '/api/x')).status).toBe(401)
    await short.stop()
  })

  it('ends at its absolute end, whatever happens', async () => {
    const short = await startSystem({ session: { idleTimeout: '5m', absoluteTimeout: '10m' } })
    const person = await short.signedIn()
    for (let round = 0; round < 3; round++) {
      await short.advance(199_000)
      expect((await short.call(person, '/api/x')).status).toBe(200)
    }
    await short.advance(4_000)
    expect((await short.call(person, '/api/x')).status).toBe(401)
    await short.stop()
  })

  it('shows the page times and claims, and no token', async () => {
    const answer = await system.call(browser, '/bff/session')
    const text = await answer.text()
    expect(Object.keys(JSON.parse(text)).sort()).toEqual(
      ['authenticated', 'claims', 'created_at', 'expires_at', 'idle_expires_at', 'ref'].sort(),
    )
    expect(text).not.toMatch(/eyJ/)
  })
})
