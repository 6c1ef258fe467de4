import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose'
import { calculatePKCECodeChallenge, randomPKCECodeVerifier } from 'openid-client'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { apiResource, clientIds, type RunningProvider, startProvider } from '../../spa-example/provider/index.ts'
import { readForms, redirectTarget, UserAgent } from '../support/browser.ts'

const appOrigin = 'http://localhost:39001'
const redirectUri = `${appOrigin}/bff/callback`
const ada = { username: 'ada', password: 'ada-demo' }
const grace = { username: 'grace', password: 'grace-demo' }
const scope = 'openid profile email offline_access orders:read files:write'

interface TokenAnswer {
  readonly status: number
  readonly body: Record<string, string>
}

let provider: RunningProvider
let browser: UserAgent

beforeEach(async () => {
  provider = await startProvider({ appOrigin })
  browser = new UserAgent()
})

afterEach(async () => {
  vi.useRealTimers()
  await provider.stop()
})

describe('signing in', () => {
  test('gives a code for tokens: a JWT for the API, an ID token with the profile, a refresh token', async () => {
    const tokens = await signIn()
    const keys = createRemoteJWKSet(new URL(`${provider.issuer}/jwks`))
    const access = await jwtVerify(tokens.access_token ?? '', keys, {
      issuer: provider.issuer,
      audience: apiResource,
      typ: 'at+jwt',
    })
    expect(access.payload).toMatchObject({ sub: 'usr_01_ada', client_id: clientIds.basic })
    expect(access.payload.scope).toBe('orders:read files:write')
    expect(Number(access.payload.exp) - Number(access.payload.iat)).toBe(60)

    const id = await jwtVerify(tokens.id_token ?? '', keys, { issuer: provider.issuer, audience: clientIds.basic })
    expect(id.payload).toMatchObject({ name: 'Ada Lovelace', email: 'ada@example.com', nonce: 'n-1' })
    expect(id.payload.sid).toEqual(expect.any(String))
    expect(tokens.refresh_token).toEqual(expect.any(String))
  })

  test('comes back with the state and the issuer (RFC 9207)', async () => {
    const { url } = await authorizationUrl()
    const callback = await browser.signInUntilCallback(url, ada)
    expect(callback.origin + callback.pathname).toBe(redirectUri)
    expect(callback.searchParams.get('state')).toBe('s-1')
    expect(callback.searchParams.get('iss')).toBe(provider.issuer)
  })

  test('prints nothing while it starts and signs somebody in', async () => {
    const printed = [vi.spyOn(console, 'warn'), vi.spyOn(console, 'info'), vi.spyOn(console, 'error')]
    const quiet = await startProvider({ appOrigin })
    const { url } = await authorizationUrl({}, quiet)
    await browser.signInUntilCallback(url, ada)
    await quiet.stop()
    for (const spy of printed) {
      expect(spy).not.toHaveBeenCalled()
      spy.mockRestore()
    }
  })

  test('refuses a wrong password, escapes what was typed, and takes the right one afterwards', async () => {
    const { url } = await authorizationUrl()
    const page = await browser.navigate(url)
    const hostile = '"><script>alert(1)</script>'
    const refused = await browser.submit(page, { fields: { username: hostile, password: 'nonsense' } })
    const markup = await refused.clone().text()
    expect(refused.status).toBe(422)
    expect(markup).toContain('role="alert"')
    expect(markup).not.toContain('<script>alert')
    expect(readForms(markup, refused.url)[0]?.fields.get('username')).toBe(hostile)

    const accepted = await browser.submit(refused, { fields: ada })
    expect(accepted.status).toBe(303)
  })

  test('fills in the login_hint, escaped', async () => {
    const { url } = await authorizationUrl({ login_hint: 'grace"><b>' })
    const page = await browser.navigate(url)
    const markup = await page.text()
    expect(markup).not.toContain('<b>')
    expect(readForms(markup, page.url)[0]?.fields.get('username')).toBe('grace"><b>')
  })

  test('asks for consent once for an account and a client, and in another browser not again', async () => {
    const { url } = await authorizationUrl()
    const first = await pagesOf(browser, url, ada)
    expect(first).toEqual(['Sign in', 'Allow'])
    const second = await pagesOf(new UserAgent(), url, ada)
    expect(second).toEqual(['Sign in'])
    const another = await pagesOf(new UserAgent(), url, grace)
    expect(another).toEqual(['Sign in', 'Allow'])
  })

  test('asks again for a scope that was not allowed yet, and names it in plain words', async () => {
    await signIn()
    const { url } = await authorizationUrl({ scope: 'openid orders:read orders:write' })
    const page = await browser.navigate(url)
    expect(await page.text()).toContain('Change orders')
  })

  test('is silent for somebody who is signed in, and login_required with prompt=none for who is not', async () => {
    const { url } = await authorizationUrl({ prompt: 'none' })
    const refused = redirectTarget(await browser.visit(url))
    expect(refused?.searchParams.get('error')).toBe('login_required')

    await signIn()
    const silent = redirectTarget(await browser.visit(url))
    expect(silent?.searchParams.get('code')).toEqual(expect.any(String))
  })

  test('asks for the password again with prompt=login', async () => {
    await signIn()
    const { url } = await authorizationUrl({ prompt: 'login' })
    const page = await browser.navigate(url)
    expect(readForms(await page.text(), page.url)[0]?.fields.has('password')).toBe(true)
  })

  test.each([
    ['deny', 'the consent page'],
    ['cancel', 'the sign-in page'],
  ])('%s on %s is access_denied at the callback', async (button) => {
    const { url } = await authorizationUrl()
    let page = await browser.navigate(url)
    if (button === 'deny') page = await browser.follow(await browser.submit(page, { fields: ada }))
    const back = await browser.follow(await browser.submit(page, { button }), isCallback)
    expect(redirectTarget(back)?.searchParams.get('error')).toBe('access_denied')
    expect(redirectTarget(back)?.searchParams.get('state')).toBe('s-1')
  })

  test('says so when a sign-in page is used that is over', async () => {
    const { url } = await authorizationUrl()
    const page = await browser.navigate(url)
    const consent = await browser.follow(await browser.submit(page, { fields: ada }))
    await browser.follow(await browser.submit(consent, { button: 'allow' }), isCallback)

    const again = await browser.submit(consent, { button: 'allow' })
    expect(again.status).toBe(400)
    expect(await again.text()).toContain('This sign-in is over')
  })

  test('does not let another browser take part in a sign-in', async () => {
    const { url } = await authorizationUrl()
    const page = await browser.navigate(url)
    const stranger = await new UserAgent().navigate(page.url)
    expect(stranger.status).toBe(400)
    expect(await stranger.text()).not.toContain('password')
  })

  test('refuses a form that another origin of the same site sends, and one that is too large', async () => {
    const { url } = await authorizationUrl()
    const page = await browser.navigate(url)
    const body = new URLSearchParams({ ...ada, action: 'sign-in' })
    const forged = await browser.visit(page.url, { method: 'POST', body, from: 'http://127.0.0.1:1/' })
    const opaque = await browser.visit(page.url, { method: 'POST', body, headers: { origin: 'null' } })
    expect([forged.status, opaque.status]).toEqual([403, 403])

    const large = new URLSearchParams({ username: 'a'.repeat(20_000), action: 'sign-in' })
    const refused = await browser.visit(page.url, { method: 'POST', body: large, from: page.url })
    expect(refused.status).toBe(413)
  })

  test('keeps its pages out of frames, caches and reach of inline script', async () => {
    const { url } = await authorizationUrl()
    const page = await browser.navigate(url)
    const policy = page.headers.get('content-security-policy') ?? ''
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).not.toContain('unsafe-inline')
    expect(page.headers.get('cache-control')).toBe('no-store')
    expect(await page.text()).not.toMatch(/<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=/i)
  })

  test.each([
    ['without PKCE', { code_challenge: undefined, code_challenge_method: undefined }, 'invalid_request'],
    ['with plain PKCE', { code_challenge_method: 'plain' }, 'invalid_request'],
    ['for another resource', { resource: 'https://other.example' }, 'invalid_target'],
    ['for an implicit token', { response_type: 'token' }, 'unsupported_response_type'],
  ])('refuses an authorization request %s', async (_, change, error) => {
    const { url } = await authorizationUrl(change)
    const back = redirectTarget(await browser.visit(url))
    const answer = new URLSearchParams(back?.search || back?.hash.slice(1))
    expect(answer.get('error')).toBe(error)
  })

  test('shows a page and does not redirect when the redirect URI is not registered', async () => {
    const { url } = await authorizationUrl({ redirect_uri: 'https://elsewhere.example/callback' })
    const page = await browser.visit(url)
    expect(page.status).toBe(400)
    expect(page.headers.get('location')).toBeNull()
    expect(await page.text()).toContain('invalid_redirect_uri')
  })
})

