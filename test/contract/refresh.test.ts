import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { apiResource } from '../../spa-example/provider/index.ts'
import { guarded, jwtGuard, requireAuthentication } from '../../src/resource-server/index.ts'
import type { UserAgent } from '../support/browser.ts'
import { type System, startSystem } from '../support/system.ts'

let system: System
beforeAll(async () => {
  system = await startSystem({ accessTokenSeconds: 60, provider: { timeout: '2s' } })
})
afterAll(() => system.stop())
beforeEach(() => {
  system.upstream.reset()
  system.provider.token.forget()
})
afterEach(() => system.provider.token.clear())

const refreshes = () => system.provider.token.count({ grantType: 'refresh_token' })

async function burst(browser: UserAgent, calls: number): Promise<number[]> {
  const answers = await Promise.all(
    Array.from({ length: calls }, (_, call) => system.call(browser, `/api/burst/${call}`)),
  )
  return answers.map((answer) => answer.status)
}

describe('a burst of calls when the access token has expired', () => {
  it('is served whole, with one refresh', async () => {
    const browser = await system.signedIn()
    await system.advance(61_000)
    expect(new Set(await burst(browser, 20))).toEqual(new Set([200]))
    expect(refreshes()).toBe(1)
  })

  it('of 500 calls costs one refresh too', async () => {
    const browser = await system.signedIn()
    await system.advance(61_000)
    system.provider.token.inject('hold-answer', 1)
    const answers = burst(browser, 500)
    await system.provider.token.whenHeld(1)
    system.provider.token.release()
    expect(new Set(await answers)).toEqual(new Set([200]))
    expect(system.upstream.requests).toHaveLength(500)
    expect(refreshes()).toBe(1)
  })

  it('gives every call the new token', async () => {
    const browser = await system.signedIn()
    await system.call(browser, '/api/before')
    await system.advance(61_000)
    await burst(browser, 20)
    const tokens = system.upstream.requests.map((request) => request.headers.authorization)
    expect(new Set(tokens.slice(1)).size).toBe(1)
    expect(tokens[1]).not.toBe(tokens[0])
  })

  it('goes on, burst after burst, each with one refresh', async () => {
    const browser = await system.signedIn()
    for (let round = 1; round <= 4; round++) {
      await system.advance(61_000)
      expect(new Set(await burst(browser, 8))).toEqual(new Set([200]))
      expect(refreshes()).toBe(round)
    }
  })
})

