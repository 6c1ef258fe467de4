/** A session at a provider that issues opaque access tokens: the API gets the JWT that the provider gives for it. */
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { apiResource, partnerResource, reportsResource } from '../../spa-example/provider/index.ts'
import { type PhantomIntrospection, startPhantomIntrospection } from '../support/phantom-introspection.ts'
import { type System, startSystem } from '../support/system.ts'

let introspection: PhantomIntrospection
let system: System
beforeAll(async () => {
  introspection = await startPhantomIntrospection(apiResource)
  const upstreamToken = { from: 'introspection' } as const
  system = await startSystem({
    provider: (provider) => introspection.beside(provider, partnerResource),
    routes: [
      {
        ...{ path: '/api/*', upstream: '/v1', auth: 'session', methods: ['GET', 'POST'] },
        ...{ audience: apiResource, upstreamToken },
      },
      { path: '/reports/*', upstream: '/reports', auth: 'session', audience: reportsResource, upstreamToken },
      { path: '/opaque/*', upstream: '/opaque', auth: 'session' },
    ],
  })
})
afterAll(async () => {
  await system.stop()
  await introspection.stop()
})
beforeEach(() => {
  system.upstream.reset()
  system.provider.token.clear()
  system.provider.token.forget()
  introspection.asked.length = 0
})

const sentToken = () => system.upstream.requests.at(-1)?.headers.authorization?.slice('Bearer '.length) ?? ''
const refreshes = () => system.provider.token.count({ grantType: 'refresh_token' })
const codeOf = async (answer: Response) => ((await answer.json()) as { code: string }).code

/** The token alone: its grant stands, and can be refreshed. */
async function revoke(token: string): Promise<void> {
  const known = await system.provider.provider.AccessToken.find(token)
  expect(known).toBeDefined()
  await known?.destroy()
}

describe('a session’s opaque token', () => {
  it('becomes the JWT that the server gives for it, and never reaches the API', async () => {
    const browser = await system.signedIn()
    expect((await system.call(browser, '/api/x')).status).toBe(200)
    const [opaque = ''] = introspection.asked
    expect(opaque).toMatch(/^[\w-]+$/)
    expect(decodeJwt(sentToken())).toMatchObject({ iss: system.provider.issuer, aud: apiResource })
    expect(JSON.stringify(system.upstream.requests)).not.toContain(opaque)
    // It is the session's own, as the API beside it gets it.
    await system.call(browser, '/opaque/x')
    expect(sentToken()).toBe(opaque)
  })

  it('is asked about once for a burst, and by each session for itself', async () => {
    const [ada, grace] = [await system.signedIn('ada'), await system.signedIn('grace')]
    const burst = Array.from({ length: 20 }, () => system.call(ada, '/api/x').then(({ status }) => status))
    expect(new Set(await Promise.all(burst))).toEqual(new Set([200]))
    expect(introspection.asked).toHaveLength(1)
    const adas = decodeJwt(sentToken()).sub
    expect((await system.call(grace, '/api/x')).status).toBe(200)
    expect(introspection.asked).toHaveLength(2)
    expect(decodeJwt(sentToken()).sub).not.toBe(adas)
  })

  it('gets no JWT of another API, and the session stands', async () => {
    const browser = await system.signedIn()
    const answer = await system.call(browser, '/reports/x')
    expect([answer.status, await codeOf(answer)]).toEqual([403, 'token_refused'])
    expect(system.upstream.requests).toEqual([])
    expect((await system.call(browser, '/api/x')).status).toBe(200)
  })

  it('is refreshed once when the server says that it is over, and the call goes on with the new one', async () => {
    const browser = await system.signedIn()
    await system.call(browser, '/api/x')
    const [first = ''] = introspection.asked
    await revoke(first)
    await system.advance(61_000)
    const answer = await system.call(browser, '/api/x', { method: 'POST', body: 'once' })
    expect([answer.status, refreshes()]).toEqual([200, 1])
    const [, again, second] = introspection.asked
    expect(again).toBe(first)
    expect(second).not.toBe(first)
    expect(system.upstream.requests.map(({ body }) => body.toString())).toEqual(['', 'once'])
    expect(decodeJwt(sentToken())).toMatchObject({ aud: apiResource })
  })

  it('that is over, and cannot be refreshed, asks for a sign-in; the API is not called', async () => {
    const browser = await system.signedIn()
    await system.call(browser, '/api/x')
    await revoke(introspection.asked[0] ?? '')
    await system.advance(61_000)
    system.upstream.reset()
    system.provider.token.inject({ status: 400, body: { error: 'invalid_grant' } }, 2)
    const answer = await system.call(browser, '/api/x')
    expect([answer.status, await answer.json()]).toMatchObject([
      401,
      { code: 'login_required', login_url: '/bff/login' },
    ])
    expect(system.upstream.requests).toEqual([])
  })
})
