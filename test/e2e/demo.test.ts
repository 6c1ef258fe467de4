/** The running demo in a real Chromium: the app on localhost, the provider on 127.0.0.1, which is another site. */
import type { Browser, BrowserContext, Page } from 'playwright'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { launchChromium } from '../support/chromium.ts'
import { type Demo, signInAtDemo, signInWithCode, startDemo } from './demo.ts'

let demo: Demo
let browser: Browser
let context: BrowserContext
let origin: string
/** What any page got as an answer from the app's origin, as text. */
const bodies: Promise<string | undefined>[] = []
/** Errors that a page's own script threw, and what the Content Security Policy refused. */
const complaints: string[] = []

beforeAll(async () => {
  demo = await startDemo()
  origin = demo.origin
  browser = await launchChromium()
}, 60_000)

afterAll(async () => {
  await browser?.close()
  await demo?.stop()
})

async function newPage(): Promise<Page> {
  context = await browser.newContext()
  context.on('weberror', (error) => complaints.push(error.error().message))
  context.on('console', (message) => {
    if (/Content Security Policy|Refused to/.test(message.text())) complaints.push(message.text())
  })
  const page = await context.newPage()
  page.on('response', (response) => {
    if (response.url().startsWith(origin) && !response.headers()['content-type']?.startsWith('text/event-stream')) {
      // Chromium keeps no body of a redirect, nor of a page that was left.
      bodies.push(response.text().catch(() => undefined))
    }
  })
  return page
}

afterEach(async () => {
  await expectNoToken()
  await context?.close()
  expect(complaints.splice(0)).toEqual([])
})

/** Whatever a test did: no answer, no storage and no `document.cookie` has held a token, nor what seals one. */
async function expectNoToken(): Promise<void> {
  const read = (await Promise.all(bodies.splice(0))).filter((body) => body !== undefined)
  const kept: string[] = []
  for (const page of context?.pages() ?? []) {
    if (!page.url().startsWith('http://localhost:')) continue
    // Asked again where the page is on its way to another.
    const held = await page.waitForFunction(() => [
      document.cookie,
      JSON.stringify(localStorage),
      JSON.stringify(sessionStorage),
    ])
    const [cookie, ...storages] = await held.jsonValue()
    expect(cookie).toBe('')
    kept.push(...storages)
  }
  for (const text of [...read, ...kept]) {
    expect(text).not.toMatch(/eyJ[\w-]{8,}\.[\w-]{8,}\./)
    expect(text).not.toMatch(/refresh_token|access_token|Fe26\.2/)
  }
}

const signIn = (page: Page, username: 'ada' | 'grace' = 'ada', appOrigin = origin) =>
  signInAtDemo(page, username, appOrigin)

/** As an administrator or a sign-out on another machine would: this page is not told. */
async function endSessionElsewhere(page: Page): Promise<void> {
  await page.evaluate(() => fetch('/bff/logout', { method: 'POST', headers: { 'X-CSRF': '1' } }))
}

async function openSignedIn(path: string, username: 'ada' | 'grace' = 'ada'): Promise<Page> {
  const page = await newPage()
  await page.goto(origin + path)
  await signIn(page, username)
  return page
}

function heading(page: Page, name: string | RegExp) {
  return page.getByRole('heading', { level: 1, name })
}

/** Fails for what the keyboard does not reach, and for what has the focus and does not show it. */
async function pressTabUntil(page: Page, name: string): Promise<void> {
  for (let steps = 0; steps < 30; steps += 1) {
    await page.keyboard.press('Tab')
    const focused = await page.evaluate(() => ({
      text: document.activeElement?.textContent?.trim(),
      outline: getComputedStyle(document.activeElement ?? document.body).outlineStyle,
    }))
    expect(focused.outline).not.toBe('none')
    if (focused.text === name) return
  }
  throw new Error(`Tab does not lead to ${name}`)
}

async function fillOrder(page: Page, notes: string): Promise<void> {
  await page.getByLabel('Café').selectOption({ index: 2 })
  await page.getByLabel('Coffee 1').selectOption({ index: 3 })
  await page.getByLabel('Bags 1').fill('4')
  await page.getByLabel('Notes').fill(notes)
}

