/** A sign-in that another site begins (OpenID Connect Core §4): an option, and the other site chooses nothing. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { UserAgent } from '../support/browser.ts'
import { type System, startSystem } from '../support/system.ts'

let system: System
beforeAll(async () => {
  system = await startSystem({ thirdPartyInitiatedLogin: true })
})
afterAll(() => system.stop())

const elsewhere = 'https://portal.example/apps'
const ada = { username: 'ada', password: 'ada-demo' }
const issuer = () => system.provider.issuer
const login = (parameters: Record<string, string> | [string, string][]) =>
  `${system.origin}/bff/login?${new URLSearchParams(parameters)}`
const isSignedIn = async (browser: UserAgent) =>
  ((await (await system.call(browser, '/bff/session')).json()) as { authenticated: boolean }).authenticated

function expectNothingStarted(answer: Response, location: string): void {
  expect(answer.status).toBe(303)
  expect(answer.headers.get('location')).toBe(location)
  expect(answer.headers.getSetCookie()).toEqual([])
}

describe('where the operator allows it', () => {
  it('another site begins a sign-in by naming the issuer, and it ends at the root', async () => {
    const browser = new UserAgent()
    const callback = await browser.signInUntilCallback(login({ iss: issuer() }), { ...ada, from: elsewhere })
    const answer = await browser.visit(callback, { from: issuer() })
    expect(answer.headers.get('location')).toBe(`${system.origin}/`)
    expect(await isSignedIn(browser)).toBe(true)
  })

  it.each([
    ['from another site', { from: elsewhere }],
    ['from the provider', { from: 'http://127.0.0.1:1/' }],
    ['from a mail', {}],
  ])('ignores every other parameter: %s', async (_what, options) => {
    const plain = await new UserAgent().visit(login({ iss: issuer() }), options)
    const parameters: [string, string][] = [
      ['iss', issuer()],
      ['return_to', '//evil.example'],
      ['return_to', '/chosen'],
      ['target_link_uri', 'https://evil.example/'],
      ['login_hint', 'evil'],
      ['login_hint', 'evil'],
      ['prompt', 'none'],
      ['acr_values', 'evil'.repeat(300)],
      ['max_age', 'evil'],
      ['ui_locales', 'evil'],
      ['scope', 'evil'],
    ]
    const browser = new UserAgent()
    const answer = await browser.visit(login(parameters), options)
    expect([plain.status, answer.status]).toEqual([302, 302])
    const names = (response: Response) => [...new URL(response.headers.get('location') ?? '').searchParams.keys()]
    expect(names(answer)).toEqual(names(plain))
    expect(answer.headers.get('location')).not.toContain('evil')
    const callback = await browser.signInUntilCallback(answer.headers.get('location') ?? '', ada)
    const end = await browser.visit(callback, { from: issuer() })
    expect(end.headers.get('location')).toBe(`${system.origin}/`)
  })

  it('another issuer begins nothing, and nor does one that is nearly ours', async () => {
    const wrong = [
      ...['https://evil.example', `${issuer()}/`, `${issuer()}.evil.example`, issuer().toUpperCase(), ` ${issuer()}`],
      ...['', 'null', issuer().replace('http:', 'https:'), issuer().replace('127.0.0.1', 'localhost')],
    ]
    for (const iss of wrong) {
      const answer = await new UserAgent().visit(login({ iss, return_to: '/x' }), { from: elsewhere })
      expectNothingStarted(answer, `${system.origin}/x`)
    }
  })

  it('without an issuer it is as without the option', async () => {
    const answer = await new UserAgent().visit(login({ return_to: '/x' }), { from: elsewhere })
    expectNothingStarted(answer, `${system.origin}/x`)
  })

  it('two issuers are refused, whichever comes first', async () => {
    const pairs: [string, string][][] = [
      [
        ['iss', issuer()],
        ['iss', 'https://evil.example'],
      ],
      [
        ['iss', 'https://evil.example'],
        ['iss', issuer()],
      ],
    ]
    for (const pair of pairs) {
      const answer = await new UserAgent().visit(login(pair), { from: elsewhere })
      expect(answer.status).toBe(400)
      expect(await answer.json()).toMatchObject({ code: 'invalid_request', parameter: 'iss' })
      expect(answer.headers.getSetCookie()).toEqual([])
    }
  })

  it.each([
    ['an image', 'no-cors', 'image'],
    ['a script', 'no-cors', 'script'],
    ['a frame', 'navigate', 'iframe'],
    ['an object', 'navigate', 'object'],
    ['a call with CORS', 'cors', 'empty'],
    ['a call without', 'no-cors', 'empty'],
  ] as const)('%s on another site begins nothing: nobody would see it', async (_what, mode, destination) => {
    const browser = new UserAgent()
    const answer = await browser.fetch(login({ iss: issuer() }), { from: elsewhere, mode, destination })
    expectNothingStarted(answer, `${system.origin}/`)
  })

  it('a prefetch begins nothing', async () => {
    const headers = { 'Sec-Purpose': 'prefetch;prerender' }
    const answer = await new UserAgent().visit(login({ iss: issuer() }), { from: elsewhere, headers })
    expect(answer.status).toBe(204)
    expect(answer.headers.getSetCookie()).toEqual([])
  })

  it('does not touch the session that stands until the new one is there', async () => {
    const browser = await system.signedIn()
    const answer = await browser.visit(login({ iss: issuer() }), { from: elsewhere })
    expect(answer.headers.getSetCookie()).toEqual([expect.stringContaining('__Host-Http-coatcheck-login-')])
    expect(await isSignedIn(browser)).toBe(true)
  })

  it('leaves the own sign-in of the app as it is', async () => {
    const answer = await new UserAgent().visit(login({ return_to: '/x', login_hint: 'ada' }), { from: system.origin })
    expect(new URL(answer.headers.get('location') ?? '').searchParams.get('login_hint')).toBe('ada')
  })
})

describe('where the operator does not', () => {
  let closed: System
  beforeAll(async () => {
    closed = await startSystem()
  })
  afterAll(() => closed.stop())

  it('the right issuer changes nothing: the app looks at the session itself', async () => {
    const query = new URLSearchParams({ iss: closed.provider.issuer, return_to: '/x' })
    const answer = await new UserAgent().visit(`${closed.origin}/bff/login?${query}`, { from: elsewhere })
    expectNothingStarted(answer, `${closed.origin}/x`)
  })
})
