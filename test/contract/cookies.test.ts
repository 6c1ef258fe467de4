/** Which cookies go out, and which never do (protocol.md C1 to C3, C5). */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { UserAgent } from '../support/browser.ts'
import { type System, startSystem } from '../support/system.ts'

let system: System
beforeAll(async () => {
  system = await startSystem({ session: { idleTimeout: '5m' } })
})
afterAll(() => system.stop())
beforeEach(() => system.upstream.reset())

const again = async (browser: UserAgent) => {
  const start = `${system.origin}/bff/login?return_to=/`
  await browser.signIn(start, { username: 'ada', password: 'ada-demo' })
}
const cookieOf = (browser: UserAgent) => browser.cookies.header(system.origin) ?? ''
const callWith = (browser: UserAgent, cookie: string, path = '/api/x', init = {}) =>
  browser.fetch(system.origin + path, { ...init, withCookies: false, headers: { 'X-CSRF': '1', Cookie: cookie } })

describe('a cookie', () => {
  it.each([
    ['that does not open', '__Host-Http-coatcheck=Fe26.2*1*rubbish'],
    ['of which one part is missing', '__Host-Http-coatcheck.0=2.abcdef.rubbish'],
    ['of no length', '__Host-Http-coatcheck='],
  ])('%s is no session, and is not cleared', async (_what, cookie) => {
    const browser = await system.signedIn()
    const answer = await callWith(browser, cookie)
    expect(answer.status).toBe(401)
    expect(answer.headers.getSetCookie()).toEqual([])
    const session = await callWith(browser, cookie, '/bff/session')
    expect(await session.json()).toEqual({ authenticated: false })
    expect(session.headers.getSetCookie()).toEqual([])
  })

  it('that has idled out is not cleared by a call', async () => {
    const browser = await system.signedIn()
    const cookie = cookieOf(browser)
    await system.advance(301_000)
    const answer = await callWith(browser, cookie)
    expect(answer.status).toBe(401)
    expect(answer.headers.getSetCookie()).toEqual([])
  })

  it('of the session before a sign-in is over, sets nothing, and a silent sign-in will do', async () => {
    const browser = await system.signedIn()
    const before = cookieOf(browser)
    await again(browser)
    const late = await callWith(browser, before)
    expect(late.status).toBe(401)
    expect(await late.json()).toMatchObject({ code: 'login_required', silent: true })
    expect(late.headers.getSetCookie()).toEqual([])
    expect((await system.call(browser, '/api/x')).status).toBe(200)
  })

  it('of a call that was under way during a sign-in does not go out', async () => {
    const browser = await system.signedIn()
    const before = cookieOf(browser)
    await system.advance(120_000)
    const { promise: hasCome, resolve: come } = Promise.withResolvers<void>()
    const { promise: mayGo, resolve: go } = Promise.withResolvers<void>()
    system.upstream.on('/v1/slow', async (_incoming, outgoing) => {
      come()
      await mayGo
      outgoing.end('done')
    })
    const slow = callWith(browser, before, '/api/slow')
    await hasCome
    await again(browser)
    go()
    const answer = await slow
    expect(answer.status).toBe(200)
    expect(answer.headers.getSetCookie()).toEqual([])
  })

  it('is not slid by an event stream, which is no activity', async () => {
    const browser = await system.signedIn()
    const idleEnd = async () => {
      const looked = await system.call(browser, '/bff/session?slide=false')
      return ((await looked.json()) as { idle_expires_at: number }).idle_expires_at
    }
    const before = await idleEnd()
    await system.advance(120_000)
    system.upstream.on('/v1/feed', (_incoming, outgoing) => {
      outgoing.writeHead(200, { 'Content-Type': 'text/event-stream' })
      outgoing.end('data: 1\n\n')
    })
    const stream = await system.call(browser, '/api/feed')
    expect(stream.status).toBe(200)
    expect(stream.headers.getSetCookie()).toEqual([])
    expect(await idleEnd()).toBe(before)
    await system.call(browser, '/api/x')
    expect(await idleEnd()).toBeGreaterThanOrEqual(before + 119)
  })
})
