import { describe, expect, it } from 'vitest'
import { createClient } from '../../src/client/index.ts'
import { fakeBrowser, settle } from './fake-browser.ts'
import { fakeServer, signedIn } from './fake-server.ts'
import { openPage } from './setup.ts'

describe('looking at the session', () => {
  it('starts with the first listener, without extending it, and shows what the server says', async () => {
    const browser = fakeBrowser()
    const server = fakeServer(browser)
    const session = signedIn(browser)
    server.session = session
    const client = createClient({ browser, fetch: server.fetch })
    await settle()
    expect(server.requests).toEqual([])
    expect(client.getSession().status).toBe('loading')

    const stop = client.subscribe(() => {})
    await settle()
    expect(server.seen()).toEqual(['GET /bff/session?slide=false'])
    expect(server.requests[0]?.headers.get('x-csrf')).toBe('1')
    expect(client.getSession()).toEqual({
      status: 'authenticated',
      session: {
        claims: { sub: 'ann' },
        ref: 'ref-ann',
        createdAt: session.createdAt,
        idleExpiresAt: session.idleExpiresAt,
        expiresAt: session.expiresAt,
      },
      isOffline: false,
      expiresSoon: false,
      canExtend: true,
      loginError: undefined,
    })
    stop()
  })

  it('gives the same value until something changes, and tells listeners only then', async () => {
    const page = await openPage()
    const before = page.client.getSession()
    let told = 0
    const stop = page.client.subscribe(() => {
      told += 1
    })
    await page.client.session({ slide: false })
    expect(page.client.getSession()).toBe(before)
    expect(told).toBe(0)
    page.browser.time += 5000
    await page.client.session()
    expect(page.client.getSession()).not.toBe(before)
    expect(told).toBe(1)
    stop()
  })

  it('has one request in flight, and one more for who needs it extended', async () => {
    const page = await openPage()
    page.server.requests.length = 0
    let release = () => {}
    page.server.hold = new Promise<void>((resolve) => (release = resolve))
    const looks = [
      page.client.session({ slide: false }),
      page.client.session({ slide: false }),
      page.client.session(),
      page.client.extend(),
    ]
    await settle()
    expect(page.server.seen()).toEqual(['GET /bff/session?slide=false'])
    release()
    await Promise.all(looks)
    expect(page.server.seen()).toEqual(['GET /bff/session?slide=false', 'GET /bff/session'])
  })

  it('keeps what is known while the network is away, tries again, and says when it is back', async () => {
    const page = await openPage()
    page.server.outage = 'offline'
    expect(await page.client.session()).toMatchObject({ status: 'authenticated', isOffline: true })
    page.server.outage = undefined
    await page.browser.advance(2000)
    expect(page.client.getSession()).toMatchObject({ status: 'authenticated', isOffline: false })
    expect(page.events).toEqual(['signed-in:ann'])
  })

  it.each(['offline', 503] as const)('is unavailable when the first look meets %s, until it works', async (outage) => {
    const browser = fakeBrowser()
    const server = fakeServer(browser)
    server.session = signedIn(browser)
    server.outage = outage
    const page = await openPage({ browser, server })
    expect(page.client.getSession()).toMatchObject({ status: 'unavailable', isOffline: true })
    server.outage = undefined
    await browser.advance(2000)
    expect(page.client.getSession().status).toBe('authenticated')
  })

  it('waits longer after each failure, and at most half a minute', async () => {
    const page = await openPage()
    page.server.outage = 'offline'
    await page.client.session()
    page.server.requests.length = 0
    await page.browser.advance(5 * 60 * 1000)
    expect(page.server.requests.length).toBeGreaterThan(9)
    expect(page.server.requests.length).toBeLessThan(18)
  })

  it.each([
    [
      'a page of something between',
      () => new Response('<html>Wi-Fi</html>', { headers: { 'content-type': 'text/html' } }),
    ],
    ['an answer without times', () => Response.json({ authenticated: true, ref: 'x', claims: {} })],
    ['an empty object', () => Response.json({})],
    ['null', () => Response.json(null)],
  ])('believes nothing that is not an answer of ours: %s', async (_name, answer) => {
    const page = await openPage({ fetch: async () => answer() })
    expect(page.client.getSession()).toMatchObject({ status: 'unavailable', isOffline: true })
  })

  it('looks again when the page is in view, not more than every fifteen seconds', async () => {
    const page = await openPage()
    page.server.requests.length = 0
    const show = () => page.browser.document.dispatchEvent(new Event('visibilitychange'))
    show()
    page.browser.time += 16_000
    page.browser.document.visibilityState = 'hidden'
    show()
    expect(page.server.requests).toHaveLength(0)
    page.browser.document.visibilityState = 'visible'
    show()
    show()
    await settle()
    expect(page.server.seen()).toEqual(['GET /bff/session?slide=false'])
  })

  it('looks again when the network is back and when the page comes out of the back-forward cache', async () => {
    const page = await openPage()
    page.browser.window.dispatchEvent(new Event('offline'))
    expect(page.client.getSession().isOffline).toBe(true)
    page.browser.window.dispatchEvent(new Event('online'))
    await settle()
    expect(page.client.getSession().isOffline).toBe(false)

    page.browser.window.dispatchEvent(new Event('pagehide'))
    page.server.session = signedIn(page.browser, 'bob')
    page.browser.window.dispatchEvent(new Event('pageshow'))
    await settle()
    expect(page.client.getSession().session?.claims.sub).toBe('ann')
    page.browser.window.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: true }))
    await settle()
    expect(page.client.getSession().session?.claims.sub).toBe('bob')
    expect(page.events).toContain('changed:ref-ann>ref-bob')
  })

  it('does nothing any more when nobody listens', async () => {
    const page = await openPage()
    page.close()
    page.server.requests.length = 0
    page.browser.window.dispatchEvent(new Event('online'))
    await page.browser.advance(24 * 3600 * 1000)
    expect(page.server.requests).toEqual([])
    expect(page.browser.pendingTimers()).toBe(0)
  })

  it('can be made and asked where there is no page', async () => {
    const client = createClient({
      browser: { window: undefined, document: undefined, location: undefined, history: undefined, storage: undefined },
      fetch: async () => Response.json({ authenticated: false }),
    })
    expect(client.getSession().status).toBe('loading')
    expect((await client.session()).status).toBe('anonymous')
    expect(() => client.login()).toThrow(TypeError)
  })
})

