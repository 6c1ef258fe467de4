import { describe, expect, it } from 'vitest'
import { fakeBrowser, forbiddenStorage, memoryStorage, settle } from './fake-browser.ts'
import { fakeServer, problem, signedIn } from './fake-server.ts'
import { openPage } from './setup.ts'

/** Where the page left for: path and query, as an object. */
function leftFor(left: readonly string[]): Record<string, string> {
  const url = new URL(left.at(-1) ?? '', 'https://app.example.com')
  return { path: url.pathname, ...Object.fromEntries(url.searchParams) }
}

describe('login', () => {
  it('comes back to where the page is, with its query', async () => {
    const page = await openPage({ user: null, browser: fakeBrowser('/orders?status=new&q=a%20b') })
    expect(page.client.login()).toBe(true)
    expect(leftFor(page.browser.left)).toEqual({ path: '/bff/login', return_to: '/orders?status=new&q=a%20b' })
  })

  it('passes on what the app asks of the provider', async () => {
    const page = await openPage({ user: null })
    page.client.login({
      returnTo: '/x',
      prompt: 'login',
      loginHint: 'ann@example.com',
      acrValues: 'two',
      maxAge: 0,
      uiLocales: 'de en',
    })
    expect(leftFor(page.browser.left)).toEqual({
      path: '/bff/login',
      return_to: '/x',
      prompt: 'login',
      login_hint: 'ann@example.com',
      acr_values: 'two',
      max_age: '0',
      ui_locales: 'de en',
    })
  })

  it.each([
    'https://elsewhere.example/',
    '//elsewhere.example/',
    '/\\elsewhere.example',
    'javascript:alert(1)',
    'http://app.example.com/',
    '/%2e/..//elsewhere.example',
  ])('does not go back to %s', async (returnTo) => {
    const page = await openPage({ user: null })
    expect(() => page.client.login({ returnTo })).toThrow(TypeError)
    expect(page.browser.left).toEqual([])
  })

  it.each([
    ['a fragment', '/orders#line-7'],
    ['a long query', `/orders?filter=${'x'.repeat(3000)}`],
    ['a long path', `/${'x'.repeat(3000)}`],
  ])('keeps %s in the tab’s storage and has the whole address back after the sign-in', async (_name, path) => {
    const page = await openPage({ user: null, browser: fakeBrowser(path) })
    page.client.login()
    const { return_to: returnTo = '' } = leftFor(page.browser.left)
    expect(returnTo.length).toBeLessThanOrEqual(1024)
    page.close()
    const back = await openPage({ browser: fakeBrowser(returnTo, page.browser.storage) })
    expect(back.browser.location.href).toBe(`https://app.example.com${path}`)
    const twice = await openPage({ browser: fakeBrowser(returnTo, page.browser.storage) })
    expect(twice.browser.location.href).not.toBe(`https://app.example.com${path}`)
    expect(twice.browser.location.href).not.toContain('coatcheck_return')
  })

  it('does not believe a kept address of another origin', async () => {
    const storage = memoryStorage()
    storage.setItem('coatcheck:/bff:return:k', JSON.stringify({ path: 'https://elsewhere.example/', at: Date.now() }))
    const page = await openPage({ browser: fakeBrowser('/a?coatcheck_return=k', storage) })
    expect(page.browser.location.href).toBe('https://app.example.com/a')
  })

  it('goes without storage, as far as that is possible', async () => {
    const page = await openPage({ user: null, browser: fakeBrowser('/orders?x=1#line', forbiddenStorage()) })
    expect(page.client.login()).toBe(true)
    expect(leftFor(page.browser.left).return_to).toBe('/orders?x=1')
  })

  it('does not go round in a circle by itself, and still does what the person asks for', async () => {
    const page = await openPage({ user: null })
    expect(page.client.login({ isAutomatic: true })).toBe(true)
    page.close()
    const back = await openPage({ user: null, browser: fakeBrowser('/', page.browser.storage) })
    expect(back.client.login({ isAutomatic: true })).toBe(false)
    expect(back.client.login()).toBe(true)
  })
})

