/** A server that is plain OAuth 2, without OpenID Connect: endpoints by hand, no ID token, no nonce. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { UserAgent } from '../support/browser.ts'
import { type ProviderLog, watchProvider } from '../support/provider-log.ts'
import { type System, startSystem } from '../support/system.ts'

let system: System
let log: ProviderLog
beforeAll(async () => {
  system = await startSystem({
    accessTokenSeconds: 60,
    provider: ({ issuer }) => ({
      scope: 'orders:read orders:write',
      metadata: {
        authorizationEndpoint: `${issuer}/auth`,
        tokenEndpoint: `${issuer}/token`,
        revocationEndpoint: `${issuer}/token/revocation`,
      },
    }),
  })
  log = watchProvider(system.provider)
})
afterAll(async () => {
  log.stop()
  await system.stop()
})
beforeEach(() => {
  system.upstream.reset()
  system.provider.token.forget()
  log.clear()
})
afterEach(() => system.provider.token.clear())

const ada = { username: 'ada', password: 'ada-demo' }
const login = () => `${system.origin}/bff/login?return_to=/`
const session = async (browser: UserAgent) => (await system.call(browser, '/bff/session')).json()
const look = async (browser: UserAgent, query: string) =>
  (await (await system.call(browser, `/bff/session${query}`)).json()) as { idle_expires_at: number; created_at: number }
const bearer = () => system.upstream.requests.at(-1)?.headers.authorization

describe('signing in at a plain OAuth 2 server', () => {
  it('asks with PKCE and state, and without what only OpenID Connect has', async () => {
    const answer = await new UserAgent().visit(login())
    const url = new URL(answer.headers.get('location') ?? '')
    expect(url.origin + url.pathname).toBe(`${system.provider.issuer}/auth`)
    expect(Object.fromEntries(url.searchParams)).toEqual({
      client_id: system.provider.clientId,
      response_type: 'code',
      redirect_uri: `${system.origin}/bff/callback`,
      scope: 'orders:read orders:write',
      state: expect.stringMatching(/^[\w.-]{40,}$/),
      code_challenge: expect.stringMatching(/^[\w-]{43}$/),
      code_challenge_method: 'S256',
    })
  })

  it('gives a session that calls the API and knows nothing of the person', async () => {
    const browser = await system.signedIn()
    expect(log.answers.map((body) => Object.keys(body).includes('id_token'))).toEqual([false])
    expect(await session(browser)).toMatchObject({ authenticated: true, claims: {}, ref: expect.any(String) })
    const answer = await system.call(browser, '/api/orders?page=2')
    expect(await answer.json()).toMatchObject({ target: '/v1/orders?page=2' })
    expect(bearer()).toMatch(/^Bearer ey/)
  })

  it('goes on with a refresh when the access token has expired, one for a burst', async () => {
    const browser = await system.signedIn()
    await system.call(browser, '/api/before')
    const before = bearer()
    await system.advance(61_000)
    const answers = await Promise.all([1, 2, 3, 4, 5, 6].map((call) => system.call(browser, `/api/${call}`)))
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 200])
    expect(system.provider.token.count({ grantType: 'refresh_token' })).toBe(1)
    expect(log.answers.at(-1)).not.toHaveProperty('id_token')
    expect(bearer()).not.toBe(before)
    expect(await session(browser)).toMatchObject({ authenticated: true, claims: {} })
  })

  it('never asks for metadata or keys', async () => {
    const browser = await system.signedIn()
    await system.advance(61_000)
    await system.call(browser, '/api/x')
    await system.call(browser, '/bff/logout', { method: 'POST' })
    expect(log.requests).toContain('GET /auth')
    expect(log.requests.filter((request) => request === 'POST /token')).toHaveLength(2)
    expect(log.requests.filter((request) => /well-known|jwks|userinfo|\/me$/.test(request))).toEqual([])
  })
})

describe('signing out', () => {
  it('revokes the newest tokens, and leads to the app: there is no end-session endpoint', async () => {
    const browser = await system.signedIn()
    const cookie = browser.cookies.header(system.origin) ?? ''
    log.clear()
    const answer = await system.call(browser, '/bff/logout', { method: 'POST' })
    expect(await answer.json()).toEqual({ logout_url: '/bff/logout/continue' })
    expect(log.requests).toContain('POST /token/revocation')
    const onward = await browser.visit(`${system.origin}/bff/logout/continue`, { from: system.origin })
    expect(onward.status).toBe(303)
    expect(onward.headers.get('location')).toBe(`${system.origin}/`)
    expect(await session(browser)).toEqual({ authenticated: false })
    const copied = { withCookies: false, headers: { 'X-CSRF': '1', Cookie: cookie } }
    expect((await browser.fetch(`${system.origin}/api/x`, copied)).status).toBe(401)
  })
})

describe('the callback', () => {
  it.each([
    ['a changed state', (url: URL) => url.searchParams.set('state', `${url.searchParams.get('state')}x`)],
    ['the iss of another server', (url: URL) => url.searchParams.set('iss', 'https://evil.example')],
    ['a wrong code', (url: URL) => url.searchParams.set('code', 'wrong')],
    ['two codes', (url: URL) => url.searchParams.append('code', 'wrong')],
    ['an answer of the implicit flow', (url: URL) => url.searchParams.set('response', 'x.y.z')],
  ])('with %s signs nobody in', async (_what, change) => {
    const browser = new UserAgent()
    const url = await browser.signInUntilCallback(login(), ada)
    change(url)
    const answer = await browser.visit(url, { from: system.provider.issuer })
    expect(answer.headers.get('location')).toBe(`${system.origin}/?login_error=login_failed`)
    expect(await session(browser)).toEqual({ authenticated: false })
  })

  it('without iss is fine: this server was not said to send it', async () => {
    const browser = new UserAgent()
    const url = await browser.signInUntilCallback(login(), ada)
    url.searchParams.delete('iss')
    const answer = await browser.visit(url, { from: system.provider.issuer })
    expect(answer.headers.get('location')).toBe(`${system.origin}/`)
    expect(await session(browser)).toMatchObject({ authenticated: true })
  })
})

describe('a token response that says little', () => {
  async function signInWith(body: Record<string, unknown>): Promise<{ browser: UserAgent; location: string | null }> {
    const browser = new UserAgent()
    const url = await browser.signInUntilCallback(login(), ada)
    system.provider.token.inject({ status: 200, body }, 1)
    const answer = await browser.visit(url, { from: system.provider.issuer })
    return { browser, location: answer.headers.get('location') }
  }

  it('without scope, expires_in and refresh_token is a session that lasts', async () => {
    const { browser, location } = await signInWith({ access_token: 'opaque-1', token_type: 'bearer' })
    expect(location).toBe(`${system.origin}/`)
    await system.advance(20 * 60_000)
    expect((await system.call(browser, '/api/x')).status).toBe(200)
    expect(bearer()).toBe('Bearer opaque-1')
    expect(system.provider.token.count({ grantType: 'refresh_token' })).toBe(0)
  })

  it('without a refresh token ends with its access token', async () => {
    const { browser } = await signInWith({ access_token: 'opaque-2', token_type: 'Bearer', expires_in: 300 })
    expect((await system.call(browser, '/api/x')).status).toBe(200)
    await system.advance(301_000)
    const over = await system.call(browser, '/api/x')
    expect(over.status).toBe(401)
    expect(await over.json()).toMatchObject({ code: 'login_required' })
    expect(await session(browser)).toEqual({ authenticated: false })
  })

  it('with an expires_in of digits in quotes, as some servers send it, counts all the same', async () => {
    const { browser, location } = await signInWith({
      access_token: 'opaque-3',
      token_type: 'Bearer',
      expires_in: '300',
    })
    expect(location).toBe(`${system.origin}/`)
    expect((await system.call(browser, '/api/x')).status).toBe(200)
    await system.advance(301_000)
    expect((await system.call(browser, '/api/x')).status).toBe(401)
  })

  it('with an end of its refresh token (refresh_expires_in) ends with it, and says so to the page', async () => {
    const tokens = { access_token: 'opaque-4', token_type: 'Bearer', expires_in: 60 }
    const { browser } = await signInWith({ ...tokens, refresh_token: 'r-1', refresh_expires_in: 120 })
    const before = await look(browser, '?slide=false')
    expect(before.idle_expires_at - before.created_at).toBe(120)
    // A page that only looks leaves it as it is; one that stays has the refresh token used.
    await system.advance(61_000)
    expect(await look(browser, '?slide=false')).toEqual(before)
    expect(system.provider.token.count({ grantType: 'refresh_token' })).toBe(0)
    const next = { access_token: 'opaque-5', refresh_token: 'r-2', refresh_expires_in: '120' }
    system.provider.token.inject({ status: 200, body: { ...tokens, ...next } }, 1)
    const after = await look(browser, '')
    expect(after.idle_expires_at - before.created_at).toBeGreaterThan(175)
    await system.advance(121_000)
    const over = await system.call(browser, '/api/x')
    expect(over.status).toBe(401)
    expect(await over.json()).toMatchObject({ code: 'login_required', silent: true })
    expect(await session(browser)).toEqual({ authenticated: false })
    expect(system.provider.token.count({ grantType: 'refresh_token' })).toBe(1)
  })

  it('with an access token that lasts for no time is refreshed when the API refuses it', async () => {
    const { browser } = await signInWith({ access_token: 'opaque-6', token_type: 'Bearer', expires_in: 0 })
    expect((await system.call(browser, '/api/x')).status).toBe(200)
    expect(bearer()).toBe('Bearer opaque-6')
  })

  it.each([
    ['a token type that is not Bearer', { access_token: 'x', token_type: 'mac' }],
    ['no token type', { access_token: 'x' }],
    ['no access token', { token_type: 'Bearer' }],
    ['an access token that is no string', { access_token: 7, token_type: 'Bearer' }],
    ['an ID token that is none', { access_token: 'x', token_type: 'Bearer', id_token: 'garbage' }],
    ['an error in a 200', { error: 'invalid_grant' }],
  ])('with %s signs nobody in', async (_what, body) => {
    const { browser, location } = await signInWith(body)
    expect(location).toBe(`${system.origin}/?login_error=login_failed`)
    expect(await session(browser)).toEqual({ authenticated: false })
  })

  it.each([
    ['a line break', 'x\r\nX-Admin: 1'],
    ['a space', 'x y'],
    ['a character beyond ASCII', 'é'],
    ['nothing in it', ''],
  ])('with an access token that has %s never writes it into a header', async (_what, token) => {
    const { browser, location } = await signInWith({ access_token: token, token_type: 'Bearer' })
    expect(location).toBe(`${system.origin}/?login_error=login_failed`)
    expect((await system.call(browser, '/api/x')).status).toBe(401)
    expect(system.upstream.requests).toEqual([])
  })
})

describe('a refresh that brings a token that is no bearer token', () => {
  it.each([
    ['of another type', { access_token: 'x', token_type: 'mac' }],
    ['for DPoP, which nobody asked for', { access_token: 'x', token_type: 'DPoP' }],
    ['with a line break', { access_token: 'x\r\nX-Admin: 1', token_type: 'Bearer' }],
  ])('%s never reaches the API; asked once more, the server gives a good one', async (_what, body) => {
    const browser = await system.signedIn()
    await system.advance(61_000)
    system.provider.token.inject({ status: 200, body }, 1)
    expect((await system.call(browser, '/api/x')).status).toBe(200)
    expect(bearer()).toMatch(/^Bearer ey/)
    expect(system.provider.token.count({ grantType: 'refresh_token' })).toBe(2)
  })
})

describe('a server that is said to send iss', () => {
  let strict: System
  beforeAll(async () => {
    strict = await startSystem({
      provider: ({ issuer }) => ({
        scope: 'orders:read',
        metadata: {
          authorizationEndpoint: `${issuer}/auth?tenant=a%20b`,
          tokenEndpoint: `${issuer}/token`,
          authorizationResponseIssParameterSupported: true,
        },
      }),
    })
  })
  afterAll(() => strict.stop())
  const start = () => `${strict.origin}/bff/login`

  it('has to (RFC 9207)', async () => {
    const browser = new UserAgent()
    const url = await browser.signInUntilCallback(start(), ada)
    url.searchParams.delete('iss')
    const answer = await browser.visit(url, { from: strict.provider.issuer })
    expect(answer.headers.get('location')).toBe(`${strict.origin}/?login_error=login_failed`)
  })

  it('keeps the query of its authorization endpoint (RFC 6749 §3.1)', async () => {
    const url = new URL((await new UserAgent().visit(start())).headers.get('location') ?? '')
    expect(url.searchParams.get('tenant')).toBe('a b')
    expect(url.searchParams.get('scope')).toBe('orders:read')
  })

  it('that has no revocation endpoint can be signed out of all the same', async () => {
    const browser = await strict.signedIn()
    expect((await strict.call(browser, '/bff/logout', { method: 'POST' })).status).toBe(200)
    expect(await (await strict.call(browser, '/bff/session')).json()).toEqual({ authenticated: false })
  })
})
