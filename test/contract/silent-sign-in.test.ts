/** `prompt=none`: a sign-in that shows nothing, or comes back at once with an error of a closed list. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { redirectTarget, UserAgent } from '../support/browser.ts'
import { type System, startSystem } from '../support/system.ts'

let system: System
beforeAll(async () => {
  system = await startSystem({ accessTokenSeconds: 60 })
})
afterAll(() => system.stop())
beforeEach(() => {
  system.upstream.reset()
  system.provider.token.forget()
})
afterEach(() => system.provider.token.clear())

const silent = (returnTo: string) => `${system.origin}/bff/login?prompt=none&return_to=${encodeURIComponent(returnTo)}`
const codeGrants = () => system.provider.token.count({ grantType: 'authorization_code' })
const session = async (browser: UserAgent) => (await system.call(browser, '/bff/session')).json()

/** The callback's answer. */
async function signInSilently(browser: UserAgent, returnTo: string): Promise<Response> {
  const start = await browser.visit(silent(returnTo), { from: system.origin })
  expect(start.status).toBe(302)
  return browser.follow(start, (next) => next.origin === system.origin && next.pathname !== '/bff/callback')
}

function forgetProvider(browser: UserAgent): void {
  for (const { name } of browser.cookies.match(system.provider.issuer)) {
    browser.cookies.delete(system.provider.issuer, name)
  }
}

/** The provider's answer to `prompt=none`, with its error replaced. */
async function callbackWith(browser: UserAgent, error: string, returnTo: string): Promise<URL> {
  const start = await browser.visit(silent(returnTo), { from: system.origin })
  const back = await browser.follow(start, (next) => next.pathname === '/bff/callback')
  const url = redirectTarget(back) as URL
  url.searchParams.set('error', error)
  return url
}

describe('a silent sign-in', () => {
  it('of a person whom the provider knows gives a new session without a page, at the deep link', async () => {
    const browser = await system.signedIn()
    const before = (await session(browser)) as { ref: string }
    const answer = await signInSilently(browser, '/orders/7?tab=items#notes')
    expect(answer.status).toBe(303)
    expect(answer.headers.get('location')).toBe(`${system.origin}/orders/7?tab=items#notes`)
    const after = await session(browser)
    expect(after).toMatchObject({ authenticated: true, claims: { name: 'Ada Lovelace' } })
    expect((after as { ref: string }).ref).not.toBe(before.ref)
  })

  it('of a person whom the provider does not know comes back with login_required, and redeems nothing', async () => {
    const browser = new UserAgent()
    const answer = await signInSilently(browser, '/orders?page=2')
    expect(answer.status).toBe(303)
    expect(answer.headers.get('location')).toBe(`${system.origin}/orders?page=2&login_error=login_required`)
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(codeGrants()).toBe(0)
    expect(await session(browser)).toEqual({ authenticated: false })
  })

  it('that fails leaves the session that stands alone, and clears its own cookie only', async () => {
    const browser = await system.signedIn()
    const before = await session(browser)
    forgetProvider(browser)
    const answer = await signInSilently(browser, '/')
    expect(answer.headers.get('location')).toBe(`${system.origin}/?login_error=login_required`)
    expect(answer.headers.getSetCookie()).toEqual([expect.stringMatching(/^__Host-Http-coatcheck-login-.*Max-Age=0/)])
    expect(await session(browser)).toMatchObject({ authenticated: true, ref: (before as { ref: string }).ref })
  })

  it('replaces a login_error that return_to holds, in front of the fragment', async () => {
    const answer = await signInSilently(new UserAgent(), '/a?login_error=old&b=c%20d&login%5Ferror=older#e?f')
    expect(answer.headers.get('location')).toBe(`${system.origin}/a?b=c%20d&login_error=login_required#e?f`)
  })

  it('that failed can be followed by one that shows the page', async () => {
    const browser = new UserAgent()
    await signInSilently(browser, '/')
    await browser.signIn(`${system.origin}/bff/login`, { username: 'grace', password: 'grace-demo' })
    expect(await session(browser)).toMatchObject({ claims: { name: 'Grace Hopper' } })
  })

  it('heals a session whose refresh was lost on the wire', async () => {
    const browser = await system.signedIn()
    await system.advance(70_000)
    system.provider.token.inject('lose-answer', 1)
    for (const path of ['/api/that-waited', '/api/later']) {
      const lost = await system.call(browser, path)
      expect(lost.status).toBe(401)
      expect(await lost.json()).toMatchObject({ code: 'login_required', silent: true, login_url: '/bff/login' })
    }
    expect(system.upstream.requests.map(({ target }) => target)).toEqual([])
    const answer = await signInSilently(browser, '/orders')
    expect(answer.headers.get('location')).toBe(`${system.origin}/orders`)
    expect((await system.call(browser, '/api/x')).status).toBe(200)
  })
})

