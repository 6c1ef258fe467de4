/**
 * What the log and the problem documents have after a session went through everything, failures too: no token, cookie,
 * code or secret (SEC-8, BFF-15), and nothing of a request that could pass for a line of ours.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { UserAgent } from '../support/browser.ts'
import { watchProvider } from '../support/provider-log.ts'
import { testSecret } from '../support/system.ts'
import { type Attacked, answerTo, startAttacked } from './attacked.ts'

let attacked: Attacked
beforeAll(async () => {
  attacked = await startAttacked({
    routes: [
      { path: '/api/*', upstream: '/v1', auth: 'session', methods: ['GET', 'POST'] },
      { path: '/open/*', upstream: '/open', auth: 'none', reason: 'a test', methods: ['GET', 'POST'] },
      { path: '/hook/*', upstream: '/hook', auth: 'none', reason: 'a test', timeout: '1s' },
    ],
    config: {
      hooks: {
        onSessionEnd: ({ sub }) => {
          throw new Error(`a hook that quotes ${sub} and Bearer abcdef`)
        },
      },
    },
    accessTokenSeconds: 60,
  })
})
afterAll(() => attacked.stop())
beforeEach(() => {
  attacked.upstream.reset()
  attacked.events.length = 0
})

/** Every part that would be of use to a finder. */
function partsOf(values: readonly unknown[]): string[] {
  return values.flatMap((value) => {
    if (typeof value !== 'string' || value.length < 12) return []
    return [value, ...value.split(/[.*~]/).filter((part) => part.length >= 20)]
  })
}

describe('a session that goes through everything', () => {
  it('leaves no secret of its own in the log or in a problem document', async () => {
    const log = watchProvider(attacked.provider)
    const secrets = new Set<string>([testSecret, attacked.provider.clientSecret])
    const bodies: string[] = []
    const keep = (browser: UserAgent) => {
      for (const { value } of browser.cookies.all()) for (const part of partsOf([value])) secrets.add(part)
    }
    const note = async (answer: Response) => {
      const text = await answer.text()
      if (answer.status >= 400 && answer.headers.get('content-type')?.includes('json')) bodies.push(text)
      for (const line of answer.headers.getSetCookie()) {
        for (const part of partsOf([line.slice(line.indexOf('=') + 1, line.indexOf(';'))])) secrets.add(part)
      }
      return answer
    }
    const { provider, upstream, origin } = attacked
    try {
      // The sign-in, with codes that are wrong, spent and somebody else's.
      const browser = new UserAgent()
      const callback = await browser.signInUntilCallback(`${origin}/bff/login`, {
        username: 'ada',
        password: 'ada-demo',
      })
      for (const value of callback.searchParams.values()) for (const part of partsOf([value])) secrets.add(part)
      keep(browser)
      await note(await new UserAgent().visit(callback, { from: provider.issuer }))
      await note(await browser.visit(callback, { from: provider.issuer }))
      keep(browser)
      await note(await browser.visit(callback, { from: provider.issuer }))
      const refused = new UserAgent()
      const wrong = await refused.signInUntilCallback(`${origin}/bff/login`, { username: 'ada', password: 'ada-demo' })
      wrong.searchParams.set('code', 'a-code-that-is-wrong-and-long')
      secrets.add('a-code-that-is-wrong-and-long')
      await note(await refused.visit(wrong, { from: provider.issuer }))

      // Calls that fail in every way, and an API that quotes the token back.
      await note(await attacked.call(browser, '/api/x', { headers: { 'X-CSRF': null } }))
      await note(await attacked.call(browser, '/api/x', { headers: { 'X-CSRF': 'another-ref-of-nobody' } }))
      await note(await attacked.call(browser, '/api//x?token=a-token-in-a-query'))
      secrets.add('a-token-in-a-query')
      upstream.answerWith((socket, { fields }) => {
        const authorization = fields.find(([name]) => name === 'authorization')?.[1] ?? ''
        for (const part of partsOf([authorization.slice(7)])) secrets.add(part)
        socket.end(
          `HTTP/1.1 302 Found\r\nLocation: https://evil.example/?t=${authorization.slice(7)}\r\nContent-Length: 0\r\n\r\n`,
        )
      })
      await note(await attacked.call(browser, '/api/x'))
      upstream.answerWith((socket, { fields }) => {
        const authorization = fields.find(([name]) => name === 'authorization')?.[1]
        socket.end(
          `HTTP/1.1 401 ${authorization}\r\nWWW-Authenticate: Bearer error="invalid_token", error_description="${authorization}"\r\nContent-Length: 0\r\n\r\n`,
        )
      })
      await note(await attacked.call(browser, '/api/x'))
      upstream.answerWith((socket, { raw }) => socket.end(`garbage ${raw}`))
      await note(await attacked.call(browser, '/api/x'))
      upstream.answerWith((socket) => socket.destroy())
      await note(await attacked.call(browser, '/api/x', { method: 'POST', body: 'a-body-that-is-a-secret' }))
      secrets.add('a-body-that-is-a-secret')

      // Refreshes that fail, are refused and succeed.
      upstream.reset()
      for (const fault of ['503', 'garbage', 'reset'] as const) {
        attacked.advance(61_000)
        provider.token.inject(fault, 1)
        await note(await attacked.call(browser, '/api/x'))
        await note(await attacked.call(browser, '/api/x'))
        keep(browser)
      }
      provider.token.clear()

      // The sign-out, with the provider down, and a call after it.
      await provider.goDown()
      await note(await attacked.call(browser, '/bff/logout', { method: 'POST' }))
      await provider.comeBack()
      await note(await attacked.call(browser, '/api/x'))
      await note(await browser.visit(`${origin}/bff/logout/continue`))

      // A logout token that is none, and an authorization field of the page.
      await note(
        await fetch(`${origin}/bff/backchannel-logout`, {
          method: 'POST',
          body: new URLSearchParams({
            logout_token: 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJhLXN1Yi10aGF0LWlzLXNlY3JldCJ9.c2lnbmF0dXJl',
          }),
        }),
      )
      secrets.add('eyJzdWIiOiJhLXN1Yi10aGF0LWlzLXNlY3JldCJ9')
      await note(await fetch(`${origin}/api/x`, { headers: { authorization: 'Bearer a-bearer-of-the-page' } }))
      secrets.add('a-bearer-of-the-page')

      for (const answer of [...log.answers, ...log.grants]) {
        const {
          scope,
          client_id: _id,
          redirect_uri: _uri,
          grant_type: _type,
          token_type: _kind,
          ...credentials
        } = answer
        expect(scope === undefined || typeof scope === 'string').toBe(true)
        for (const part of partsOf(Object.values(credentials))) secrets.add(part)
      }
    } finally {
      log.stop()
    }
    const lines = attacked.lines()
    // Enough has happened, and enough was collected, for this to say something.
    expect(new Set(attacked.events.map(({ event }) => event)).size).toBeGreaterThanOrEqual(5)
    expect(lines.length).toBeGreaterThan(8)
    expect(bodies.length).toBeGreaterThan(6)
    expect(secrets.size).toBeGreaterThan(25)
    for (const text of [...lines, ...bodies]) {
      for (const secret of secrets) expect(text.includes(secret), `${secret.slice(0, 8)}… in ${text}`).toBe(false)
      expect(text).not.toMatch(/eyJ[\w-]{10,}|Bearer [\w-]|Fe26\.2/)
    }
  })
})

