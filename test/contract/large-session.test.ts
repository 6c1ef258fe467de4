/** A session whose tokens are too long for the cookies that common servers take (protocol.md C4). */
import { randomBytes } from 'node:crypto'
import { afterEach, describe, expect, it } from 'vitest'
import { UserAgent } from '../support/browser.ts'
import { type System, startSystem } from '../support/system.ts'

let system: System | undefined
afterEach(() => system?.stop())

const ada = { username: 'ada', password: 'ada-demo' }
/** Nothing that deflate makes shorter. */
const tail = randomBytes(9000).toString('base64url')

function startWithLongTokens(cookie: 'session' | 'ticket', isLong: () => boolean): Promise<System> {
  return startSystem({
    cookie,
    providerMiddleware: [
      async (ctx, next) => {
        await next()
        const body = ctx.body as { access_token?: string } | undefined
        if (ctx.path === '/token' && body?.access_token && isLong()) body.access_token += tail
      },
    ],
  })
}

describe('a sign-in whose tokens are too long', () => {
  it('for cookies is refused, and the session that stood goes on', async () => {
    let isLong = false
    system = await startWithLongTokens('session', () => isLong)
    const browser = await system.signedIn()
    isLong = true
    const callback = await browser.signInUntilCallback(`${system.origin}/bff/login?return_to=/orders?tab=new`, ada)
    const answer = await browser.visit(callback, { from: system.provider.issuer })
    expect(answer.status).toBe(303)
    expect(answer.headers.get('location')).toBe(`${system.origin}/orders?tab=new&login_error=session_too_large`)
    expect(answer.headers.getSetCookie()).toEqual([expect.stringMatching(/^__Host-Http-coatcheck-login-.*Max-Age=0/)])
    expect((await system.call(browser, '/api/x')).status).toBe(200)
  })

  it('is none where they lie behind a ticket', async () => {
    system = await startWithLongTokens('ticket', () => true)
    const browser = new UserAgent()
    await browser.signIn(`${system.origin}/bff/login?return_to=/`, ada)
    const answer = await system.call(browser, '/bff/session')
    expect(await answer.json()).toMatchObject({ authenticated: true })
  })
})
