/** A sign-in with a second factor at the demo's provider, for an API that asks for its class (RFC 9470). */
import { decodeJwt } from 'jose'
import { calculatePKCECodeChallenge, randomPKCECodeVerifier } from 'openid-client'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { startApi } from '../../spa-example/api/index.ts'
import { apiResource, clientIds, type RunningProvider, startProvider } from '../../spa-example/provider/index.ts'
import { codeAt, createOneTimeCodes, twoFactors } from '../../spa-example/provider/two-factors.ts'
import { readForms, redirectTarget, UserAgent } from '../support/browser.ts'

const appOrigin = 'http://localhost:39003'
const redirectUri = `${appOrigin}/bff/callback`
const ada = { username: 'ada', password: 'ada-demo' }

afterEach(() => vi.useRealTimers())

describe('one-time codes', () => {
  test('are those of the standard (RFC 4226 appendix D)', () => {
    const secret = Buffer.from('12345678901234567890')
    expect([0, 1, 2, 9].map((step) => codeAt(secret, step))).toEqual(['755224', '287082', '359152', '520489'])
  })

  test('are good for their half minute and the next, once, and for their person alone (RFC 6238 §5.2)', () => {
    vi.useFakeTimers({ toFake: ['Date'], now: 1_800_000_000_000 })
    const codes = createOneTimeCodes()
    const first = codes.current('ada')
    expect([codes.use('grace', first), codes.use('ada', first.slice(1)), codes.use('ada', '')]).not.toContain(true)
    vi.setSystemTime(1_800_000_059_999)
    expect([codes.use('ada', first), codes.use('ada', first)]).toEqual([true, false])
    const second = codes.current('ada')
    vi.setSystemTime(1_800_000_090_000)
    expect([codes.use('ada', second), codes.use('ada', codes.current('ada'))]).toEqual([false, true])
  })
})

describe('a sign-in at the provider', () => {
  let provider: RunningProvider
  let browser: UserAgent

  beforeEach(async () => {
    provider = await startProvider({ appOrigin })
    browser = new UserAgent()
  })
  afterEach(() => provider.stop())

  async function authorizationUrl(change: Record<string, string> = {}) {
    const verifier = randomPKCECodeVerifier()
    const query = new URLSearchParams({
      client_id: clientIds.basic,
      response_type: 'code',
      redirect_uri: redirectUri,
      scope: 'openid orders:read',
      code_challenge: await calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      ...change,
    })
    return { url: `${provider.issuer}/auth?${query}`, verifier }
  }

  async function tokensBy(grant: Record<string, string>): Promise<Record<string, string>> {
    const response = await fetch(`${provider.issuer}/token`, {
      method: 'POST',
      headers: { Authorization: `Basic ${btoa(`${provider.clientId}:${provider.clientSecret}`)}` },
      body: new URLSearchParams(grant),
    })
    expect(response.status).toBe(200)
    return (await response.json()) as Record<string, string>
  }

  function tokensOf(callback: URL | undefined, verifier: string) {
    const code = callback?.searchParams.get('code') ?? ''
    return tokensBy({ grant_type: 'authorization_code', code, redirect_uri: redirectUri, code_verifier: verifier })
  }

  async function signIn(): Promise<Record<string, string>> {
    const { url, verifier } = await authorizationUrl()
    return tokensOf(await browser.signInUntilCallback(url, ada), verifier)
  }

  /** On the page that asks for it, with the code that it shows for Ada. */
  async function submitCode(page: Response, change: Record<string, string> = {}): Promise<Response> {
    const code = /Ada Lovelace[\s\S]*?<code>(\d{6})<\/code>/.exec(await page.clone().text())?.[1] ?? ''
    return browser.submit(page, { fields: { ...ada, code, ...change } })
  }

  async function signInWithCode(): Promise<Record<string, string>> {
    const { url, verifier } = await authorizationUrl({ acr_values: twoFactors })
    const page = await submitCode(await browser.navigate(url))
    const isCallback = (next: URL) => next.origin === appOrigin
    const next = await browser.follow(page, isCallback)
    const isConsent = redirectTarget(next) === undefined
    const last = isConsent ? await browser.follow(await browser.submit(next, { button: 'allow' }), isCallback) : next
    return tokensOf(redirectTarget(last), verifier)
  }

  const asksForCode = async (page: Response) =>
    readForms(await page.clone().text(), page.url)[0]?.fields.has('code') === true

  test('says in its tokens that both factors were shown, in those of a refresh too (RFC 9068 §2.2.1)', async () => {
    const tokens = await signInWithCode()
    expect(decodeJwt(tokens.access_token ?? '')).toMatchObject({ acr: twoFactors })
    expect(decodeJwt(tokens.id_token ?? '')).toMatchObject({ acr: twoFactors })
    const refreshed = await tokensBy({ grant_type: 'refresh_token', refresh_token: tokens.refresh_token ?? '' })
    expect(decodeJwt(refreshed.access_token ?? '')).toMatchObject({ acr: twoFactors })
  })

  test('with a password alone is asked for nothing else, and says nothing of it', async () => {
    const { access_token: token = '' } = await signIn()
    expect(decodeJwt(token)).toMatchObject({ auth_time: expect.any(Number) })
    expect(decodeJwt(token)).not.toHaveProperty('acr')
  })

  test.each([
    ['the code of nobody', { code: '12345' }],
    ['no code', { code: '' }],
    ['a wrong password and the right code', { password: 'nonsense' }],
  ])('with %s is refused where both factors are asked for, with one text', async (_, change) => {
    const { url } = await authorizationUrl({ acr_values: twoFactors })
    const page = await browser.navigate(url)
    const refused = await submitCode(page, change)
    expect(refused.status).toBe(422)
    expect(await refused.clone().text()).toContain('username, password and code do not belong together')
    expect(await asksForCode(refused)).toBe(true)
  })

  test('asks who has shown a password alone for both, and who has shown both for nothing (RFC 9470 §5)', async () => {
    await signIn()
    // A class that the provider does not know is a wish (OpenID Connect Core §3.1.2.1).
    const { url: unknown } = await authorizationUrl({ acr_values: 'urn:other' })
    expect(redirectTarget(await browser.visit(unknown))?.searchParams.get('code')).toEqual(expect.any(String))
    const { url } = await authorizationUrl({ acr_values: `urn:other ${twoFactors}` })
    const { url: silent } = await authorizationUrl({ acr_values: twoFactors, prompt: 'none' })
    expect(await asksForCode(await browser.navigate(url))).toBe(true)
    expect(redirectTarget(await browser.visit(silent))?.searchParams.get('error')).toBe('login_required')
    await signInWithCode()
    expect(redirectTarget(await browser.visit(silent))?.searchParams.get('code')).toEqual(expect.any(String))
  })

  test('is known by its class in the metadata, and lets the API give its export', async () => {
    const metadata = await (await fetch(`${provider.issuer}/.well-known/openid-configuration`)).json()
    expect(metadata).toMatchObject({ acr_values_supported: [twoFactors] })

    const api = await startApi({ issuer: provider.issuer, audience: apiResource })
    try {
      const exportWith = ({ access_token: token }: Record<string, string>) =>
        fetch(`${api.baseUrl}/reports/export?megabytes=1`, { headers: { Authorization: `Bearer ${token}` } })
      const refused = await exportWith(await signIn())
      expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([
        401,
        expect.stringContaining(`acr_values="${twoFactors}"`),
      ])
      expect((await exportWith(await signInWithCode())).status).toBe(200)
    } finally {
      await api.stop()
    }
  })
})