describe('signing in and out', () => {
  it('signs a person in on the provider, calls the API, and signs out', async () => {
    const page = await openSignedIn('/')
    await page
      .getByRole('link', { name: /^R-\d+$/ })
      .first()
      .waitFor()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('button', { name: 'Sign in' }).waitFor()
  })

  it('is done by keyboard alone, with the focus to be seen all the way', async () => {
    const page = await newPage()
    await page.goto(`${origin}/orders`)
    await heading(page, 'Sign in to continue').waitFor()
    await pressTabUntil(page, 'Sign in')
    await page.keyboard.press('Enter')
    await page.getByLabel('Username').waitFor()
    await page.keyboard.type('ada')
    await page.keyboard.press('Tab')
    await page.keyboard.type('ada-demo')
    await page.keyboard.press('Enter')
    const allow = page.getByRole('button', { name: /allow/i })
    await allow.or(heading(page, 'Orders')).first().waitFor()
    if (await allow.isVisible()) {
      await pressTabUntil(page, 'Allow')
      await page.keyboard.press('Enter')
    }
    await heading(page, 'Orders').waitFor()
    await page.reload()
    await heading(page, 'Orders').waitFor()
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('main')
    await pressTabUntil(page, 'New order')
    await page.keyboard.press('Enter')
    await heading(page, 'New order').waitFor()
  })

  it('keeps the sign-in over a reload, and in a second tab', async () => {
    const page = await openSignedIn('/', 'grace')
    await page.reload()
    await page.getByText('Grace Hopper').first().waitFor()
    const other = await context.newPage()
    await other.goto(`${origin}/`)
    await other.getByText('Grace Hopper').first().waitFor()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await other.getByText('You have signed out in another tab.').waitFor()
    await other.getByRole('button', { name: 'Sign in' }).waitFor()
    // Back from the provider.
    await page.getByRole('button', { name: 'Sign in' }).first().waitFor()
  })

  it('comes back to the page that was asked for, with its query', async () => {
    const page = await newPage()
    await page.goto(`${origin}/orders?status=shipped`)
    await heading(page, 'Sign in to continue').waitFor()
    await signIn(page)
    await heading(page, 'Orders').waitFor()
    expect(page.url()).toBe(`${origin}/orders?status=shipped`)
    await page.getByText('4 orders').waitFor()
  })

  it('says in words why a sign-in failed, and takes the code out of the address', async () => {
    const page = await newPage()
    await page.goto(`${origin}/orders?login_error=access_denied&status=new`)
    await page.getByRole('alert').getByText('You did not allow this app').waitFor()
    expect(page.url()).toBe(`${origin}/orders?status=new`)
    await page.goto(`${origin}/?login_error=made_up_by_somebody`)
    const alert = page.getByRole('alert')
    await alert.waitFor()
    expect(await alert.textContent()).not.toContain('made_up')
  })

  it('does not speak of a failed sign-in while somebody is signed in', async () => {
    const page = await openSignedIn('/')
    await page.goto(`${origin}/beans?login_error=access_denied`)
    await heading(page, 'Beans').waitFor()
    expect(page.url()).toBe(`${origin}/beans`)
    expect(await page.getByRole('alert').count()).toBe(0)
  })

  it('leaves the provider’s pages behind: the back button comes to the app as it is now, and starts no sign-in', async () => {
    const page = await newPage()
    await page.goto(`${origin}/beans`)
    await signIn(page)
    await heading(page, 'Beans').waitFor()
    for (let steps = 0; steps < 4; steps += 1) {
      await page.goBack()
      if (page.url().startsWith(origin)) break
    }
    await heading(page, 'Beans').waitFor()
    expect(page.url()).toBe(`${origin}/beans`)
    await page.getByText('Ada Lovelace').first().waitFor()
  })

  it('shows a page for addresses that are none, signed in or not', async () => {
    const page = await newPage()
    await page.goto(`${origin}/no/such/page`)
    await heading(page, 'Page not found').waitFor()
    await page.getByRole('link', { name: 'To the start' }).click()
    await signIn(page)
    await page.goto(`${origin}/no/such/page`)
    await heading(page, 'Page not found').waitFor()
    await page.getByText('Ada Lovelace').first().waitFor()
  })

  it('knows the claims and the end of the session, and extends it', async () => {
    const page = await openSignedIn('/account')
    await page.getByText('ada@example.com').waitFor()
    await page.getByText(/in \d+ minutes/).waitFor()
    await page.getByRole('button', { name: 'Extend session' }).click()
    await page.getByText('Your session is extended').waitFor()
    await page.getByRole('heading', { name: 'No token is here' }).waitFor()
  })
})

