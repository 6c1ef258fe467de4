/** The guard behind a real authorization server, oidc-provider: its tokens, its other JWTs, its rotations. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  calculateJwkThumbprint,
  decodeJwt,
  decodeProtectedHeader,
  exportJWK,
  generateKeyPair,
  type JWK,
  SignJWT,
} from 'jose'
import Provider, { type Configuration } from 'oidc-provider'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { anyCaller, guarded, jwtGuard, type Refusal, requireScopes } from '../../src/resource-server/index.ts'
import { audience, requestWith, seconds } from './issuer.ts'

let server: Server
let issuer: string
let keys: JWK[]
let refusals: Refusal[]

beforeEach(async () => {
  refusals = []
  server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  keys = [await newKey()]
  publish()
})
afterEach(async () => {
  server.close()
  server.closeAllConnections()
  await once(server, 'close')
})

async function newKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  return { ...(await exportJWK(privateKey)), kid: randomBytes(6).toString('hex'), alg: 'ES256', use: 'sig' }
}

/** The server as it is after a restart with these keys: it signs with the first. */
function publish(): void {
  const provider = new Provider(issuer, {
    jwks: { keys: keys as NonNullable<Configuration['jwks']>['keys'] },
    clients: [
      {
        client_id: 'machine',
        client_secret: 'a-secret-of-the-test-that-is-long-enough',
        grant_types: ['client_credentials'],
        response_types: [],
        redirect_uris: [],
        id_token_signed_response_alg: 'ES256',
        introspection_signed_response_alg: 'ES256',
      },
    ],
    scopes: ['orders:read'],
    ttl: { ClientCredentials: 3600 },
    enabledJWA: { introspectionSigningAlgValues: ['ES256'] },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      jwtIntrospection: { enabled: true },
      dPoP: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_ctx, resource) => ({
          audience: resource,
          scope: 'orders:read',
          accessTokenFormat: resource.includes('opaque') ? 'opaque' : 'jwt',
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
  } as Configuration)
  server.removeAllListeners('request')
  server.on('request', provider.callback())
}

const credentials = `Basic ${btoa('machine:a-secret-of-the-test-that-is-long-enough')}`

async function tokenFor(resource = audience, headers: Record<string, string> = {}): Promise<string> {
  const response = await fetch(`${issuer}/token`, {
    method: 'POST',
    headers: { Authorization: credentials, ...headers },
    body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'orders:read', resource }),
  })
  const { access_token, error_description } = (await response.json()) as Record<string, string>
  return access_token ?? expect.unreachable(`no token: ${response.status} ${error_description}`)
}

function api() {
  const guard = jwtGuard({
    issuer,
    audience,
    dpop: { origin: audience },
    onRefused: (refusal) => refusals.push(refusal),
  })
  return guarded(guard, [requireScopes('orders:read')], (_request, { sub, clientId, boundTo }) =>
    Response.json({ sub, clientId, boundTo }),
  )
}

describe('of oidc-provider', () => {
  it('an access token for this API is taken', async () => {
    const response = await api()(requestWith(await tokenFor()))
    expect(await response.json()).toEqual({ sub: 'machine', clientId: 'machine', boundTo: [] })
  })

  it('one for another API, and an opaque one, are not', async () => {
    const own = api()
    for (const resource of ['https://other.example.com', 'https://opaque.example.com']) {
      expect((await own(requestWith(await tokenFor(resource)))).status).toBe(401)
    }
    expect(refusals.map(({ reason }) => reason)).toEqual(['aud', 'syntax'])
  })

  it('a signed introspection answer is no access token (RFC 9701 §8.1)', async () => {
    const answer = await fetch(`${issuer}/token/introspection`, {
      method: 'POST',
      headers: { Authorization: credentials, Accept: 'application/token-introspection+jwt' },
      body: new URLSearchParams({ token: await tokenFor('https://opaque.example.com') }),
    })
    const jwt = await answer.text()
    expect(decodeProtectedHeader(jwt).typ).toBe('token-introspection+jwt')
    expect((await api()(requestWith(jwt))).status).toBe(401)
    expect(refusals).toMatchObject([{ reason: 'typ' }])
  })

  it('a DPoP-bound token is taken with a proof, and not without', async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
    const jwk = await exportJWK(publicKey)
    const proof = (claims: Record<string, unknown>) =>
      new SignJWT({ jti: randomBytes(9).toString('base64url'), iat: seconds(), ...claims })
        .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk })
        .sign(privateKey)
    const token = await tokenFor(audience, { DPoP: await proof({ htm: 'POST', htu: `${issuer}/token` }) })
    expect(decodeJwt(token).cnf).toEqual({ jkt: await calculateJwkThumbprint(jwk) })

    const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(token))
    const ath = Buffer.from(digest).toString('base64url')
    const request = requestWith(undefined)
    request.headers.set('Authorization', `DPoP ${token}`)
    request.headers.set('DPoP', await proof({ htm: 'GET', htu: `${audience}/orders/1`, ath }))
    expect(await (await api()(request)).json()).toMatchObject({ boundTo: ['dpop'] })
    expect((await api()(requestWith(token))).status).toBe(401)
  })

  it('tokens live through a rotation under load, the old key’s and the new one’s', async () => {
    const own = api()
    let isOver = false
    const statuses: number[] = []
    const old = await tokenFor()
    const load = Array.from({ length: 8 }, async () => {
      while (!isOver) {
        statuses.push((await own(requestWith(old))).status, (await own(requestWith(await tokenFor()))).status)
      }
    })
    const served = async (count: number) => {
      const until = statuses.length + count
      while (statuses.length < until) statuses.push((await own(requestWith(await tokenFor()))).status)
    }
    await served(40)
    keys = [await newKey(), ...keys]
    publish()
    await served(80)
    isOver = true
    await Promise.all(load)
    expect(new Set(statuses)).toEqual(new Set([200]))
    expect(decodeProtectedHeader(await tokenFor()).kid).toBe(keys[0]?.kid)
    expect(refusals).toEqual([])
  })

  it('outages are not noticed by who has a token, also when the keys are due to be fetched again', async () => {
    let ahead = 0
    const guard = jwtGuard({ issuer, audience, now: () => Date.now() + ahead })
    const own = guarded(guard, [anyCaller()], () => new Response('in'))
    const [token, unseen] = [await tokenFor(), await tokenFor()]
    expect((await own(requestWith(token))).status).toBe(200)
    const refused: string[] = []
    server.removeAllListeners('request')
    server.on('request', ({ url = '' }, response) => {
      refused.push(url)
      response.writeHead(500).end()
    })
    // Ten minutes is their age.
    ahead = 601_000
    expect((await own(requestWith(token))).status).toBe(200)
    await vi.waitUntil(() => refused.length > 0)
    expect((await own(requestWith(unseen))).status).toBe(200)
    expect(refused).toEqual(['/jwks'])
  })
})