describe('an error of the server', () => {
  it.each([
    'login_required',
    'interaction_required',
    'consent_required',
    'account_selection_required',
    'unmet_authentication_requirements',
    'access_denied',
    'invalid_scope',
    'server_error',
    'temporarily_unavailable',
  ])('%s is told as it is', async (error) => {
    const browser = new UserAgent()
    const answer = await browser.visit(await callbackWith(browser, error, '/x'), { from: system.provider.issuer })
    expect(answer.headers.get('location')).toBe(`${system.origin}/x?login_error=${error}`)
    expect(codeGrants()).toBe(0)
  })

  it.each([
    ...[
      'invalid_request',
      'unauthorized_client',
      'unsupported_response_type',
      'invalid_target',
      'registration_not_supported',
    ],
    ...[
      'unknown',
      '',
      'LOGIN_REQUIRED',
      'login_required ',
      '__proto__',
      'constructor',
      'toString',
      '<script>',
      'a&login_error=b',
    ],
    ...['\r\nSet-Cookie: a=b', 'é', 'x'.repeat(3000)],
    // Ours to say, not the server's.
    ...['login_expired', 'login_failed', 'login_refused', 'session_too_large'],
  ])('%j is login_failed', async (error) => {
    const browser = new UserAgent()
    const answer = await browser.visit(await callbackWith(browser, error, '/x'), { from: system.provider.issuer })
    expect(answer.status).toBe(303)
    expect(answer.headers.get('location')).toBe(`${system.origin}/x?login_error=login_failed`)
    expect(answer.headers.getSetCookie()).toEqual([expect.stringMatching(/^__Host-Http-coatcheck-login-.*Max-Age=0/)])
  })

  it('of another server, or of none, is no answer of this one', async () => {
    for (const iss of ['https://evil.example', undefined]) {
      const browser = new UserAgent()
      const url = await callbackWith(browser, 'login_required', '/x')
      if (iss === undefined) url.searchParams.delete('iss')
      else url.searchParams.set('iss', iss)
      const answer = await browser.visit(url, { from: system.provider.issuer })
      expect(answer.headers.get('location')).toBe(`${system.origin}/x?login_error=login_failed`)
    }
  })

  it('twice over, or beside a code, redeems nothing', async () => {
    const browser = new UserAgent()
    const url = await callbackWith(browser, 'login_required', '/x')
    url.searchParams.append('error', 'access_denied')
    url.searchParams.append('code', 'x')
    const answer = await browser.visit(url, { from: system.provider.issuer })
    expect(answer.headers.get('location')).toBe(`${system.origin}/x?login_error=login_failed`)
    expect(codeGrants()).toBe(0)
    expect(await session(browser)).toEqual({ authenticated: false })
  })

  it('that comes again is an expired sign-in', async () => {
    const browser = new UserAgent()
    const url = await callbackWith(browser, 'login_required', '/x')
    await browser.visit(url, { from: system.provider.issuer })
    const other = await system.signedIn()
    const answer = await other.visit(url, { from: system.provider.issuer })
    expect(answer.headers.get('location')).toBe(`${system.origin}/?login_error=login_expired`)
    expect(await session(other)).toMatchObject({ authenticated: true })
  })
})

describe('a server that is down when nothing is known of it yet', () => {
  it('is told of as temporarily_unavailable, and asked again later', async () => {
    const down = await startSystem()
    try {
      await down.provider.goDown()
      const start = `${down.origin}/bff/login?return_to=${encodeURIComponent('/a?login_error=old#b')}`
      const browser = new UserAgent()
      const answer = await browser.visit(start)
      expect(answer.status).toBe(303)
      expect(answer.headers.get('location')).toBe(`${down.origin}/a?login_error=temporarily_unavailable#b`)
      expect(answer.headers.getSetCookie()).toEqual([])
      await down.provider.comeBack()
      await down.advance(5000)
      expect((await browser.visit(start)).status).toBe(302)
    } finally {
      await down.stop()
    }
  })
})
