/** A real Chromium: `CHROMIUM_PATH`, an installed one, or Playwright's own. */
import { existsSync } from 'node:fs'
import { type Browser, chromium } from 'playwright'

const installed = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

export async function launchChromium({ backForwardCache = false } = {}): Promise<Browser> {
  const executablePath = process.env.CHROMIUM_PATH ?? installed.find((path) => existsSync(path))
  const isRoot = process.getuid?.() === 0
  try {
    return await chromium.launch({
      ...(executablePath && { executablePath }),
      // Playwright turns the back-forward cache off.
      ...(backForwardCache && { ignoreDefaultArgs: ['--disable-back-forward-cache'] }),
      args: [
        ...(isRoot ? ['--no-sandbox'] : []),
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    })
  } catch (cause) {
    throw new Error('There is no Chromium. Set CHROMIUM_PATH, or run: npx playwright install chromium', { cause })
  }
}