describe('the token endpoint', () => {
  test('takes client_secret_post from the client that is registered for it, and refuses a wrong secret', async () => {
    const { url, verifier } = await authorizationUrl({ client_id: clientIds.post })
    const callback = await browser.signInUntilCallback(url, ada)
    const body = codeGrant(callback, verifier)
    const client = { client_id: clientIds.post, client_secret: provider.clientSecret }

    const wrong = await post('/token', { ...body, ...client, client_secret: 'wrong' }, null)
    expect([wrong.status, wrong.body.error]).toEqual([401, 'invalid_client'])
    const right = await post('/token', { ...body, ...client }, null)
    expect(right.status).toBe(200)
  })

  test('rotates: the second use of a refresh token ends the whole family', async () => {
    const first = await signIn()
    const second = await refresh(first.refresh_token)
    expect(second.status).toBe(200)
    expect(second.body.refresh_token).not.toBe(first.refresh_token)

    const reused = await refresh(first.refresh_token)
    expect([reused.status, reused.body.error]).toEqual([400, 'invalid_grant'])
    const newest = await refresh(second.body.refresh_token)
    expect([newest.status, newest.body.error]).toEqual([400, 'invalid_grant'])
    expect(provider.token.count({ grantType: 'refresh_token', outcome: 'succeeded' })).toBe(1)
    expect(provider.token.count({ grantType: 'refresh_token', error: 'invalid_grant' })).toBe(2)
  })

  test('takes a refresh token again within the grace period, and ends the family after it', async () => {
    await provider.stop()
    provider = await startProvider({ appOrigin, gracePeriodSeconds: 10 })
    const first = await signIn()
    const second = await refresh(first.refresh_token)
    const again = await refresh(first.refresh_token)
    expect([second.status, again.status]).toEqual([200, 200])
    expect(again.body.refresh_token).not.toBe(second.body.refresh_token)

    // Uses within the period do not make it longer: it counts from the first.
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 11_000 })
    const late = await refresh(first.refresh_token)
    expect([late.status, late.body.error]).toEqual([400, 'invalid_grant'])
    const newest = await refresh(again.body.refresh_token)
    expect(newest.status).toBe(400)
  })

  test('without rotation the same refresh token works again and again', async () => {
    await provider.stop()
    provider = await startProvider({ appOrigin, rotation: false })
    const { refresh_token } = await signIn()
    const answers = [await refresh(refresh_token), await refresh(refresh_token)]
    expect(answers.map(({ status, body }) => [status, body.refresh_token])).toEqual([
      [200, refresh_token],
      [200, refresh_token],
    ])
  })

  test('gives a fresh access token and ID token of the same person at each refresh', async () => {
    const first = await signIn()
    const { body } = await refresh(first.refresh_token)
    expect(decodeJwt(body.access_token ?? '').jti).not.toBe(decodeJwt(first.access_token ?? '').jti)
    const { sub, sid } = decodeJwt(body.id_token ?? '')
    expect({ sub, sid }).toEqual({ sub: 'usr_01_ada', sid: decodeJwt(first.id_token ?? '').sid })
  })

  test('access tokens live as long as the option says', async () => {
    await provider.stop()
    provider = await startProvider({ appOrigin, accessTokenSeconds: 5 })
    const tokens = await signIn()
    const { exp, iat } = decodeJwt(tokens.access_token ?? '')
    expect([Number(exp) - Number(iat), Number(tokens.expires_in)]).toEqual([5, 5])
  })

  test('revoking a refresh token ends it, and introspection says so', async () => {
    const { refresh_token = '' } = await signIn()
    const before = await post('/token/introspection', { token: refresh_token })
    expect(before.body.active).toBe(true)
    expect((await post('/token/revocation', { token: refresh_token })).status).toBe(200)
    const after = await post('/token/introspection', { token: refresh_token })
    expect(after.body).toEqual({ active: false })
    expect((await refresh(refresh_token)).body.error).toBe('invalid_grant')
  })
})

