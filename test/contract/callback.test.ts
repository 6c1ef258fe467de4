import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { UserAgent } from '../support/browser.ts'
import { type System, startSystem } from '../support/system.ts'

let system: System
beforeAll(async () => {
  system = await startSystem()
})
afterAll(() => system.stop())
beforeEach(() => system.provider.token.forget())

const ada = { username: 'ada', password: 'ada-demo' }
const codeGrants = () => system.provider.token.count({ grantType: 'authorization_code' })
const login = (returnTo = '/') => `${system.origin}/bff/login?return_to=${encodeURIComponent(returnTo)}`
const isSignedIn = async (browser: UserAgent) =>
  ((await (await system.call(browser, '/bff/session')).json()) as { authenticated: boolean }).authenticated

/** The provider's pages done, the callback not sent yet. */
async function upToCallback(browser: UserAgent, returnTo?: string): Promise<URL> {
  return browser.signInUntilCallback(login(returnTo), ada)
}

describe('the callback', () => {
  it('leads to the deep link that the sign-in began at', async () => {
    const browser = new UserAgent()
    const callback = await upToCallback(browser, '/orders/7?tab=items')
    const answer = await browser.visit(callback, { from: system.provider.issuer })
    expect(answer.status).toBe(303)
    expect(answer.headers.get('location')).toBe(`${system.origin}/orders/7?tab=items`)
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(answer.headers.get('referrer-policy')).toBe('no-referrer')
  })

  it('that arrives twice at once is redeemed once, and both get the session', async () => {
    const browser = new UserAgent()
    const callback = await upToCallback(browser)
    const answers = await Promise.all([
      browser.visit(callback, { from: system.provider.issuer }),
      browser.visit(callback, { from: system.provider.issuer }),
    ])
    expect(answers.map((answer) => answer.headers.get('location'))).toEqual([`${system.origin}/`, `${system.origin}/`])
    expect(codeGrants()).toBe(1)
    expect(await isSignedIn(browser)).toBe(true)
  })

  it('that is replayed after it was used is an expired sign-in, and asks the provider nothing', async () => {
    const browser = new UserAgent()
    const callback = await upToCallback(browser)
    await browser.visit(callback, { from: system.provider.issuer })
    const again = await browser.visit(callback, { from: system.provider.issuer })
    expect(again.headers.get('location')).toBe(`${system.origin}/?login_error=login_expired`)
    expect(codeGrants()).toBe(1)
    expect(await isSignedIn(browser)).toBe(true)
  })

  it('in another browser than the one that began it signs nobody in', async () => {
    const callback = await upToCallback(new UserAgent())
    const victim = await system.signedIn('grace')
    system.provider.token.forget()
    const answer = await victim.visit(callback, { from: system.provider.issuer })
    expect(answer.headers.get('location')).toBe(`${system.origin}/?login_error=login_expired`)
    expect(codeGrants()).toBe(0)
    const session = await (await system.call(victim, '/bff/session')).json()
    expect(session).toMatchObject({ claims: { name: 'Grace Hopper' } })
  })

  it('after ten minutes is an expired sign-in', async () => {
    const browser = new UserAgent()
    const callback = await upToCallback(browser)
    await system.advance(601_000)
    const answer = await browser.visit(callback, { from: system.provider.issuer })
    expect(answer.headers.get('location')).toBe(`${system.origin}/?login_error=login_expired`)
    expect(codeGrants()).toBe(0)
  })

  it.each([
    ['no state', (url: URL) => url.searchParams.delete('state'), 'login_expired'],
    ['a state of nobody', (url: URL) => url.searchParams.set('state', 'x'.repeat(60)), 'login_expired'],
    [
      'a changed state',
      (url: URL) => url.searchParams.set('state', `${url.searchParams.get('state')}x`),
      'login_failed',
    ],
    ['two states', (url: URL) => url.searchParams.append('state', 'x'), 'login_failed'],
    ['no code', (url: URL) => url.searchParams.delete('code'), 'login_failed'],
    ['a wrong code', (url: URL) => url.searchParams.set('code', 'wrong'), 'login_failed'],
    ['the iss of another server', (url: URL) => url.searchParams.set('iss', 'https://evil.example'), 'login_failed'],
    ['no iss', (url: URL) => url.searchParams.delete('iss'), 'login_failed'],
  ])('with %s signs nobody in', async (_what, change, code) => {
    const browser = new UserAgent()
    const callback = await upToCallback(browser)
    change(callback)
    const answer = await browser.visit(callback, { from: system.provider.issuer })
    // On a developer's machine a state of nobody may also be told of on a page; here the cookie is there.
    expect(answer.headers.get('location')).toBe(`${system.origin}/?login_error=${code}`)
    expect(await isSignedIn(browser)).toBe(false)
  })

  it('with an error of the server says it by a code of a closed list, set and not appended', async () => {
    const browser = new UserAgent()
    const callback = await upToCallback(browser, '/orders?login_error=old&page=2')
    callback.searchParams.delete('code')
    callback.searchParams.set('error', 'access_denied')
    callback.searchParams.set('error_description', '<script>alert(1)</script>')
    const answer = await browser.visit(callback, { from: system.provider.issuer })
    const location = new URL(answer.headers.get('location') ?? '')
    expect(location.pathname).toBe('/orders')
    expect(location.searchParams.getAll('login_error')).toEqual(['access_denied'])
    expect(location.searchParams.get('page')).toBe('2')
    expect(location.search).not.toContain('script')
  })

  it('with an error that is not on the list says login_failed', async () => {
    const browser = new UserAgent()
    const callback = await upToCallback(browser)
    callback.searchParams.delete('code')
    callback.searchParams.set('error', 'login_expired')
    const answer = await browser.visit(callback, { from: system.provider.issuer })
    expect(answer.headers.get('location')).toBe(`${system.origin}/?login_error=login_failed`)
  })

  it('when consent was denied comes back to the app, signed out', async () => {
    const browser = new UserAgent()
    const answer = await browser.signInAtProvider(`${login('/welcome')}&prompt=consent`, { ...ada, consent: 'deny' })
    expect(answer.headers.get('location')).toContain('access_denied')
    expect(await isSignedIn(browser)).toBe(false)
  })

  it('takes GET only: HEAD redeems nothing', async () => {
    const browser = new UserAgent()
    const callback = await upToCallback(browser)
    const head = await browser.fetch(callback, { method: 'HEAD' })
    expect(head.status).toBe(405)
    expect(codeGrants()).toBe(0)
  })
})