describe('orders', () => {
  it('are listed page by page, filtered, and the heading has the focus after a change of page', async () => {
    const page = await openSignedIn('/')
    await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Orders' }).click()
    await heading(page, 'Orders').waitFor()
    expect(await heading(page, 'Orders').evaluate((element) => element === document.activeElement)).toBe(true)
    await expect.poll(() => page.title()).toBe('Orders · Coatcheck Roastery')
    await page.getByRole('link', { name: 'Next' }).click()
    await page.getByText('Page 2 of').waitFor()
    await page.goBack()
    await page.getByText('Page 1 of').waitFor()
    await page.getByLabel('Status').selectOption('roasting')
    await page.getByText('2 orders').waitFor()
  })

  it('show the API’s mistakes at their fields, and then are created, edited and cancelled', async () => {
    const page = await openSignedIn('/orders/new')
    await page.getByRole('button', { name: 'Create order' }).click()
    await page.getByText('2 fields need another look.').waitFor()
    const cafe = page.getByLabel('Café')
    expect(await cafe.getAttribute('aria-invalid')).toBe('true')
    expect(await cafe.evaluate((element) => element === document.activeElement)).toBe(true)
    await page.getByText('Choose one of your customers').waitFor()

    await fillOrder(page, 'Back door')
    await page.getByLabel('Bags 1').fill('many')
    await page.getByRole('button', { name: 'Create order' }).click()
    await page.getByText('A whole number, 1 to 500').waitFor()
    await page.getByLabel('Bags 1').fill('4')
    await page.getByRole('button', { name: 'Create order' }).click()
    await heading(page, /^Order R-\d+$/).waitFor()
    await page.getByText('Back door').waitFor()

    await page.getByRole('link', { name: 'Edit' }).click()
    await page.getByLabel('Notes').fill('Front door')
    await page.getByRole('button', { name: 'Save' }).click()
    await heading(page, /^Order R-\d+$/).waitFor()
    await page.getByText('Front door').waitFor()

    const cancel = page.getByRole('button', { name: 'Cancel order' })
    await cancel.click()
    const dialog = page.getByRole('dialog', { name: /^Cancel order R-/ })
    await dialog.getByRole('button', { name: 'Keep it' }).click()
    expect(await cancel.evaluate((element) => element === document.activeElement)).toBe(true)
    await cancel.click()
    await dialog.getByRole('button', { name: 'Cancel order' }).click()
    await page.getByText('cancelled', { exact: true }).waitFor()
    expect(await cancel.count()).toBe(0)
  })

  it('are not overwritten by somebody who saw an older version', async () => {
    const page = await openSignedIn('/orders', 'grace')
    await page
      .getByRole('link', { name: /^R-\d+$/ })
      .first()
      .click()
    await page.getByRole('link', { name: 'Edit' }).click()
    await page.getByLabel('Notes').fill('Mine')
    const other = await context.newPage()
    await other.goto(page.url())
    await other.getByLabel('Notes').fill('Theirs')
    await other.getByRole('button', { name: 'Save' }).click()
    await other.getByText('is saved').waitFor()
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByText('This was changed meanwhile.').waitFor()
    await page.getByRole('button', { name: 'Load the newest' }).click()
    await expect.poll(() => page.getByLabel('Notes').inputValue()).toBe('Theirs')
  })

  it('show up in the live feed as they are taken', async () => {
    const page = await openSignedIn('/live', 'grace')
    await page.getByText('Connected', { exact: true }).waitFor()
    await page.getByText(/^\d+\.\d$/).waitFor()
    const other = await context.newPage()
    await other.goto(`${origin}/orders/new`)
    await fillOrder(other, '')
    await other.getByRole('button', { name: 'Create order' }).click()
    await other.getByText('is created').waitFor()
    await page.getByRole('log').getByText('was taken').waitFor()
    await page.getByRole('button', { name: 'Pause' }).click()
    await page.getByText('Paused', { exact: true }).waitFor()
  })
})

