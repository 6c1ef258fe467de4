/** The app in a real Chromium while parts behind it fail or change: nobody is signed out, and no token shows. */
import type { Browser, BrowserContext, Page } from 'playwright'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { launchChromium } from '../support/chromium.ts'
import { type Demo, startDemo } from '../support/demo.ts'

let browser: Browser
let demo: Demo
let context: BrowserContext

beforeAll(async () => {
  browser = await launchChromium({ backForwardCache: true })
})
afterAll(() => browser.close())
beforeEach(async () => {
  context = await browser.newContext()
})
afterEach(async () => {
  await context.close()
  await demo.stop()
})

/** With tokens of so many seconds: in a machine that is busy a page takes some to sign in. */
async function begin(accessTokenSeconds: number): Promise<void> {
  demo = await startDemo({ accessTokenSeconds })
}

async function openSignedIn(path: string): Promise<Page> {
  const page = await context.newPage()
  await page.goto(demo.origin + path)
  await page.getByRole('button', { name: 'Sign in' }).first().click()
  await page.getByLabel('Username').fill('ada')
  await page.getByLabel('Password').fill('ada-demo')
  await page.getByRole('button', { name: /sign in/i }).click()
  await page.getByRole('button', { name: /allow/i }).click()
  await page.getByText('Ada Lovelace').first().waitFor()
  return page
}

const statusOf = (page: Page, path: string) =>
  page.evaluate(async (to) => (await fetch(to, { headers: { 'X-CSRF': '1' } })).status, path)

describe('the provider is down', () => {
  beforeEach(() => begin(10))

  it('a sign-in says so on the page that it began at, and succeeds when the provider is back', async () => {
    await demo.provider.goDown()
    const page = await context.newPage()
    await page.goto(`${demo.origin}/orders?status=new`)
    await page.getByRole('button', { name: 'Sign in' }).first().click()
    await page.getByRole('alert').getByText('The sign-in service cannot be reached').waitFor()
    expect(page.url()).toBe(`${demo.origin}/orders?status=new`)

    await demo.provider.comeBack()
    await expect
      .poll(
        async () => {
          await page.getByRole('button', { name: 'Sign in' }).first().click()
          await page.waitForLoadState()
          return page.getByLabel('Username').count()
        },
        { timeout: 20_000 },
      )
      .toBe(1)
  })

  it('a page in use is served while its token lives, then told to wait, and goes on', async () => {
    const page = await openSignedIn('/orders')
    // The API has the provider's keys by then, which it asks for with its first call.
    await page
      .getByRole('link', { name: /^R-\d+$/ })
      .first()
      .waitFor()
    await demo.provider.goDown()
    expect(await statusOf(page, '/api/orders')).toBe(200)
    await expect.poll(() => statusOf(page, '/api/orders'), { timeout: 15_000 }).toBe(503)
    await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Beans' }).click()
    await page.getByRole('alert').first().waitFor()
    await page.getByText('Ada Lovelace').first().waitFor()
    expect(await page.getByRole('dialog').count()).toBe(0)

    await demo.provider.comeBack()
    await expect.poll(() => statusOf(page, '/api/orders'), { timeout: 20_000 }).toBe(200)
    await page.reload()
    await page.getByRole('heading', { name: 'Night Ferry' }).waitFor()
  })
})

describe('tokens', () => {
  beforeEach(() => begin(4))

  it('are refreshed with nothing to be seen of it, and none is in anything that the browser was given', async () => {
    const heads: Promise<string>[] = []
    const bodies: Promise<string | undefined>[] = []
    context.on('response', (response) => {
      if (!response.url().startsWith(demo.origin)) return
      heads.push(response.allHeaders().then((fields) => `${response.url()} ${JSON.stringify(fields)}`))
      // Chromium keeps no body of a redirect, nor of a page that was left.
      if (response.ok()) bodies.push(response.text().catch(() => undefined))
    })
    const page = await openSignedIn('/orders')
    const refreshed = () => demo.events.filter(({ event }) => event === 'session_refreshed').length
    await expect
      .poll(
        async () => {
          expect(await statusOf(page, '/api/products')).toBe(200)
          return refreshed()
        },
        { timeout: 20_000 },
      )
      .toBeGreaterThan(1)
    await page.reload()
    await page
      .getByRole('link', { name: /^R-\d+$/ })
      .first()
      .waitFor()
    expect(await page.getByRole('dialog').count()).toBe(0)

    const kept = await page.evaluate(() =>
      [document.cookie, JSON.stringify(localStorage), JSON.stringify(sessionStorage)].join('\n'),
    )
    const read = (await Promise.all(bodies)).filter((body) => body !== undefined)
    expect(read.filter((body) => body.includes('"Ada Lovelace"')).length).toBeGreaterThan(0)
    expect(read.filter((body) => body.includes('"R-10')).length).toBeGreaterThan(0)
    const given = [kept, await page.content(), ...read, ...(await Promise.all(heads))]
    const tokens = demo.log.answers.flatMap(({ access_token, refresh_token, id_token }) =>
      [access_token, refresh_token, id_token].filter((token) => typeof token === 'string'),
    )
    expect(new Set(tokens).size).toBeGreaterThan(8)
    for (const text of given) for (const token of tokens) expect(text.includes(token)).toBe(false)
  })
})

describe('a page that was left, and the back button', () => {
  beforeEach(() => begin(4))

  async function leaveForm(): Promise<Page> {
    const page = await openSignedIn('/orders/new')
    await page.getByLabel('Notes').fill('Before I left')
    await page.evaluate(() => {
      addEventListener('pageshow', ({ persisted }) => {
        document.documentElement.dataset.restored = String(persisted)
      })
    })
    await page.goto(demo.provider.issuer)
    return page
  }
  const isRestored = (page: Page) => page.evaluate(() => document.documentElement.dataset.restored === 'true')

  it('comes out of the back-forward cache, looks again, and says that its session has ended meanwhile', async () => {
    const page = await leaveForm()
    // Not by a page of this browser: it is not told.
    await context.request.post(`${demo.origin}/bff/logout`, { headers: { 'X-CSRF': '1' } })
    await page.goBack({ waitUntil: 'commit' })
    await page.getByRole('dialog', { name: 'Your session has ended' }).waitFor()
    expect(await isRestored(page)).toBe(true)
    expect(await page.getByLabel('Notes').inputValue()).toBe('Before I left')
  })

  it('after a sign-out is gone from that cache: nothing of the person comes back', async () => {
    const page = await leaveForm()
    const other = await context.newPage()
    await other.goto(`${demo.origin}/account`)
    await other.getByRole('button', { name: 'Sign out' }).click()
    await other.getByRole('button', { name: 'Sign in' }).first().waitFor()
    await page.goBack({ waitUntil: 'commit' })
    await page.getByRole('heading', { name: 'Sign in to continue' }).waitFor()
    expect(await isRestored(page)).toBe(false)
    expect(await page.content()).not.toContain('Ada')
  })
})
