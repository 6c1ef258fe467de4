/** `provider.resource` (RFC 8707): the access token is for one API, and every request for one says so (SEC-13). */
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { apiResource } from '../../spa-example/provider/index.ts'
import { UserAgent } from '../support/browser.ts'
import { type ProviderLog, watchProvider } from '../support/provider-log.ts'
import { type System, startSystem } from '../support/system.ts'

let system: System
let log: ProviderLog
beforeAll(async () => {
  system = await startSystem({ accessTokenSeconds: 60, provider: { resource: apiResource } })
  log = watchProvider(system.provider)
})
afterAll(async () => {
  log.stop()
  await system.stop()
})
beforeEach(() => {
  system.upstream.reset()
  log.clear()
})

const grantsOf = (type: string) => log.grants.filter((grant) => grant.grant_type === type)
const sentToken = () => decodeJwt(system.upstream.requests.at(-1)?.headers.authorization?.slice('Bearer '.length) ?? '')

describe('the resource of the configuration', () => {
  it('is in the authorization request and in the code grant, and the token is for it', async () => {
    const browser = await system.signedIn()
    expect(log.authorizations.map((request) => request.getAll('resource'))).toEqual([[apiResource]])
    expect(grantsOf('authorization_code').map(({ resource }) => resource)).toEqual([apiResource])
    await system.call(browser, '/api/x')
    expect(sentToken().aud).toBe(apiResource)
  })

  it('is in every refresh', async () => {
    const browser = await system.signedIn()
    for (const round of [1, 2]) {
      await system.advance(61_000)
      expect((await system.call(browser, '/api/x')).status).toBe(200)
      expect(grantsOf('refresh_token').map(({ resource }) => resource)).toEqual(Array(round).fill(apiResource))
      expect(sentToken().aud).toBe(apiResource)
    }
  })

  it('is not for the page to choose', async () => {
    const evil = encodeURIComponent('https://evil.example')
    const answer = await new UserAgent().visit(`${system.origin}/bff/login?resource=${evil}&resource=${evil}`)
    const request = new URL(answer.headers.get('location') ?? '').searchParams
    expect(request.getAll('resource')).toEqual([apiResource])
  })
})

describe('a resource that the server does not know', () => {
  it('signs nobody in, and says so without its text', async () => {
    const wrong = await startSystem({ provider: { resource: 'https://other.example/api?x=1' } })
    try {
      const browser = new UserAgent()
      const start = await browser.visit(`${wrong.origin}/bff/login?return_to=/orders`)
      const request = new URL(start.headers.get('location') ?? '')
      expect(request.searchParams.get('resource')).toBe('https://other.example/api?x=1')
      const answer = await browser.follow(
        start,
        (next) => next.origin === wrong.origin && next.pathname !== '/bff/callback',
      )
      expect(answer.headers.get('location')).toBe(`${wrong.origin}/orders?login_error=login_failed`)
    } finally {
      await wrong.stop()
    }
  })
})

describe('without a resource', () => {
  it('no request has one', async () => {
    const plain = await startSystem({ accessTokenSeconds: 60 })
    const plainLog = watchProvider(plain.provider)
    try {
      const browser = await plain.signedIn()
      await plain.advance(61_000)
      await plain.call(browser, '/api/x')
      expect(plainLog.authorizations.map((request) => request.has('resource'))).toEqual([false])
      expect(plainLog.grants.map(({ grant_type, resource }) => [grant_type, resource])).toEqual([
        ['authorization_code', undefined],
        ['refresh_token', undefined],
      ])
    } finally {
      plainLog.stop()
      await plain.stop()
    }
  })
})