describe('files', () => {
  it('are uploaded with progress, listed, downloaded whole, and deleted', async () => {
    const page = await openSignedIn('/files')
    const content = Buffer.alloc(3 * 1024 * 1024, 'coffee ')
    await page
      .getByLabel('Upload files')
      .setInputFiles({ name: 'labels.pdf', mimeType: 'application/pdf', buffer: content })
    await page.getByText('labels.pdf is uploaded').waitFor()
    const download = page.waitForEvent('download')
    await page.getByRole('link', { name: 'Download labels.pdf' }).click()
    expect((await download).suggestedFilename()).toBe('labels.pdf')
    const chunks: Buffer[] = []
    for await (const chunk of await (await download).createReadStream()) chunks.push(chunk as Buffer)
    expect(Buffer.concat(chunks).equals(content)).toBe(true)

    await page.getByRole('button', { name: 'Delete labels.pdf' }).click()
    await page.getByRole('button', { name: 'Delete file' }).click()
    await page.getByText('Nothing here yet.').waitFor()
  })

  it('can be taken back while they are uploaded', async () => {
    const page = await openSignedIn('/files', 'grace')
    const session = await context.newCDPSession(page)
    await session.send('Network.enable')
    await session.send('Network.emulateNetworkConditions', {
      offline: false,
      latency: 0,
      downloadThroughput: -1,
      uploadThroughput: 200_000,
    })
    const buffer = Buffer.alloc(8 * 1024 * 1024)
    await page
      .getByLabel('Upload files')
      .setInputFiles({ name: 'long.bin', mimeType: 'application/octet-stream', buffer })
    const progress = page.getByRole('progressbar', { name: 'Uploading long.bin' })
    await expect.poll(async () => Number(await progress.getAttribute('value'))).toBeGreaterThan(0)
    await page.getByRole('button', { name: 'Cancel long.bin' }).click()
    await progress.waitFor({ state: 'detached' })
    await page.getByText('Nothing here yet.').waitFor()
  })

  it('export the orders with progress, for who has signed in with a code', async () => {
    const page = await openSignedIn('/files')
    await page.getByRole('button', { name: 'Export orders' }).click()
    await page.getByRole('button', { name: 'Sign in again' }).click()
    await signInWithCode(page, 'ada')
    const download = page.waitForEvent('download')
    await page.getByRole('button', { name: 'Export orders' }).click()
    await page.getByRole('progressbar', { name: 'Downloading orders.csv' }).waitFor()
    expect((await download).suggestedFilename()).toBe('orders.csv')
    await page.getByText('orders.csv is downloaded').waitFor()
  })
})

describe('what people have uploaded', () => {
  it.each([
    [
      'text/html',
      '<!doctype html><script>document.title = "ran"; fetch("/api/orders", { headers: { "X-CSRF": "1" } })</script>',
    ],
    ['image/svg+xml', '<svg xmlns="http://www.w3.org/2000/svg"><script>top.document.title = "ran"</script></svg>'],
    ['text/javascript', 'document.title = "ran"'],
  ])('does not run on the origin of the app: %s', async (type, content) => {
    const page = await openSignedIn('/files')
    const url = await page.evaluate(
      async ([contentType, body]) => {
        const headers = { 'X-CSRF': '1', 'Content-Type': contentType as string }
        const answer = await fetch('/api/files?filename=harmless.txt', {
          method: 'POST',
          headers,
          body: body as string,
        })
        const { id } = (await answer.json()) as { id: string }
        return `/api/files/${id}?inline=1`
      },
      [type, content],
    )
    const title = await page.title()
    await page.evaluate(
      (to) =>
        Promise.all(
          ['script', 'iframe', 'object', 'embed', 'img'].map(
            (name) =>
              new Promise((resolve) => {
                const made = document.createElement(name)
                made.onload = made.onerror = resolve
                made.setAttribute(name === 'object' ? 'data' : 'src', to)
                document.body.append(made)
                // What the policy refuses tells some elements and not others.
                if (name === 'object' || name === 'embed') requestAnimationFrame(resolve)
              }),
          ),
        ),
      url,
    )
    expect(await page.title()).toBe(title)

    const typed = await context.newPage()
    const answer = await typed.goto(origin + url)
    expect(answer?.headers()['content-security-policy']).toContain("default-src 'none'")
    expect(await typed.title()).not.toBe('ran')

    const opened = Promise.race([page.waitForEvent('download'), page.waitForEvent('load')])
    await page.evaluate((to) => {
      const link = document.createElement('a')
      link.href = to
      document.body.append(link)
      link.click()
    }, url)
    await opened
    expect(await page.title()).not.toBe('ran')
    // The policy's refusals are what this is about.
    await context.close()
    complaints.length = 0
  })
})