describe('two sign-ins of one browser at once', () => {
  it('both come to their end, and the later one stands alone', async () => {
    const browser = new UserAgent()
    const first = await browser.signInUntilCallback(login('/a'), ada)
    const second = await browser.signInUntilCallback(login('/b'), ada)
    const answer = await browser.visit(first, { from: system.provider.issuer })
    expect(answer.headers.get('location')).toBe(`${system.origin}/a`)
    const oldCookie = browser.cookies.header(system.origin) ?? ''
    expect((await browser.visit(second, { from: system.provider.issuer })).headers.get('location')).toBe(
      `${system.origin}/b`,
    )
    expect(await isSignedIn(browser)).toBe(true)
    const old = await browser.fetch(`${system.origin}/api/x`, {
      withCookies: false,
      headers: { 'X-CSRF': '1', Cookie: oldCookie },
    })
    expect(old.status).toBe(401)
  })

  it('keep their cookies under four kilobytes: the oldest goes', async () => {
    const browser = new UserAgent()
    for (let attempt = 0; attempt < 12; attempt++) {
      await browser.visit(login('/'))
      await system.advance(1000)
    }
    const logins = browser.cookies.match(system.origin).filter(({ name }) => name.includes('-login-'))
    const bytes = logins.reduce((sum, { name, value }) => sum + name.length + value.length, 0)
    expect(bytes).toBeLessThan(4096)
    expect(logins.length).toBeGreaterThan(2)
  })
})

describe('a new sign-in', () => {
  it('makes a new session, and the old one is worth nothing any more', async () => {
    const browser = await system.signedIn('ada')
    const old = browser.cookies.header(system.origin) ?? ''
    await browser.navigate(login('/'))
    const answer = await browser.fetch(`${system.origin}/api/x`, {
      withCookies: false,
      headers: { 'X-CSRF': '1', Cookie: old },
    })
    expect(answer.status).toBe(401)
    expect(answer.headers.getSetCookie()).toEqual([])
    expect((await system.call(browser, '/api/x')).status).toBe(200)
  })

  it('does not end the grant that the new session shares with the old one', async () => {
    const browser = await system.signedIn('ada')
    await browser.navigate(login('/'))
    await system.advance(601_000)
    expect((await system.call(browser, '/api/x')).status).toBe(200)
  })
})
