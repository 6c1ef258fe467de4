import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { UserAgent } from '../support/browser.ts'
import { type System, startSystem } from '../support/system.ts'

let system: System
beforeAll(async () => {
  system = await startSystem({ accessTokenSeconds: 60 })
})
afterAll(() => system.stop())
beforeEach(() => system.upstream.reset())

/** As the browser sends it. */
const sessionCookie = (browser: UserAgent) =>
  /__Host-Http-coatcheck=[^;]+/.exec(browser.cookies.header(system.origin) ?? '')?.[0] ?? ''

describe('signing out', () => {
  it('clears the cookies, revokes the newest tokens, and leads over the provider back to the app', async () => {
    const browser = await system.signedIn()
    const answer = await system.call(browser, '/bff/logout', { method: 'POST' })
    expect(answer.status).toBe(200)
    expect(await answer.json()).toEqual({ logout_url: '/bff/logout/continue' })
    expect(answer.headers.get('clear-site-data')).toBe('"cache"')
    expect(browser.cookies.header(system.origin)).not.toContain('__Host-Http-coatcheck=')
    const onward = await browser.visit(`${system.origin}/bff/logout/continue`, { from: system.origin })
    expect(onward.status).toBe(303)
    const endSession = new URL(onward.headers.get('location') ?? '')
    expect(endSession.origin).toBe(system.provider.issuer)
    expect(endSession.searchParams.get('id_token_hint')).toBeTruthy()
    expect(endSession.searchParams.get('post_logout_redirect_uri')).toBe(`${system.origin}/`)
  })

  it('makes the old cookie worthless at once, wherever it was copied to', async () => {
    const browser = await system.signedIn()
    const cookie = browser.cookies.header(system.origin) ?? ''
    await system.call(browser, '/bff/logout', { method: 'POST' })
    const answer = await browser.fetch(`${system.origin}/api/x`, {
      withCookies: false,
      headers: { 'X-CSRF': '1', Cookie: cookie },
    })
    expect(answer.status).toBe(401)
  })

  it('wins over a refresh that is under way: what it brings is revoked', async () => {
    const browser = await system.signedIn()
    await system.advance(61_000)
    system.provider.token.inject('hold-answer', 1)
    const call = system.call(browser, '/api/x')
    await system.provider.token.whenHeld(1)
    expect((await system.call(browser, '/bff/logout', { method: 'POST' })).status).toBe(200)
    system.provider.token.clear()
    const answer = await call
    expect(answer.status).toBe(401)
    expect(answer.headers.getSetCookie()).toEqual([])
  })

  it('ends the session that the cookie holds, although the page speaks of another', async () => {
    const browser = await system.signedIn()
    const cookie = browser.cookies.header(system.origin) ?? ''
    const headers = { 'X-CSRF': 'reference-of-another-session' }
    expect((await browser.fetch(`${system.origin}/bff/logout`, { method: 'POST', headers })).status).toBe(200)
    const answer = await browser.fetch(`${system.origin}/api/x`, {
      withCookies: false,
      headers: { 'X-CSRF': '1', Cookie: cookie },
    })
    expect(answer.status).toBe(401)
  })

  it('means the last sign-in too, where a late answer of the one before has put its cookie over it (C3, E1)', async () => {
    const browser = await system.signedIn()
    const earlier = sessionCookie(browser)
    await browser.signIn(`${system.origin}/bff/login?return_to=/`, { username: 'ada', password: 'ada-demo' })
    await system.advance(61_000)
    expect((await system.call(browser, '/api/x')).status).toBe(200)
    const last = browser.cookies.header(system.origin) ?? ''
    const newestToken = system.provider.token.requests.at(-1)?.issuedRefreshToken
    browser.cookies.set(system.origin, `${earlier}; Secure; HttpOnly; SameSite=Strict; Path=/`)
    const isLive = async () => (await system.provider.provider.RefreshToken.find(newestToken ?? '')) !== undefined
    expect(await isLive()).toBe(true)

    const answer = await system.call(browser, '/bff/logout', { method: 'POST' })
    expect(answer.status).toBe(200)
    const call = await browser.fetch(`${system.origin}/api/x`, {
      withCookies: false,
      headers: { 'X-CSRF': '1', Cookie: last },
    })
    expect(call.status).toBe(401)
    expect(await isLive()).toBe(false)
    const onward = await browser.visit(`${system.origin}/bff/logout/continue`, { from: system.origin })
    expect(new URL(onward.headers.get('location') ?? '').origin).toBe(system.provider.issuer)
  })

  it('leads over the provider as the session that it ended, where the last sign-in is over already (E1)', async () => {
    const [browser, other] = [await system.signedIn(), await system.signedIn('grace')]
    const marker = /__Host-Http-coatcheck-id=[^;]+/.exec(other.cookies.header(system.origin) ?? '')?.[0]
    await system.call(other, '/bff/logout', { method: 'POST' })
    browser.cookies.set(system.origin, `${marker}; Secure; HttpOnly; SameSite=Lax; Path=/`)
    await system.call(browser, '/bff/logout', { method: 'POST' })
    const onward = await browser.visit(`${system.origin}/bff/logout/continue`, { from: system.origin })
    const endSession = new URL(onward.headers.get('location') ?? '')
    expect(endSession.searchParams.get('id_token_hint')).toBeTruthy()
  })

  it('can be done when nobody is signed in, and twice', async () => {
    const browser = await system.signedIn()
    await system.call(browser, '/bff/logout', { method: 'POST' })
    expect((await system.call(browser, '/bff/logout', { method: 'POST' })).status).toBe(200)
  })

  it('leads on once only', async () => {
    const browser = await system.signedIn()
    await system.call(browser, '/bff/logout', { method: 'POST' })
    await browser.visit(`${system.origin}/bff/logout/continue`, { from: system.origin })
    const again = await browser.visit(`${system.origin}/bff/logout/continue`, { from: system.origin })
    expect(again.headers.get('location')).toBe(`${system.origin}/`)
  })

  it('works with the provider down: signed out here, and back to the app', async () => {
    const browser = await system.signedIn()
    await system.provider.goDown()
    expect((await system.call(browser, '/bff/logout', { method: 'POST' })).status).toBe(200)
    await system.provider.comeBack()
    expect(await (await system.call(browser, '/bff/session')).json()).toEqual({ authenticated: false })
  })

  it('needs X-CSRF, and POST', async () => {
    const browser = await system.signedIn()
    expect((await browser.fetch(`${system.origin}/bff/logout`, { method: 'POST' })).status).toBe(403)
    const wrong = await system.call(browser, '/bff/logout')
    expect(wrong.status).toBe(405)
    expect(wrong.headers.get('allow')).toBe('POST')
    expect(await (await system.call(browser, '/bff/session')).json()).toMatchObject({ authenticated: true })
  })
})