describe('when something goes wrong', () => {
  it.each([
    ['Not found', 'the API', '404', 'There is nothing here.'],
    ['No such route', 'Coatcheck', '404', 'There is nothing here.'],
    ['Scope missing', 'Coatcheck', '403', 'Your account is not allowed to do this.'],
    ['Conflict', 'the API', '409', 'This does not go together'],
    ['Invalid', 'the API', '422', 'cannot be used'],
    ['Crash', 'the API', '500', 'has a problem'],
    ['Closes', 'Coatcheck', '502', 'has a problem'],
    ['API refuses the token', 'the API', '401', 'The API did not accept'],
  ])('“%s” is told as a problem of %s with status %s', async (name, source, status, text) => {
    const page = await openSignedIn('/errors')
    await page.getByRole('button', { name, exact: true }).click()
    const result = page.getByRole('region', { name: 'What came back' })
    await result.getByText(status, { exact: true }).waitFor()
    await result.getByText(source, { exact: true }).waitFor()
    await result.getByText(text).first().waitFor()
    await page.getByText('Ada Lovelace').first().waitFor()
  })

  it('tells an answer that was cut off from a good one', async () => {
    const page = await openSignedIn('/errors')
    await page.getByRole('button', { name: 'Cut off' }).click()
    await page.getByText('The answer broke off on its way.').waitFor()
  })

  it('shows that it is offline, keeps the form, and loads by itself what it could not', async () => {
    const page = await openSignedIn('/orders/new')
    await fillOrder(page, 'Typed on a train')
    await context.setOffline(true)
    await page.getByText('You are offline.').waitFor()
    await page.getByRole('button', { name: 'Create order' }).click()
    await page.getByText('Nothing is lost').waitFor()
    await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Beans' }).click()
    await heading(page, 'Beans').waitFor()
    await context.setOffline(false)
    await page.getByRole('heading', { name: 'Night Ferry' }).waitFor()
    expect(await page.getByText('You are offline.').count()).toBe(0)
    await page.goBack()
    await page.getByText('What you had typed before is back.').waitFor()
    expect(await page.getByLabel('Notes').inputValue()).toBe('Typed on a train')
  })

  it('keeps a form and its page when the session has ended elsewhere, over the new sign-in too', async () => {
    const page = await openSignedIn('/orders/new')
    await fillOrder(page, 'Do not lose this')
    await endSessionElsewhere(page)
    await page.getByRole('button', { name: 'Create order' }).click()
    const dialog = page.getByRole('dialog', { name: 'Your session has ended' })
    await dialog.waitFor()
    expect(await page.getByLabel('Notes').inputValue()).toBe('Do not lose this')
    await page.keyboard.press('Escape')
    await page.keyboard.press('Escape')
    await dialog.getByRole('button', { name: 'Sign in again' }).click()
    await page.getByText('What you had typed before is back.').waitFor()
    expect(await page.getByLabel('Notes').inputValue()).toBe('Do not lose this')
    await page.getByRole('button', { name: 'Create order' }).click()
    await heading(page, /^Order R-\d+$/).waitFor()
  })

  it('forgets a form when its writer signs out', async () => {
    const page = await openSignedIn('/orders/new')
    await fillOrder(page, 'Private')
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('button', { name: 'Sign in' }).waitFor()
    expect(await page.evaluate(() => JSON.stringify(sessionStorage))).not.toContain('Private')
  })

  it('drops one person’s data when another has signed in on this browser, and says who it is', async () => {
    const page = await openSignedIn('/orders/new')
    await fillOrder(page, 'Ada’s own')
    const other = await context.newPage()
    await other.goto(`${origin}/bff/login?return_to=/&prompt=login`)
    await other.getByLabel('Username').fill('grace')
    await other.getByLabel('Password').fill('grace-demo')
    await other.getByRole('button', { name: /sign in/i }).click()
    const allow = other.getByRole('button', { name: /allow/i })
    await allow.or(other.getByText('Grace Hopper')).first().waitFor()
    if (await allow.isVisible()) await allow.click()
    await other.getByText('Grace Hopper').first().waitFor()

    await page.getByText('You are now signed in as Grace Hopper').waitFor()
    expect(await page.getByLabel('Notes').inputValue()).toBe('')
    expect(await page.evaluate(() => JSON.stringify(sessionStorage))).not.toContain('Ada’s own')
  })
})

