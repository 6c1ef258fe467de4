/** The running demo in a real Chromium: the app on localhost, the provider on 127.0.0.1, which is another site. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Browser, BrowserContext, Page } from 'playwright'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { launchChromium } from '../support/chromium.ts'
import { freePort } from '../support/free-port.ts'

let demo: ChildProcess
let browser: Browser
let context: BrowserContext
let origin: string
/** What any page got as an answer from the app's origin, as text. */
const bodies: Promise<string>[] = []

beforeAll(async () => {
  const [port, providerPort, apiPort] = [await freePort(), await freePort(), await freePort()]
  origin = `http://localhost:${port}`
  demo = spawn(process.execPath, ['spa-example/start.ts'], {
    env: { ...process.env, PORT: String(port), PROVIDER_PORT: String(providerPort), API_PORT: String(apiPort) },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  for await (const chunk of demo.stdout ?? []) if (String(chunk).includes('ready in')) break
  browser = await launchChromium()
}, 60_000)

afterAll(async () => {
  await browser?.close()
  demo.kill('SIGTERM')
  await once(demo, 'exit')
})

async function newPage(): Promise<Page> {
  context = await browser.newContext()
  const page = await context.newPage()
  page.on('response', (response) => {
    if (response.url().startsWith(origin) && !response.headers()['content-type']?.startsWith('text/event-stream')) {
      bodies.push(response.text().catch((error: Error) => `no body: ${error.message}`))
    }
  })
  return page
}

afterEach(() => context?.close())

async function signIn(page: Page, username: 'ada' | 'grace' = 'ada'): Promise<void> {
  await page.getByRole('button', { name: 'Sign in' }).first().click()
  await page.waitForURL(/127\.0\.0\.1/)
  await page.getByLabel('Username').fill(username)
  await page.getByLabel('Password').fill(`${username}-demo`)
  await page.getByRole('button', { name: /sign in/i }).click()
  const allow = page.getByRole('button', { name: /allow/i })
  const name = page.getByText(username === 'ada' ? 'Ada Lovelace' : 'Grace Hopper').first()
  await allow.or(name).first().waitFor()
  if (await allow.isVisible()) await allow.click()
  await page.waitForURL((url) => url.origin === origin)
  await name.waitFor()
}

describe('the demo', () => {
  it('signs a person in on the provider, calls the API, and signs out', async () => {
    const page = await newPage()
    await page.goto(`${origin}/`)
    await signIn(page)
    await page.getByRole('button', { name: 'Sign out' }).first().click()
    await page.getByRole('button', { name: 'Sign in' }).first().waitFor()
  })

  it('keeps the sign-in over a reload, and in a second tab', async () => {
    const page = await newPage()
    await page.goto(`${origin}/`)
    await signIn(page, 'grace')
    await page.reload()
    await page.getByText('Grace Hopper').first().waitFor()
    const other = await context.newPage()
    await other.goto(`${origin}/`)
    await other.getByText('Grace Hopper').first().waitFor()
    await page.getByRole('button', { name: 'Sign out' }).first().click()
    await other.getByRole('button', { name: 'Sign in' }).first().waitFor()
  })

  it('never lets a token into the page: no body, no storage, no document.cookie', async () => {
    const page = await newPage()
    await page.goto(`${origin}/`)
    await signIn(page)
    const seen = await page.evaluate(() => [
      document.cookie,
      JSON.stringify(localStorage),
      JSON.stringify(sessionStorage),
    ])
    expect(seen[0]).toBe('')
    for (const text of [...seen, ...(await Promise.all(bodies))]) {
      expect(text).not.toMatch(/eyJ[\w-]{8,}\.[\w-]{8,}\./)
      expect(text).not.toContain('refresh_token')
    }
    expect(bodies.length).toBeGreaterThan(3)
  })
})