describe('a refresh that is slow', () => {
  it('keeps nobody waiting while the access token lives (R2)', async () => {
    const browser = await system.signedIn()
    await system.advance(55_000)
    system.provider.token.inject('hold-answer', 1)
    expect(await burst(browser, 3)).toEqual([200, 200, 200])
    await system.provider.token.whenHeld(1)
    expect(await burst(browser, 3)).toEqual([200, 200, 200])
    system.provider.token.release()
    await expect.poll(refreshes).toBe(1)
  })

  it('goes on when the call that began it has gone away, and serves the next (R4)', async () => {
    const browser = await system.signedIn()
    await system.advance(61_000)
    system.provider.token.inject('hold-answer', 1)
    const leave = new AbortController()
    const gone = system.call(browser, '/api/gone', { signal: leave.signal })
    await system.provider.token.whenHeld(1)
    leave.abort()
    await expect(gone).rejects.toThrow()
    const waiting = system.call(browser, '/api/next')
    system.provider.token.release()
    expect((await waiting).status).toBe(200)
    expect(refreshes()).toBe(1)
  })

  it('tells who waits too long to come back, and is there for who does (R4)', async () => {
    const browser = await system.signedIn()
    await system.advance(61_000)
    system.provider.token.inject('hold-answer', 1)
    const tooLong = await system.call(browser, '/api/x')
    expect(tooLong.status).toBe(503)
    expect(Number(tooLong.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await tooLong.json()).toMatchObject({ code: 'provider_unavailable' })
    system.provider.token.release()
    expect((await system.call(browser, '/api/x')).status).toBe(200)
    expect(refreshes()).toBe(1)
  })
})

describe('a call that arrives with an old cookie', () => {
  it('is served by the ledger, and gets the newest cookie', async () => {
    const browser = await system.signedIn()
    const cookie = browser.cookies.header(system.origin) ?? ''
    await system.advance(61_000)
    await burst(browser, 3)
    const late = await browser.fetch(`${system.origin}/api/late`, {
      withCookies: false,
      headers: { 'X-CSRF': '1', Cookie: cookie },
    })
    expect(late.status).toBe(200)
    // A ticket is never old.
    const newest = system.cookie === 'ticket' ? '' : '__Host-Http-coatcheck='
    expect(late.headers.getSetCookie().join()).toContain(newest)
    expect(refreshes()).toBe(1)
  })

  it('never makes its spent refresh token reach the provider, even when both versions have expired', async () => {
    const browser = await system.signedIn()
    const cookie = browser.cookies.header(system.origin) ?? ''
    await system.advance(61_000)
    await burst(browser, 1)
    await system.advance(61_000)
    const headers = { 'X-CSRF': '1', Cookie: cookie }
    const answers = await Promise.all([
      browser.fetch(`${system.origin}/api/old`, { withCookies: false, headers }),
      system.call(browser, '/api/new'),
    ])
    expect(answers.map((answer) => answer.status)).toEqual([200, 200])
    expect(system.provider.token.count({ grantType: 'refresh_token', outcome: 'refused' })).toBe(0)
  })
})

describe('a provider in trouble', () => {
  it('that answers 503 costs no session: the call is told to come back, and then served', async () => {
    const browser = await system.signedIn()
    await system.advance(61_000)
    system.provider.token.inject('503')
    const refused = await system.call(browser, '/api/x')
    expect(refused.status).toBe(503)
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await refused.json()).toMatchObject({ code: 'provider_unavailable' })
    system.provider.token.clear()
    await system.advance(20_000)
    expect((await system.call(browser, '/api/x')).status).toBe(200)
  })

  it('that is down is not missed while tokens live, nor afterwards once it is back', async () => {
    const browser = await system.signedIn()
    await system.advance(50_000)
    await system.provider.goDown()
    expect((await system.call(browser, '/api/x')).status).toBe(200)
    await system.provider.comeBack()
    await system.advance(20_000)
    expect((await system.call(browser, '/api/x')).status).toBe(200)
  })

  it('that resets the connection is asked once more, at once', async () => {
    const browser = await system.signedIn()
    await system.advance(61_000)
    system.provider.token.inject('reset', 1)
    expect((await system.call(browser, '/api/x')).status).toBe(200)
    expect(system.provider.token.count({ grantType: 'refresh_token', outcome: 'succeeded' })).toBe(1)
  })

  it('whose answer is lost, and that has no grace period, lets the access token be used to its end', async () => {
    const browser = await system.signedIn()
    // Late enough for a refresh, early enough for the token to live.
    await system.advance(55_000)
    system.provider.token.inject('lose-answer', 1)
    expect((await system.call(browser, '/api/x')).status).toBe(200)
    await expect.poll(refreshes).toBe(2)
    expect((await system.call(browser, '/api/x')).status).toBe(200)
    await system.advance(10_000)
    const over = await system.call(browser, '/api/x')
    expect(over.status).toBe(401)
    expect(await over.json()).toMatchObject({ code: 'login_required', silent: true })
  })

  it('that refuses the refresh token ends the session', async () => {
    const browser = await system.signedIn()
    await system.advance(61_000)
    system.provider.token.inject({ status: 400, body: { error: 'invalid_grant' } }, 1)
    const answer = await system.call(browser, '/api/x')
    expect(answer.status).toBe(401)
    // Another tab may have signed in meanwhile: only a sign-out takes cookies away (C1).
    expect(answer.headers.getSetCookie()).toEqual([])
    expect(await (await system.call(browser, '/bff/session')).json()).toEqual({ authenticated: false })
  })

  it.each([
    ['seconds', () => '7', 7],
    ['a date', () => new Date(Date.now() + 20_000).toUTCString(), 20],
    ['more than anybody waits', () => '86400', 300],
    ['nothing', () => '0', 1],
  ])('that asks for %s gets it within bounds, and the caller is told so', async (_what, asked, told) => {
    const browser = await system.signedIn()
    await system.advance(61_000)
    system.provider.token.inject({ status: 429, headers: { 'Retry-After': asked() } }, 1)
    const refused = await system.call(browser, '/api/x')
    expect(refused.status).toBe(503)
    // A date has no parts of a second.
    expect(Math.abs(Number(refused.headers.get('retry-after')) - told)).toBeLessThanOrEqual(told === 20 ? 2 : 0)
    expect((await system.call(browser, '/api/x')).status).toBe(503)
    expect(refreshes()).toBe(1)
    await system.advance(told * 1000 + 1000)
    expect((await system.call(browser, '/api/x')).status).toBe(200)
  })

  it.each(['interaction_required', 'consent_required', 'login_required', 'invalid_scope'])(
    'that wants the person (%s) gets them: 401',
    async (error) => {
      const browser = await system.signedIn()
      await system.advance(61_000)
      system.provider.token.inject({ status: 400, body: { error } }, 1)
      const answer = await system.call(browser, '/api/x')
      expect(answer.status).toBe(401)
      expect(await answer.json()).toMatchObject({ code: 'login_required' })
      expect(answer.headers.getSetCookie()).toEqual([])
    },
  )

  it('that gives another person’s ID token ends the session (OpenID Connect Core §12.2)', async () => {
    const browser = await system.signedIn()
    await system.advance(61_000)
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const issuedAt = Math.floor(Date.now() / 1000)
    const { issuer: iss, clientId: aud } = system.provider
    const idToken = `${part({ alg: 'ES256' })}.${part({ iss, aud, sub: 'mallory', iat: issuedAt, exp: issuedAt + 600 })}.c2ln`
    const body = { access_token: 'mallory’s', token_type: 'Bearer', expires_in: 60, id_token: idToken }
    system.provider.token.inject({ status: 200, body }, 1)
    const answer = await system.call(browser, '/api/x')
    expect(answer.status).toBe(401)
    expect((await system.call(browser, '/api/x')).status).toBe(401)
    expect(system.upstream.requests.some(({ headers }) => headers.authorization?.includes('mallory'))).toBe(false)
  })

  it.each([
    ['does not accept our client authentication', 401, 'invalid_client'],
    ['does not let this client refresh', 400, 'unauthorized_client'],
    ['knows no refresh any more', 400, 'unsupported_grant_type'],
  ])('that %s ends no session', async (_what, status, error) => {
    const browser = await system.signedIn()
    await system.advance(61_000)
    system.provider.token.inject({ status, body: { error } }, 1)
    expect((await system.call(browser, '/api/x')).status).toBe(503)
    await system.advance(20_000)
    expect((await system.call(browser, '/api/x')).status).toBe(200)
  })
})