describe('two tabs of one browser', () => {
  it('that sign in at the same time as two people end with one of them, in both', async () => {
    const page = await newPage()
    const other = await context.newPage()
    const names = ['ada', 'grace'] as const
    const tabs = [page, other]
    await Promise.all(tabs.map((tab) => tab.goto(`${origin}/bff/login?return_to=/&prompt=login`)))
    // Both forms are open; the second to be sent is the last to come back.
    for (const [index, tab] of tabs.entries()) {
      await tab.getByLabel('Username').fill(names[index] as string)
      await tab.getByLabel('Password').fill(`${names[index]}-demo`)
      await tab.getByRole('button', { name: /sign in/i }).click()
      const allow = tab.getByRole('button', { name: /allow/i })
      const isBack = tab.getByRole('button', { name: 'Sign out' })
      await allow.or(isBack).first().waitFor()
      if (await allow.isVisible()) await allow.click()
      await isBack.waitFor()
    }
    for (const tab of tabs) {
      await tab.reload()
      await tab.getByText('Grace Hopper').first().waitFor()
    }
  })
})

describe('access tokens that end all the time', () => {
  it('are renewed unseen, under calls that never pause', async () => {
    const hasty = await startDemo({ ACCESS_TOKEN_SECONDS: '5' })
    try {
      const page = await newPage()
      await page.goto(`${hasty.origin}/orders`)
      await signIn(page, 'ada', hasty.origin)
      const statuses = await page.evaluate(async () => {
        const seen = new Set<number>()
        const end = Date.now() + 12_000
        while (Date.now() < end) {
          const calls = ['/api/orders', '/api/products', '/api/customers', '/api/files']
          const answers = await Promise.all(calls.map((call) => fetch(call, { headers: { 'X-CSRF': '1' } })))
          for (const answer of answers) seen.add(answer.status)
        }
        return [...seen]
      })
      expect(statuses).toEqual([200])
      await page.reload()
      await page.getByText('Ada Lovelace').first().waitFor()
    } finally {
      await hasty.stop()
    }
  })
})

describe('a session that is about to end', () => {
  it('is told of in a dialog, and goes on when the person says so', async () => {
    const hasty = await startDemo({ IDLE_TIMEOUT: '70s' })
    try {
      const page = await newPage()
      await page.goto(`${hasty.origin}/orders/new`)
      await signIn(page, 'ada', hasty.origin)
      await page.getByLabel('Notes').fill('Still typing')
      const dialog = page.getByRole('dialog', { name: 'Your session is about to end' })
      await dialog.waitFor()
      const stay = dialog.getByRole('button', { name: 'Stay signed in' })
      expect(await stay.evaluate((element) => element === document.activeElement)).toBe(true)
      await dialog.getByRole('status').getByText('Less than 1 minute left').waitFor()
      await stay.click()
      await dialog.waitFor({ state: 'detached' })
      expect(await page.getByLabel('Notes').inputValue()).toBe('Still typing')

      await dialog.waitFor()
      await dialog.getByRole('button', { name: 'Sign out' }).click()
      await page.getByRole('button', { name: 'Sign in' }).waitFor()
    } finally {
      await hasty.stop()
    }
  })
})
