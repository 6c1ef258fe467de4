/** The demo as `npm start` runs it, on free ports, and a person's way into it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Page } from 'playwright'
import { freePort } from '../support/free-port.ts'

export interface Demo {
  readonly origin: string
  stop(): Promise<void>
}

export async function startDemo(env: Record<string, string> = {}): Promise<Demo> {
  const [port, providerPort, apiPort] = [await freePort(), await freePort(), await freePort()]
  const ports = { PORT: String(port), PROVIDER_PORT: String(providerPort), API_PORT: String(apiPort) }
  const child: ChildProcess = spawn(process.execPath, ['spa-example/start.ts'], {
    env: { ...process.env, ...ports, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  for await (const chunk of child.stdout ?? []) if (String(chunk).includes('ready in')) break
  return {
    origin: `http://localhost:${port}`,
    async stop() {
      const exited = once(child, 'exit')
      child.kill('SIGTERM')
      await exited
    },
  }
}

export async function signInAtDemo(page: Page, username: 'ada' | 'grace', appOrigin: string): Promise<void> {
  await page.getByRole('button', { name: 'Sign in' }).first().click()
  await page.waitForURL(/127\.0\.0\.1/)
  await page.getByLabel('Username').fill(username)
  await page.getByLabel('Password').fill(`${username}-demo`)
  await page.getByRole('button', { name: /sign in/i }).click()
  const allow = page.getByRole('button', { name: /allow/i })
  const name = page.getByText(username === 'ada' ? 'Ada Lovelace' : 'Grace Hopper').first()
  await allow.or(name).first().waitFor()
  if (await allow.isVisible()) await allow.click()
  await page.waitForURL((url) => url.origin === appOrigin)
  await name.waitFor()
}

/** On the provider's page that asks for a password and a code: with those that it shows. */
export async function signInWithCode(page: Page, username: 'ada' | 'grace'): Promise<void> {
  const row = page.getByRole('row', { name: username === 'ada' ? 'Ada Lovelace' : 'Grace Hopper' })
  const code = (await row.getByRole('cell').last().textContent()) ?? ''
  await page.getByLabel('Username').fill(username)
  await page.getByLabel('Password').fill(`${username}-demo`)
  await page.getByLabel('Code').fill(code)
  await page.getByRole('button', { name: /sign in/i }).click()
}
