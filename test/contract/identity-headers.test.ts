/** Who calls stands in the token and nowhere else (API-13): names by which servers are told so never pass, on any route. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { apiResource, clientIds, partnerId, partnerResource } from '../../spa-example/provider/index.ts'
import type { RouteConfig } from '../../src/config/user-routes.ts'
import { ordinaryNames, usualNames } from '../support/identity-names.ts'
import { type System, startSystem } from '../support/system.ts'
import { clientToken } from '../support/tokens.ts'

/** Spellings that a CGI-like server reads as one of the above. */
const underscores = ['X_User', 'Remote_User', 'X_Forwarded_User', 'OIDC_CLAIM_sub', 'Remote_Email', 'X_Consumer_Id']

const routes: readonly RouteConfig[] = [
  { path: '/none/*', upstream: '/none', auth: 'none', reason: 'a test' },
  { path: '/session/*', upstream: '/session', auth: 'session' },
  {
    path: '/phantom/*',
    upstream: '/phantom',
    auth: 'phantom',
    audience: partnerResource,
    upstreamToken: { from: 'none' },
  },
  { path: '/split/*', upstream: '/split', auth: 'split', audience: apiResource },
  { path: '/jwt/*', upstream: '/jwt', auth: 'jwt', audience: apiResource },
  { path: '/client/*', upstream: '/client', auth: 'client', resource: apiResource },
]
let system: System
beforeAll(async () => {
  // As open as a configuration can be.
  const open = routes.map((route) => ({ ...route, requestHeaders: ordinaryNames }))
  system = await startSystem({ splitClients: [partnerId], routes: open })
})
afterAll(() => system.stop())
beforeEach(() => system.upstream.reset())

const sent: Readonly<Record<string, string>> = Object.fromEntries(
  [...usualNames, ...underscores].map((name) => [name, 'admin@example.com']),
)

async function send(auth: RouteConfig['auth']): Promise<number> {
  const outside = `${system.origin}/${auth}/x`
  const token = (client: string, resource: string) => clientToken(system.provider, { client, resource })
  const withToken = async (url: string, client: string, resource: string) =>
    fetch(url, { headers: { ...sent, Authorization: `Bearer ${await token(client, resource)}` } })
  switch (auth) {
    case 'session':
      return (await system.call(await system.signedIn(), '/session/x', { headers: sent })).status
    case 'phantom':
      return (await withToken(outside, clientIds.basic, partnerResource)).status
    case 'split':
      return (await withToken(outside, partnerId, apiResource)).status
    case 'jwt':
      return (await withToken(`${system.internalUrl}/jwt/x`, clientIds.basic, apiResource)).status
    case 'client':
      return (await fetch(`${system.internalUrl}/client/x`, { headers: sent })).status
    case 'none':
      return (await fetch(outside, { headers: sent })).status
  }
}

/** All that an API gets of a call that brings nothing which passes: of the message, of the token, of the way. */
const ours = new Set([
  ...['host', 'connection', 'accept', 'accept-encoding', 'accept-language', 'user-agent', 'content-length'],
  ...['authorization', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto'],
])

describe('a caller’s word on who calls', () => {
  it.each(routes.map(({ auth }) => auth))('does not reach the API of a route with auth %j', async (auth) => {
    expect(await send(auth)).toBe(200)
    const [request] = system.upstream.requests
    const reached = Object.entries(request?.headers ?? {}).filter(([, value]) => value === 'admin@example.com')
    expect(reached).toEqual([])
  })

  it('is not taken for one where only its name is alike', async () => {
    const headers = Object.fromEntries(ordinaryNames.map((name) => [name, 'x']))
    await fetch(`${system.origin}/none/x`, { headers })
    expect(system.upstream.requests[0]?.headers).toMatchObject(
      Object.fromEntries(ordinaryNames.map((name) => [name.toLowerCase(), 'x'])),
    )
  })

  it.each(routes.map(({ auth }) => auth))('is not ours either: auth %j adds no name of a person', async (auth) => {
    expect(await send(auth)).toBe(200)
    const names = Object.keys(system.upstream.requests[0]?.headers ?? {})
    expect(names.filter((name) => !ours.has(name))).toEqual([])
  })
})