describe('a line of the log', () => {
  const hostile = 'x\r\n{"event":"login_succeeded","session":"forged"}\n\u001b[2J\u001b]0;title\u0007\u2028\u0085\u202e'

  it('has nothing of a request in it: no path, query, field, cookie or body (log injection)', async () => {
    const marks = ['forged', '\u001b', '%1b', '%0d%0a', 'evil']
    const text = 'forged%0d%0aevil'
    attacked.upstream.answerWith((socket) => socket.destroy())
    for (const bytes of [
      `GET /open/${text}?${text} HTTP/1.1\r\nHost: ${attacked.host}\r\nX-Evil: forged\r\n`,
      `GET /api/%20evil HTTP/1.1\r\nHost: ${attacked.host}\r\nX-CSRF: forged\r\n`,
      `GET /hook/evil HTTP/1.1\r\nHost: ${attacked.host}\r\nUser-Agent: forged\r\n`,
      `GET /bff/callback?error=${text}&error_description=${text}&state=${text} HTTP/1.1\r\nHost: ${attacked.host}\r\n`,
      `GET /bff/login?return_to=//evil HTTP/1.1\r\nHost: ${attacked.host}\r\nReferer: http://evil/forged\r\n`,
      `GET /open/x HTTP/1.1\r\nHost: evil.example\r\nCookie: forged=evil\r\n`,
      `EVIL /open/x HTTP/1.1\r\nHost: ${attacked.host}\r\n`,
    ]) {
      await answerTo(attacked.port, `${bytes}Connection: close\r\n\r\n`)
    }
    const lines = attacked.lines()
    expect(lines.length).toBeGreaterThan(1)
    for (const line of lines) for (const mark of marks) expect(line.toLowerCase()).not.toContain(mark)
  })

  it('is one line of printable text, whatever an error quotes', async () => {
    const { eventLine } = await import('../../src/observability/events.ts')
    const cause = Object.assign(new Error(hostile, { cause: new TypeError(hostile) }), { code: 'E_CODE' })
    for (const line of [
      eventLine({ event: 'request_failed', code: 'internal_error', cause }),
      eventLine({ event: 'request_failed', code: hostile, cause: hostile }),
      eventLine({
        event: 'hook_failed',
        hook: hostile,
        cause: Object.assign(new Error('x'), { code: hostile, name: hostile }),
      }),
      eventLine({ event: 'store_unavailable', during: hostile, cause: { toString: () => hostile } }),
    ]) {
      expect(line, JSON.stringify(line)).toMatch(/^[\x20-\x7e]*$/)
      expect(() => JSON.parse(line)).not.toThrow()
      // Names and codes alone: no message of a library, which may quote what it was given.
      expect(line.startsWith('{"event":"')).toBe(true)
    }
  })
})
