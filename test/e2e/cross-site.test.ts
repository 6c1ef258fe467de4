/**
 * Pages on another site and on a sibling subdomain try to ride the session, in a real Chromium. The app is on
 * `app.shop.localhost`, its sibling on `evil.shop.localhost` (the same site), the other site on `127.0.0.1`.
 */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Browser, BrowserContext, Page } from 'playwright'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { launchChromium } from '../support/chromium.ts'
import { defaultRoutes, type System, startSystem } from '../support/system.ts'
import { type SocketUpstream, takeWebSockets } from '../support/websocket-upstream.ts'

let system: System
let api: SocketUpstream
let attackers: Server
let browser: Browser
let context: BrowserContext
let signedIn: Awaited<ReturnType<BrowserContext['storageState']>>
let sibling: string
let otherSite: string

beforeAll(async () => {
  system = await startSystem({
    host: 'app.shop.localhost',
    routes: [
      ...defaultRoutes,
      { path: '/api/feed', upstream: '/v1/feed', auth: 'session', kinds: ['eventsource', 'download', 'media'] },
      { path: '/page', upstream: '/page', auth: 'none', reason: 'a page of ours, for the test', content: 'page' },
    ],
  })
  api = takeWebSockets(system.upstream)
  attackers = createServer((_incoming, outgoing) => {
    outgoing.setHeader('content-type', 'text/html')
    outgoing.end('<!doctype html><title>attacker</title><body></body>')
  }).listen(0)
  await once(attackers, 'listening')
  const { port } = attackers.address() as AddressInfo
  sibling = `http://evil.shop.localhost:${port}`
  otherSite = `http://127.0.0.1:${port}`
  browser = await launchChromium()
  signedIn = await stateAfterSignIn()
}, 60_000)

afterAll(async () => {
  await browser?.close()
  attackers.closeAllConnections()
  attackers.close()
  await system.stop()
})

beforeEach(async () => {
  // The refusals are of a type that Chromium does not show, so a navigation to one is a download.
  context = await browser.newContext({ storageState: signedIn, acceptDownloads: false })
  system.upstream.reset()
  api.reset()
  system.upstream.on('/page', (_incoming, outgoing) => {
    outgoing.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>app</title>')
  })
})
afterEach(() => context.close())

async function stateAfterSignIn() {
  const target = await browser.newContext()
  const page = await target.newPage()
  // There is no page at the app's root in this test: what counts is where the sign-in ends.
  await page.goto(`${system.origin}/bff/login?return_to=/`)
  await page.getByLabel('Username').fill('ada')
  await page.getByLabel('Password').fill('ada-demo')
  await page.getByRole('button', { name: /sign in/i }).click()
  const allow = page.getByRole('button', { name: /allow/i })
  await allow.or(page.getByText('no_route')).first().waitFor()
  if (await allow.isVisible()) await allow.click()
  await page.waitForURL(`${system.origin}/`)
  const state = await target.storageState()
  await target.close()
  return state
}

/** Requests and handshakes that reached the API with the user's token. */
const reached = () =>
  [...system.upstream.requests, ...api.handshakes].filter(({ headers }) => headers.authorization !== undefined)

async function pageOn(origin: string): Promise<Page> {
  const page = await context.newPage()
  await page.goto(origin)
  return page
}

/** Of any page: a navigation may change the process that the page lives in. */
function answerTo(url: string): Promise<unknown> {
  return context.waitForEvent('response', (response) => response.url() === url)
}