describe('faults of the token endpoint', () => {
  test('503 and a reset come before the request is handled: the refresh token is still good', async () => {
    const { refresh_token } = await signIn()
    provider.token.inject('503', 1)
    const busy = await refresh(refresh_token)
    expect([busy.status, busy.body.error]).toEqual([503, 'temporarily_unavailable'])
    provider.token.inject('reset', 1)
    await expect(refresh(refresh_token)).rejects.toThrow()
    expect((await refresh(refresh_token)).status).toBe(200)
    expect(provider.token.count({ grantType: 'refresh_token', outcome: 'not-handled' })).toBe(2)
  })

  test('a lost answer comes after it: the refresh token is spent', async () => {
    const { refresh_token } = await signIn()
    provider.token.inject('lose-answer', 1)
    await expect(refresh(refresh_token)).rejects.toThrow()
    expect(provider.token.count({ grantType: 'refresh_token', outcome: 'succeeded' })).toBe(1)
    expect((await refresh(refresh_token)).body.error).toBe('invalid_grant')
  })

  test('garbage is no token response, and an answer of one own is given as it is', async () => {
    const { refresh_token = '' } = await signIn()
    provider.token.inject('garbage', 1)
    const garbage = await send('/token', { grant_type: 'refresh_token', refresh_token })
    expect([garbage.status, garbage.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8'])

    provider.token.inject({ status: 429, body: { error: 'slow_down' }, headers: { 'Retry-After': '7' } }, 1)
    const own = await send('/token', { grant_type: 'refresh_token', refresh_token })
    expect([own.status, own.headers.get('retry-after'), await own.json()]).toEqual([429, '7', { error: 'slow_down' }])
  })

  test('a held answer waits until it is released', async () => {
    const { refresh_token } = await signIn()
    provider.token.inject('hold-answer')
    let isAnswered = false
    const answer = refresh(refresh_token).then((result) => {
      isAnswered = true
      return result
    })
    await provider.token.whenHeld(1)
    expect(isAnswered).toBe(false)
    provider.token.clear()
    expect((await answer).status).toBe(200)
  })

  test('a request that hangs ends when the provider stops', async () => {
    const { refresh_token } = await signIn()
    provider.token.inject('hang')
    const answer = refresh(refresh_token)
    const failure = expect(answer).rejects.toThrow()
    await vi.waitFor(() => expect(provider.token.count({ outcome: 'not-handled' })).toBe(1))
    await provider.stop()
    await failure
  })

  test('the provider goes down and comes back with what it knew', async () => {
    const { refresh_token } = await signIn()
    await provider.goDown()
    await expect(refresh(refresh_token)).rejects.toThrow()
    await provider.comeBack()
    expect((await refresh(refresh_token)).status).toBe(200)
  })
})

describe('signing out', () => {
  test('with an ID token of this person goes through without a question, and back to the application', async () => {
    const { id_token = '', refresh_token } = await signIn()
    const url = endSessionUrl({ id_token_hint: id_token, post_logout_redirect_uri: `${appOrigin}/`, state: 'bye' })
    const page = await browser.navigate(url)
    const markup = await page.clone().text()
    expect(markup).toContain('Signing you out')
    expect(markup).toContain('/assets/submit-now.js')

    const back = await browser.follow(await browser.submit(page), (next) => next.origin === appOrigin)
    expect(redirectTarget(back)?.href).toBe(`${appOrigin}/?state=bye`)
    const { url: silent } = await authorizationUrl({ prompt: 'none' })
    expect(redirectTarget(await browser.visit(silent))?.searchParams.get('error')).toBe('login_required')
    expect((await refresh(refresh_token)).body.error).toBe('invalid_grant')
  })

  test('without one asks first; staying signed in is possible', async () => {
    await signIn()
    const page = await browser.navigate(endSessionUrl({ client_id: clientIds.basic }))
    const markup = await page.clone().text()
    expect(markup).not.toContain('<script')
    expect(readForms(markup, page.url)[0]?.buttons.map(({ text }) => text)).toEqual(['Sign out', 'Stay signed in'])

    const stayed = await browser.follow(await browser.submit(page, { button: 'Stay signed in' }))
    expect(await stayed.text()).toContain('stays signed in')
    const { url } = await authorizationUrl({ prompt: 'none' })
    expect(redirectTarget(await browser.visit(url))?.searchParams.get('error')).not.toBe('login_required')
  })

  test('with an ID token of somebody else asks, too', async () => {
    const stranger = new UserAgent()
    const tokens = await signIn(stranger, grace)
    await signIn()
    const page = await browser.navigate(endSessionUrl({ id_token_hint: tokens.id_token ?? '' }))
    expect(await page.text()).toContain('Stay signed in')
  })

  test('does not redirect to an address that is not registered', async () => {
    const { id_token = '' } = await signIn()
    const url = endSessionUrl({ id_token_hint: id_token, post_logout_redirect_uri: 'https://elsewhere.example/' })
    const page = await browser.visit(url)
    expect([page.status, page.headers.get('location')]).toEqual([400, null])
  })
})

test('a page that is not there says so, and the root says what this is', async () => {
  const missing = await browser.navigate(`${provider.url}/nowhere`)
  expect([missing.status, (await missing.text()).includes('There is nothing here')]).toEqual([404, true])
  const root = await browser.navigate(`${provider.url}/`)
  expect([root.status, (await root.text()).includes(appOrigin)]).toEqual([200, true])
  const style = await browser.fetch(`${provider.url}/assets/provider.css`)
  expect(style.headers.get('content-type')).toBe('text/css; charset=utf-8')
})

// --- Helpers ------------------------------------------------------------------------------------------

async function authorizationUrl(change: Record<string, string | undefined> = {}, at = provider) {
  const verifier = randomPKCECodeVerifier()
  const parameters: Record<string, string | undefined> = {
    client_id: clientIds.basic,
    response_type: 'code',
    redirect_uri: redirectUri,
    scope,
    state: 's-1',
    nonce: 'n-1',
    code_challenge: await calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    ...change,
  }
  const url = new URL(`${at.issuer}/auth`)
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) url.searchParams.set(name, value)
  return { url, verifier }
}

async function signIn(agent = browser, credentials = ada): Promise<Record<string, string>> {
  const { url, verifier } = await authorizationUrl()
  const callback = await agent.signInUntilCallback(url, credentials)
  const { status, body } = await post('/token', codeGrant(callback, verifier))
  expect(status).toBe(200)
  return body
}

function codeGrant(callback: URL, verifier: string): Record<string, string> {
  const code = callback.searchParams.get('code') ?? ''
  return { grant_type: 'authorization_code', code, redirect_uri: redirectUri, code_verifier: verifier }
}

function refresh(refreshToken = ''): Promise<TokenAnswer> {
  return post('/token', { grant_type: 'refresh_token', refresh_token: refreshToken })
}

async function post(
  path: string,
  body: Record<string, string>,
  clientId: string | null = clientIds.basic,
): Promise<TokenAnswer> {
  const response = await send(path, body, clientId)
  const text = await response.text()
  return { status: response.status, body: text === '' ? {} : JSON.parse(text) }
}

function send(path: string, body: Record<string, string>, clientId: string | null = clientIds.basic) {
  const basic = Buffer.from(`${clientId}:${provider.clientSecret}`).toString('base64')
  return fetch(provider.issuer + path, {
    method: 'POST',
    body: new URLSearchParams(body),
    headers: clientId === null ? {} : { Authorization: `Basic ${basic}` },
  })
}

function endSessionUrl(parameters: Record<string, string>): string {
  return `${provider.issuer}/session/end?${new URLSearchParams(parameters)}`
}

function isCallback(next: URL): boolean {
  return next.origin === appOrigin
}

/** The first words of the heading of each page that a sign-in showed. */
async function pagesOf(agent: UserAgent, url: URL, credentials: typeof ada): Promise<string[]> {
  const headings: string[] = []
  let response = await agent.follow(await agent.visit(url), isCallback)
  while (redirectTarget(response) === undefined) {
    const markup = await response.clone().text()
    const [form] = readForms(markup, response.url)
    const isSignIn = form?.fields.has('password') === true
    headings.push(/<h1>(Sign in|Allow)/.exec(markup)?.[1] ?? markup)
    const answer = isSignIn ? { fields: credentials } : { button: 'allow' }
    response = await agent.follow(await agent.submit(response, answer), isCallback)
  }
  return headings
}