describe('the session’s end', () => {
  it('is warned of in time, looked at first, and moved by extend()', async () => {
    const page = await openPage()
    page.server.requests.length = 0
    await page.browser.advance(1739_000)
    expect(page.client.getSession().expiresSoon).toBe(false)
    expect(page.server.requests).toEqual([])
    await page.browser.advance(2000)
    expect(page.server.seen()).toEqual(['GET /bff/session?slide=false'])
    expect(page.client.getSession()).toMatchObject({ expiresSoon: true, canExtend: true })
    expect(page.client.secondsLeft()).toBe(59)

    await page.client.extend()
    expect(page.client.getSession().expiresSoon).toBe(false)
    expect(page.client.secondsLeft()).toBe(1800)
  })

  it('is not warned of when calls elsewhere have moved it', async () => {
    const page = await openPage()
    if (page.server.session !== undefined) page.server.session.idleExpiresAt += 900
    await page.browser.advance(1745_000)
    expect(page.client.getSession().expiresSoon).toBe(false)
    await page.browser.advance(900_000)
    expect(page.client.getSession().expiresSoon).toBe(true)
  })

  it('cannot be moved when it is the absolute one', async () => {
    const browser = fakeBrowser()
    const server = fakeServer(browser)
    const session = signedIn(browser)
    server.session = { ...session, expiresAt: session.createdAt + 600, idleExpiresAt: session.createdAt + 600 }
    const page = await openPage({ browser, server, warnSeconds: 120 })
    await browser.advance(481_000)
    expect(page.client.getSession()).toMatchObject({ expiresSoon: true, canExtend: false })
    await page.client.extend()
    expect(page.client.getSession().expiresSoon).toBe(true)
  })

  it('signs the page out when it has come', async () => {
    const page = await openPage()
    await page.browser.advance(1801_000)
    expect(page.client.getSession()).toMatchObject({ status: 'anonymous', expiresSoon: false })
    expect(page.events).toEqual(['signed-in:ann', 'signed-out:expired'])
    expect(page.client.secondsLeft()).toBeUndefined()
  })

  it.each([-3600_000, 3600_000])('is reckoned by the server’s clock when it is ahead by %i ms', async (ahead) => {
    const browser = fakeBrowser()
    const server = fakeServer(browser)
    server.clockAheadMs = ahead
    const now = (browser.time + ahead) / 1000
    server.session = { sub: 'ann', ref: 'r', createdAt: now, idleExpiresAt: now + 300, expiresAt: now + 3600 }
    const page = await openPage({ browser, server })
    expect(page.client.secondsLeft()).toBeGreaterThan(297)
    expect(page.client.secondsLeft()).toBeLessThanOrEqual(300)
    await browser.advance(239_000 - 1000)
    expect(page.client.getSession().expiresSoon).toBe(false)
    await browser.advance(3000)
    expect(page.client.getSession().expiresSoon).toBe(true)
  })

  it('does not look in a tight loop when server and page disagree about it', async () => {
    const browser = fakeBrowser()
    const now = Math.floor(browser.time / 1000)
    const requests: string[] = []
    const answer = { authenticated: true, claims: {}, ref: 'r', created_at: now, idle_expires_at: now, expires_at: now }
    await openPage({
      browser,
      fetch: async (input) => {
        requests.push(String(input))
        return Response.json(answer)
      },
    })
    await browser.advance(30_000)
    expect(requests.length).toBeLessThan(40)
  })

  it('survives a session longer than a timer can be', async () => {
    const browser = fakeBrowser()
    const server = fakeServer(browser)
    const now = Math.floor(browser.time / 1000)
    const end = now + 60 * 24 * 3600
    server.session = { sub: 'ann', ref: 'r', createdAt: now, idleExpiresAt: end, expiresAt: end }
    const page = await openPage({ browser, server })
    await browser.advance(59 * 24 * 3600 * 1000)
    expect(page.client.getSession().expiresSoon).toBe(false)
    await browser.advance(24 * 3600 * 1000 - 50_000)
    expect(page.client.getSession().expiresSoon).toBe(true)
  })
})
