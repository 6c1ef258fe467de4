/** OpenID Connect Back-Channel Logout 1.0: the provider ends sessions (protocol.md E2, E3). */
import { generateKeyPair, SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { UserAgent } from '../support/browser.ts'
import { type System, startSystem } from '../support/system.ts'

let system: System
beforeAll(async () => {
  system = await startSystem({ backChannelLogout: true })
})
afterAll(() => system.stop())

const eventName = 'http://schemas.openid.net/event/backchannel-logout'

interface Changes {
  readonly sid?: string
  readonly claims?: Readonly<Record<string, unknown>>
  readonly events?: unknown
}

/** A logout token as the provider makes one, signed with its own key. */
async function logoutToken(sub: string, changes: Changes = {}): Promise<string> {
  const { provider, clientId } = system.provider
  const client = await provider.Client.find(clientId)
  // biome-ignore lint/suspicious/noExplicitAny: what the provider does when it logs a client out is not in its types
  const token = new (provider as any).IdToken({ sub }, { client, ctx: undefined })
  token.mask = { sub: null }
  token.set('events', 'events' in changes ? changes.events : { [eventName]: {} })
  token.set('jti', crypto.randomUUID())
  if (changes.sid !== undefined) token.set('sid', changes.sid)
  for (const [name, value] of Object.entries(changes.claims ?? {})) token.set(name, value)
  return token.issue({ use: 'logout' })
}

const send = (body: string | URLSearchParams, headers: Record<string, string> = {}) =>
  fetch(`${system.origin}/bff/backchannel-logout`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    body,
  })
const sendToken = (token: string) => send(new URLSearchParams({ logout_token: token }))

async function statusOf(browser: UserAgent): Promise<number> {
  const answer = await system.call(browser, '/api/orders')
  await answer.body?.cancel()
  return answer.status
}

async function subOf(browser: UserAgent): Promise<string> {
  const answer = await system.call(browser, '/bff/session')
  return ((await answer.json()) as { claims: { sub: string } }).claims.sub
}

describe('a sign-out at the provider', () => {
  it('ends the session here, and not that of the same person elsewhere', async () => {
    const [browser, other] = [await system.signedIn('ada'), await system.signedIn('ada')]
    const page = await browser.navigate(`${system.provider.issuer}/session/end`)
    await (await browser.submit(page)).body?.cancel()
    // The provider answers the person without waiting for us.
    await expect.poll(() => statusOf(browser), { timeout: 5000 }).toBe(401)
    expect(await statusOf(other)).toBe(200)
  })

  it('does not bar the sign-in after it', async () => {
    const browser = await system.signedIn('ada')
    expect(await statusOf(browser)).toBe(200)
  })
})

describe('a logout token with a subject alone', () => {
  it('ends every session of the person, within a second, and nobody else’s', async () => {
    const [one, two] = [await system.signedIn('grace'), await system.signedIn('grace')]
    const ada = await system.signedIn('ada')
    expect([await statusOf(one), await statusOf(two)]).toEqual([200, 200])
    expect((await sendToken(await logoutToken(await subOf(one)))).status).toBe(200)
    await expect.poll(() => statusOf(one), { timeout: 1500 }).toBe(401)
    await expect.poll(() => statusOf(two), { timeout: 1500 }).toBe(401)
    expect(await statusOf(ada)).toBe(200)
  })

  it('counts once: the same token again is refused', async () => {
    const token = await logoutToken('nobody-of-ours')
    expect((await sendToken(token)).status).toBe(200)
    const again = await sendToken(token)
    expect(again.status).toBe(400)
    expect(await again.json()).toMatchObject({ type: 'urn:coatcheck:problem:invalid_request', check: 'jti' })
  })
})

describe('what is no logout token for us', () => {
  const now = () => Math.floor(Date.now() / 1000)
  it.each<[what: string, make: () => Promise<string>]>([
    ['noise', async () => 'a.b.c'],
    ['nothing', async () => ''],
    ['without the event', () => logoutToken('x', { events: {} })],
    ['with an event that is no object', () => logoutToken('x', { events: { [eventName]: 'yes' } })],
    ['an ID token: with a nonce', () => logoutToken('x', { claims: { nonce: 'n' } })],
    [
      'of a key that is not the provider’s',
      async () => {
        const { privateKey } = await generateKeyPair('ES256')
        return new SignJWT({ events: { [eventName]: {} }, sub: 'x', jti: 'forged' })
          .setProtectedHeader({ alg: 'ES256', typ: 'logout+jwt', kid: 'unknown' })
          .setIssuer(system.provider.issuer)
          .setAudience(system.provider.clientId)
          .setIssuedAt()
          .sign(privateKey)
      },
    ],
    [
      'signed with the client’s secret',
      async () =>
        new SignJWT({ events: { [eventName]: {} }, sub: 'x', jti: 'hmac' })
          .setProtectedHeader({ alg: 'HS256' })
          .setIssuer(system.provider.issuer)
          .setAudience(system.provider.clientId)
          .setIssuedAt()
          .sign(new TextEncoder().encode(system.provider.clientSecret)),
    ],
    [
      'without a signature',
      async () => {
        const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
        const { issuer: iss, clientId: aud } = system.provider
        return `${part({ alg: 'none' })}.${part({ iss, aud, iat: now(), jti: 'n', sub: 'x', events: { [eventName]: {} } })}.`
      },
    ],
    ['changed on its way', async () => (await logoutToken('x')).replace(/.{4}$/, 'AAAA')],
  ])('%s is refused', async (_what, make) => {
    const answer = await sendToken(await make())
    expect(answer.status).toBe(400)
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(await answer.text()).toContain('invalid_request')
  })

  it.each<[what: string, send: () => Promise<Response>, status: number]>([
    ['two of them', () => send('logout_token=a&logout_token=b'), 400],
    ['JSON', () => send('{"logout_token":"a"}', { 'content-type': 'application/json' }), 400],
    ['more than 16 KB', () => send(`logout_token=${'a'.repeat(17_000)}`), 413],
    ['a GET', () => fetch(`${system.origin}/bff/backchannel-logout`), 405],
  ])('%s', async (_what, act, status) => {
    expect((await act()).status).toBe(status)
  })
})

describe('where it is not configured', () => {
  it('there is no such endpoint', async () => {
    const plain = await startSystem()
    try {
      const answer = await fetch(`${plain.origin}/bff/backchannel-logout`, { method: 'POST' })
      expect(answer.status).toBe(404)
    } finally {
      await plain.stop()
    }
  })
})