describe('an upstream that answers 401', () => {
  let longLived: System
  beforeAll(async () => {
    longLived = await startSystem({ accessTokenSeconds: 600 })
  })
  afterAll(() => longLived.stop())
  beforeEach(() => {
    longLived.upstream.reset()
    longLived.provider.token.forget()
  })

  /** Refuses the first `times` calls. */
  function refuseAtFirst(times: number, challenge = 'Bearer error="invalid_token"'): (string | undefined)[] {
    const tokens: (string | undefined)[] = []
    longLived.upstream.on('/v1/strict', async (incoming, outgoing) => {
      tokens.push(incoming.headers.authorization)
      let bytes = 0
      for await (const chunk of incoming) bytes += (chunk as Buffer).length
      const isRefused = tokens.length <= times
      outgoing.writeHead(isRefused ? 401 : 200, isRefused ? { 'WWW-Authenticate': challenge } : {}).end(String(bytes))
    })
    return tokens
  }

  it('gets the call once more, with a newer token', async () => {
    const browser = await longLived.signedIn()
    await longLived.advance(61_000)
    const tokens = refuseAtFirst(1)
    const answer = await longLived.call(browser, '/api/strict', { method: 'POST', body: 'twelve bytes' })
    expect(answer.status).toBe(200)
    expect(await answer.text()).toBe('12')
    expect(new Set(tokens).size).toBe(2)
  })

  it('is what it takes: a call that is served refreshes nothing, however old its token', async () => {
    const browser = await longLived.signedIn()
    await longLived.advance(61_000)
    const tokens = refuseAtFirst(0)
    expect((await longLived.call(browser, '/api/strict')).status).toBe(200)
    expect(tokens).toHaveLength(1)
    expect(longLived.provider.token.count({ grantType: 'refresh_token' })).toBe(0)
  })

  it('to a token of the last minute is believed, and its challenge stays here', async () => {
    const browser = await longLived.signedIn()
    const tokens = refuseAtFirst(9)
    const answer = await longLived.call(browser, '/api/strict')
    expect(answer.status).toBe(401)
    expect(answer.headers.get('www-authenticate')).toBeNull()
    expect(tokens).toHaveLength(1)
    expect(longLived.provider.token.count({ grantType: 'refresh_token' })).toBe(0)
  })

  it('for another reason than the token is passed on', async () => {
    const browser = await longLived.signedIn()
    await longLived.advance(61_000)
    const tokens = refuseAtFirst(9, 'Bearer error="insufficient_scope"')
    expect((await longLived.call(browser, '/api/strict')).status).toBe(401)
    expect(tokens).toHaveLength(1)
  })

  it('for want of a recent sign-in says so to the page by its body, costs no refresh, and ends nothing (RFC 9470)', async () => {
    const browser = await longLived.signedIn()
    await longLived.advance(61_000)
    const guard = jwtGuard({ issuer: longLived.provider.issuer, audience: apiResource })
    const policy = requireAuthentication({ acr: ['phr', 'phrh'], maxAge: 300 })
    const api = guarded(guard, [policy], () => new Response('in'))
    let calls = 0
    longLived.upstream.on('/v1/strict', async (incoming, outgoing) => {
      calls += 1
      const { authorization = '' } = incoming.headers
      const answer = await api(new Request(`${apiResource}/strict`, { method: 'DELETE', headers: { authorization } }))
      outgoing.writeHead(answer.status, Object.fromEntries(answer.headers)).end(await answer.text())
    })
    const answer = await longLived.call(browser, '/api/strict', { method: 'DELETE' })
    expect([answer.status, answer.headers.get('content-type')]).toEqual([401, 'application/problem+json'])
    expect(await answer.json()).toMatchObject({
      code: 'insufficient_user_authentication',
      acr_values: 'phr phrh',
      max_age: 300,
    })
    expect(answer.headers.get('www-authenticate')).toBeNull()
    expect([calls, longLived.provider.token.count({ grantType: 'refresh_token' })]).toEqual([1, 0])
    expect((await longLived.call(browser, '/api/fine')).status).toBe(200)
  })

  it('to every token costs a refresh ever more seldom, and other APIs nothing', async () => {
    const browser = await longLived.signedIn()
    const refreshes = () => longLived.provider.token.count({ grantType: 'refresh_token' })
    refuseAtFirst(99)
    const counts: number[] = []
    for (let round = 0; round < 5; round++) {
      await longLived.advance(61_000)
      expect((await longLived.call(browser, '/api/strict')).status).toBe(401)
      expect((await longLived.call(browser, '/api/fine')).status).toBe(200)
      counts.push(refreshes())
    }
    // One a minute at first, then after two, then after four.
    expect(counts).toEqual([1, 2, 2, 3, 3])
  })

  it('again and again is asked once more only', async () => {
    const browser = await longLived.signedIn()
    await longLived.advance(61_000)
    const tokens = refuseAtFirst(9)
    expect((await longLived.call(browser, '/api/strict')).status).toBe(401)
    expect(tokens).toHaveLength(2)
  })
})
