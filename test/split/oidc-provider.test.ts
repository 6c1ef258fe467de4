/** The hook for oidc-provider, where tokens are asked for beside the token endpoint. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import Provider, { type ClientMetadata } from 'oidc-provider'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { splitAccessTokens } from '../../src/split/index.ts'
import { UserAgent } from '../support/browser.ts'

const redirectUri = 'https://client.example/callback'
const types = ['code', 'code id_token token', 'id_token token'] as const
let issuer: string
let stop: () => Promise<void>

beforeAll(async () => {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  // It warns of its development keys and stores, which are all that there is to this one.
  const quiet = vi.spyOn(console, 'warn').mockImplementation(() => undefined)
  const provider = new Provider(issuer, {
    clients: [client('split'), client('other')],
    responseTypes: [...types],
    pkce: { required: () => false },
    features: { devInteractions: { enabled: true }, pushedAuthorizationRequests: { enabled: true } },
  })
  quiet.mockRestore()
  provider.use(splitAccessTokens({ url: 'http://127.0.0.1:1/', secret: 'of-nobody', clients: ['split'] }))
  server.on('request', provider.callback())
  stop = async () => {
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  }
})
afterAll(() => stop())

function client(id: string): ClientMetadata {
  return {
    client_id: id,
    client_secret: 'a-secret-of-nobody-and-fit-for-nothing',
    grant_types: ['authorization_code', 'implicit'],
    response_types: [...types],
    redirect_uris: [redirectUri],
  }
}

const parameters = (clientId: string, responseType: string, more = {}) =>
  new URLSearchParams({
    ...{
      client_id: clientId,
      response_type: responseType,
      redirect_uri: redirectUri,
      scope: 'openid',
      nonce: 'n',
      ...more,
    },
  })
const authorize = (...asked: Parameters<typeof parameters>) =>
  new UserAgent().fetch(`${issuer}/auth?${parameters(...asked)}`, { redirect: 'manual' })

describe('a client whose tokens are split', () => {
  it.each(types.slice(1))('is refused a token in the authorization response: %s', async (type) => {
    for (const more of [{}, { response_mode: 'form_post' }, { prompt: 'none' }]) {
      const answer = await authorize('split', type, more)
      expect([answer.status, answer.headers.get('location')]).toEqual([400, null])
      expect(await answer.json()).toEqual({ error: 'unsupported_response_type' })
    }
  })

  it('is refused it also where the request is pushed (RFC 9126)', async () => {
    const push = (id: string) =>
      fetch(`${issuer}/request`, {
        method: 'POST',
        headers: { Authorization: `Basic ${btoa(`${id}:a-secret-of-nobody-and-fit-for-nothing`)}` },
        body: parameters(id, 'id_token token'),
      })
    expect([(await push('other')).status, (await push('split')).status]).toEqual([201, 400])
  })

  it('may ask for a code, and others for what they will', async () => {
    for (const [id, type] of [
      ['split', 'code'],
      ['other', 'id_token token'],
    ] as const) {
      const answer = await authorize(id, type)
      expect([answer.status, answer.headers.get('location')]).toEqual([303, expect.stringContaining('/interaction/')])
    }
  })
})