/** What a page can send by itself. Each resolves when the browser is done with it. */
const attempts: Record<string, (page: Page, url: string) => Promise<unknown>> = {
  'fetch without CORS': (page, url) =>
    page.evaluate(
      (to) =>
        fetch(to, { mode: 'no-cors', credentials: 'include' })
          .catch(() => 0)
          .then(() => 0),
      url,
    ),
  'fetch with CORS and the header': (page, url) =>
    page.evaluate(
      (to) =>
        fetch(to, { credentials: 'include', headers: { 'X-CSRF': '1' } })
          .catch(() => 0)
          .then(() => 0),
      url,
    ),
  'fetch that posts': (page, url) =>
    page.evaluate(
      (to) =>
        fetch(to, { method: 'POST', mode: 'no-cors', credentials: 'include', body: 'a=b' })
          .catch(() => 0)
          .then(() => 0),
      url,
    ),
  'an image': (page, url) => element(page, 'img', url),
  'a script': (page, url) => element(page, 'script', url),
  'a video': (page, url) => element(page, 'video', url),
  'a frame': (page, url) => element(page, 'iframe', url),
  'an object': (page, url) => element(page, 'object', url),
  'a stylesheet': (page, url) => element(page, 'link', url),
  'an event source': (page, url) =>
    page.evaluate(
      (to) =>
        new Promise((resolve) => {
          const source = new EventSource(to, { withCredentials: true })
          source.onopen = source.onerror = () => resolve(source.close())
        }),
      url,
    ),
  'a WebSocket': (page, url) =>
    page.evaluate(
      (to) =>
        new Promise((resolve) => {
          const socket = new WebSocket(to.replace('http', 'ws'))
          socket.onopen = socket.onerror = () => resolve(socket.close())
        }),
      url,
    ),
  'a prefetch': async (page, url) => {
    const settled = Promise.race([answerTo(url), context.waitForEvent('requestfailed', (one) => one.url() === url)])
    await page.evaluate((to) => {
      const link = document.createElement('link')
      link.rel = 'prefetch'
      link.href = to
      document.head.append(link)
    }, url)
    await settled
  },
  'a navigation': async (page, url) => {
    const answered = answerTo(url)
    await page.evaluate((to) => void setTimeout(() => location.assign(to)), url)
    await answered
  },
  'a form': async (page, url) => {
    const answered = answerTo(url)
    await page.evaluate((to) => {
      const form = document.createElement('form')
      form.method = 'post'
      form.enctype = 'text/plain'
      form.action = to
      document.body.append(form)
      form.submit()
    }, url)
    await answered
  },
}

function element(
  page: Page,
  name: 'img' | 'script' | 'video' | 'iframe' | 'object' | 'link',
  url: string,
): Promise<unknown> {
  return page.evaluate(
    ([tag, to]) =>
      new Promise((resolve) => {
        const made = document.createElement(tag as string)
        made.onload = made.onerror = () => resolve(0)
        if (tag === 'link') made.setAttribute('rel', 'stylesheet')
        made.setAttribute(tag === 'object' ? 'data' : tag === 'link' ? 'href' : 'src', to as string)
        document.body.append(made)
      }),
    [name, url],
  )
}

describe('the session, from a page of its own origin', () => {
  it('is there, so that what follows can fail', async () => {
    const page = await pageOn(`${system.origin}/page`)
    const status = await page.evaluate(async () => (await fetch('/api/x', { headers: { 'X-CSRF': '1' } })).status)
    expect(status).toBe(200)
    expect(reached()).toHaveLength(1)
  })

  it('opens a WebSocket, which ends when the person signs out', async () => {
    const page = await pageOn(`${system.origin}/page`)
    const result = await page.evaluate(async () => {
      const socket = new WebSocket('/api/live/x')
      const closed = new Promise<CloseEvent>((resolve) => socket.addEventListener('close', resolve))
      await new Promise((resolve) => socket.addEventListener('open', resolve))
      socket.send('hello')
      const { data } = await new Promise<MessageEvent>((resolve) => socket.addEventListener('message', resolve))
      await fetch('/bff/logout', { method: 'POST', headers: { 'X-CSRF': '1' } })
      const { code, reason, wasClean } = await closed
      return { data, code, reason, wasClean }
    })
    expect(result).toEqual({ data: 'hello', code: 4401, reason: 'session_ended', wasClean: true })
    expect(reached()).toHaveLength(1)
    // For the tests that follow.
    signedIn = await stateAfterSignIn()
  })
})

describe.each([
  ['another site', () => otherSite],
  ['a sibling subdomain', () => sibling],
])('a page on %s', (_where, origin) => {
  describe.each(['/api/x', '/api/feed', '/api/live/x'])('against %s', (path) => {
    it.each(Object.keys(attempts))('gets nothing by %s', async (name) => {
      const page = await pageOn(origin())
      await attempts[name]?.(page, system.origin + path)
      expect(reached()).toEqual([])
    })
  })

  it.each(['an image', 'a frame', 'fetch without CORS', 'a script', 'a navigation', 'a prefetch'])(
    'cannot start a sign-in by %s',
    async (name) => {
      const page = await pageOn(origin())
      const before = await context.cookies(system.origin)
      await attempts[name]?.(page, `${system.origin}/bff/login?return_to=/`)
      const after = await context.cookies(system.origin)
      expect(after.map((cookie) => cookie.name).sort()).toEqual(before.map((cookie) => cookie.name).sort())
    },
  )

  it('cannot sign the person out', async () => {
    const page = await pageOn(origin())
    await attempts['a form']?.(page, `${system.origin}/bff/logout`)
    const own = await pageOn(`${system.origin}/page`)
    const session = await own.evaluate(async () => (await fetch('/bff/session', { headers: { 'X-CSRF': '1' } })).json())
    expect(session).toMatchObject({ authenticated: true })
  })
})
