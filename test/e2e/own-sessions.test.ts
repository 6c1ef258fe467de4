/** A person's own sessions in the example app, in two Chromiums at once. */
import type { Browser, Page } from 'playwright'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { launchChromium } from '../support/chromium.ts'
import { type Demo, signInAtDemo, startDemo } from './demo.ts'

let demo: Demo
let browser: Browser
beforeAll(async () => {
  demo = await startDemo()
  browser = await launchChromium()
}, 60_000)
afterAll(async () => {
  await browser?.close()
  await demo?.stop()
})

async function signedIn(path: string): Promise<Page> {
  const page = await (await browser.newContext()).newPage()
  await page.goto(demo.origin + path)
  await signInAtDemo(page, 'ada', demo.origin)
  return page
}

it('are seen on the account page, and ended from there after a recent sign-in; the other browser is signed out', async () => {
  const other = await signedIn('/orders')
  const page = await signedIn('/account')
  const sessions = page.getByRole('region', { name: 'Where you are signed in' })
  await expect.poll(() => sessions.getByRole('listitem').count()).toBe(2)
  expect(await sessions.getByRole('listitem').first().textContent()).toMatch(/Chrome on Linux.*This one/)
  if (process.env.SCREENSHOT) await page.screenshot({ path: process.env.SCREENSHOT, fullPage: true })

  await sessions.getByRole('button', { name: 'End the session in Chrome on Linux' }).click()
  await sessions.getByRole('button', { name: 'Sign in again' }).click()
  await page.waitForURL(`${demo.origin}/account`)
  await expect.poll(() => sessions.getByRole('listitem').count()).toBe(2)
  await sessions.getByRole('button', { name: 'End the session in Chrome on Linux' }).click()
  await page.getByText('The session is ended').waitFor()
  await expect.poll(() => sessions.getByRole('listitem').count()).toBe(1)

  await other.reload()
  await other.getByRole('button', { name: 'Sign in' }).first().waitFor()
  await page.reload()
  await page.getByText('Ada Lovelace').first().waitFor()
})
