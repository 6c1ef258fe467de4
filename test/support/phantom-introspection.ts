/**
 * An introspection endpoint that answers with a JWT in the token's place, beside a provider that has none: it asks the
 * provider itself whether the token is good, and lets it sign the JWT. What is revoked there is not active here.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { clientIds, type RunningProvider } from '../../spa-example/provider/index.ts'
import type { UserConfig } from '../../src/config/user-config.ts'

export interface PhantomIntrospection {
  /** What Coatcheck is told of the provider, with this endpoint among its own; plain OAuth, as there is no discovery. */
  beside(provider: RunningProvider, resource: string): Partial<UserConfig['provider']>
  /** Tokens that were asked about, oldest first. */
  readonly asked: string[]
  stop(): Promise<void>
}

/** @param jwtResource the API that the JWTs are for */
export async function startPhantomIntrospection(jwtResource: string): Promise<PhantomIntrospection> {
  let known: RunningProvider | undefined
  const asked: string[] = []

  /** Undefined for a token that the provider does not know any more. */
  async function jwtFor(token: string): Promise<string | undefined> {
    const answer = await fetch(`${known?.issuer}/token`, {
      method: 'POST',
      headers: { Authorization: `Basic ${btoa(`${clientIds.basic}:${known?.clientSecret}`)}` },
      body: new URLSearchParams({
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        subject_token: token,
        subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        resource: jwtResource,
      }),
    })
    return ((await answer.json()) as { access_token?: string }).access_token
  }

  const server = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += String(chunk)
    const token = new URLSearchParams(text).get('token') ?? ''
    asked.push(token)
    const jwt = await jwtFor(token)
    if (jwt === undefined) response.writeHead(204).end()
    else response.writeHead(200, { 'Content-Type': 'application/jwt' }).end(jwt)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    asked,
    beside(provider, resource) {
      known = provider
      const { issuer } = provider
      return {
        resource,
        scope: 'orders:read orders:write',
        metadata: {
          authorizationEndpoint: `${issuer}/auth`,
          tokenEndpoint: `${issuer}/token`,
          jwksUri: `${issuer}/jwks`,
          introspectionEndpoint: `http://127.0.0.1:${port}/introspect`,
        },
      }
    },
    async stop() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}