describe('a sign-in that failed', () => {
  it('is told by its code, and the address is put in order', async () => {
    const page = await openPage({ user: null, browser: fakeBrowser('/a?x=%7e&login_error=access_denied&y=1#z') })
    expect(page.client.getSession().loginError).toBe('access_denied')
    expect(page.browser.location.href).toBe('https://app.example.com/a?x=%7e&y=1#z')
    page.client.dismissLoginError()
    expect(page.client.getSession().loginError).toBeUndefined()
  })

  it('is not told where a session stands', async () => {
    const page = await openPage({ browser: fakeBrowser('/?login_error=login_expired') })
    expect(page.client.getSession()).toMatchObject({ status: 'authenticated', loginError: undefined })
  })

  it.each(['', 'Access_Denied', '<b>x</b>', 'call us at 555', 'x'.repeat(65)])(
    'is not told by free text: %s',
    async (text) => {
      const browser = fakeBrowser(`/?login_error=${encodeURIComponent(text)}`)
      const page = await openPage({ user: null, browser })
      expect(page.client.getSession().loginError).toBeUndefined()
      expect(page.browser.location.href).toBe('https://app.example.com/')
    },
  )

  it('that asked nothing is no failure to tell of', async () => {
    const page = await openPage({ user: null })
    page.client.login({ prompt: 'none' })
    page.close()
    const browser = fakeBrowser('/?login_error=login_required', page.browser.storage)
    const back = await openPage({ user: null, browser })
    expect(back.client.getSession().loginError).toBeUndefined()
  })
})

describe('logout', () => {
  it('ends the session, then leaves for the provider', async () => {
    const page = await openPage()
    await page.client.logout()
    const sent = page.server.requests.at(-1)
    expect([sent?.method, sent?.headers.get('x-csrf')]).toEqual(['POST', 'ref-ann'])
    expect(page.browser.left).toEqual(['/bff/logout/continue?once=1'])
    expect(page.client.getSession().status).toBe('anonymous')
  })

  it('leaves for this origin only, whatever the answer says', async () => {
    const page = await openPage()
    page.server.logout = () => Response.json({ logout_url: 'https://elsewhere.example/' })
    await page.client.logout()
    expect(page.browser.left).toEqual(['/'])
  })

  it('leaves the session standing when it does not get through', async () => {
    const page = await openPage()
    page.server.logout = () => problem('store_unavailable', 503)
    await expect(page.client.logout()).rejects.toMatchObject({ code: 'store_unavailable', status: 503 })
    expect(page.client.getSession().status).toBe('authenticated')
    expect(page.browser.left).toEqual([])
    expect(page.client.login()).toBe(true)
  })

  it('is done already when nobody is signed in any more', async () => {
    const page = await openPage()
    page.server.logout = () => problem('login_required', 401)
    await page.client.logout()
    expect(page.events.at(-1)).toBe('signed-out:login_required')
    expect(page.browser.left).toEqual([])
  })

  it('starts no sign-in while it is under way', async () => {
    const page = await openPage()
    let answer = (_response: Response) => {}
    page.server.logout = () => new Promise((resolve) => (answer = resolve))
    const logout = page.client.logout()
    await settle()
    expect(page.client.login()).toBe(false)
    answer(Response.json({ logout_url: '/bff/logout/continue' }))
    await logout
    expect(page.browser.left).toEqual(['/bff/logout/continue'])
  })

  it('does not end the session of somebody else who has signed in meanwhile', async () => {
    const browser = fakeBrowser()
    const server = fakeServer(browser)
    server.session = signedIn(browser)
    const page = await openPage({ browser, server })
    server.session = signedIn(browser, 'bob')
    server.logout = () => problem('session_changed', 409)
    await expect(page.client.logout()).rejects.toMatchObject({ code: 'session_changed' })
    await settle()
    expect(page.events.at(-1)).toBe('changed:ref-ann>ref-bob')
  })
})
