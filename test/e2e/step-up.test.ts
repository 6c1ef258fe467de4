/** An API that wants a recent sign-in for one thing and a stronger one for another (RFC 9470), as the person meets it in the example app. */
import type { Browser, BrowserContext, Page } from 'playwright'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { twoFactors } from '../../spa-example/api/policies.ts'
import { launchChromium } from '../support/chromium.ts'
import { type Demo, startDemo } from '../support/demo.ts'
import { signInAtDemo, signInWithCode } from './demo.ts'

let demo: Demo
let browser: Browser
let context: BrowserContext
beforeAll(async () => {
  demo = await startDemo()
  browser = await launchChromium()
  context = await browser.newContext()
}, 60_000)
afterAll(async () => {
  await browser?.close()
  await demo?.stop()
})

/** Back in the app, which the provider let in without a question: the person signed in there an hour ago. */
async function signedInAnHourAgo(path: string): Promise<Page> {
  const page = await context.newPage()
  await page.goto(demo.origin + path)
  await signInAtDemo(page, 'ada', demo.origin)
  const cookies = await context.cookies(demo.provider.url)
  const session = await demo.provider.provider.Session.find(
    cookies.find(({ name }) => name === '_session')?.value ?? '',
  )
  if (session?.loginTs === undefined) throw new Error('The provider knows no session of this browser')
  session.loginTs -= 60 * 60
  await session.persist()
  await page.goto(`${demo.origin}/bff/login?return_to=${encodeURIComponent(path)}`)
  await page.getByText('Ada Lovelace').first().waitFor()
  return page
}

it('an order is deleted after one more sign-in, which is asked for, comes back, and leaves the last word to the person', async () => {
  const page = await signedInAnHourAgo('/orders')
  const number =
    (await page
      .getByRole('link', { name: /^R-\d+$/ })
      .first()
      .textContent()) ?? ''
  await page.getByRole('link', { name: number }).click()
  await page.getByRole('button', { name: 'Delete order' }).click()
  const dialog = page.getByRole('dialog', { name: `Delete order ${number}?` })
  await dialog.getByRole('button', { name: 'Delete order' }).click()
  await dialog.getByRole('alert').getByText('show once more that it is you').waitFor()
  expect(demo.api.refusals.at(-1)).toMatchObject({ code: 'insufficient_user_authentication', reason: 'auth_time' })
  const again = dialog.getByRole('button', { name: 'Sign in again' })
  expect(await again.evaluate((element) => element === document.activeElement)).toBe(true)
  expect(await dialog.getByRole('button', { name: 'Delete order' }).count()).toBe(0)
  if (process.env.SCREENSHOT) await takeScreenshots(page, process.env.SCREENSHOT, 'step-up')

  const asked = page.waitForRequest((request) => request.url().includes('/bff/login?'))
  await again.click()
  expect(new URL((await asked).url()).searchParams.get('max_age')).toBe('900')
  await page.getByLabel('Password').fill('ada-demo')
  await page.getByLabel('Username').fill('ada')
  await page.getByRole('button', { name: /sign in/i }).click()

  // One call so far: the sign-in comes back to the question, and answers nothing by itself.
  await dialog.waitFor()
  expect(demo.api.requests.filter(({ method }) => method === 'DELETE')).toHaveLength(1)
  await dialog.getByRole('button', { name: 'Delete order' }).click()
  await page.getByText(`Order ${number} is deleted`).waitFor()
  await page.waitForURL(`${demo.origin}/orders`)
  await page
    .getByRole('link', { name: /^R-\d+$/ })
    .first()
    .waitFor()
  expect(await page.getByRole('link', { name: number }).count()).toBe(0)
  expect(demo.api.refusals).toHaveLength(1)
})

it('the orders are exported after a sign-in with a second factor, which is asked for, and without which nothing comes', async () => {
  const page = await (await browser.newContext()).newPage()
  await page.goto(`${demo.origin}/files`)
  await signInAtDemo(page, 'grace', demo.origin)
  const exporting = page.getByRole('button', { name: 'Export orders' })
  await exporting.click()
  await page.getByRole('alert').getByText('show once more that it is you').waitFor()
  expect(demo.api.refusals.at(-1)).toMatchObject({ code: 'insufficient_user_authentication', reason: 'acr' })
  const again = page.getByRole('button', { name: 'Sign in again' })
  expect(await again.evaluate((element) => element === document.activeElement)).toBe(true)
  if (process.env.SCREENSHOT) await takeScreenshots(page, process.env.SCREENSHOT, 'second-factor')

  const asked = page.waitForRequest((request) => request.url().includes('/bff/login?'))
  await again.click()
  expect(new URL((await asked).url()).searchParams.get('acr_values')).toBe(twoFactors)
  await page.getByLabel('Username').fill('grace')
  await page.getByLabel('Password').fill('grace-demo')
  await page.getByRole('button', { name: /sign in/i }).click()
  await page.getByRole('alert').getByText('do not belong together').waitFor()
  if (process.env.SCREENSHOT) await takeScreenshots(page, process.env.SCREENSHOT, 'second-factor-provider')
  await signInWithCode(page, 'grace')

  await page.waitForURL(`${demo.origin}/files`)
  const download = page.waitForEvent('download')
  await exporting.click()
  expect((await download).suggestedFilename()).toBe('orders.csv')
  await page.getByText('orders.csv is downloaded').waitFor()
  await page.context().close()
})

async function takeScreenshots(page: Page, folder: string, name: string): Promise<void> {
  for (const [size, width, height] of [
    ['wide', 1280, 800],
    ['narrow', 360, 740],
  ] as const) {
    await page.setViewportSize({ width, height })
    await page.screenshot({ path: `${folder}/${name}-${size}.png` })
  }
}
