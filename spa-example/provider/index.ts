/**
 * The demo's OpenID Provider: oidc-provider on a loopback address, with pages of our own, two people who can
 * sign in, rotating refresh tokens with reuse detection, and access tokens that live for a minute.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import Provider, { type KoaContextWithOIDC } from 'oidc-provider'
import { assetRoutes } from './assets.ts'
import { clientIds, createConfiguration, generateSigningKey } from './configuration.ts'
import { createConsents } from './consents.ts'
import { interactionRoutes } from './interactions.ts'
import { memoryAdapter } from './memory-adapter.ts'
import { messagePage, providerName } from './pages.ts'
import { createPageResponder, type RespondPage } from './respond-page.ts'
import { createTokenEndpointControl, type TokenEndpoint } from './token-endpoint.ts'
import { registerTokenExchange } from './token-exchange.ts'
import { createOneTimeCodes } from './two-factors.ts'

export { type DemoAccount, demoAccounts } from './accounts.ts'
export { clientIds, partnerId } from './configuration.ts'
export { apiResource, apiScopes, identityScopes, partnerResource, reportsResource } from './scopes.ts'
export type { TokenEndpoint, TokenFault, TokenRequest } from './token-endpoint.ts'

export interface ProviderOptions {
  /** Where the application is: its callback is registered, and the pages link back to it. */
  readonly appOrigin: string
  /** Default `127.0.0.1`: another site than `localhost`, so that redirects are truly cross-site. */
  readonly host?: string
  /** Default 0: any free port. */
  readonly port?: number
  /** Default: `demo-secret-` and more, fit for nothing but a demo. */
  readonly clientSecret?: string
  /** Default `appOrigin` + `/bff/callback`. */
  readonly redirectUris?: readonly string[]
  /** Default `appOrigin` + `/`. */
  readonly postLogoutRedirectUris?: readonly string[]
  /** Default: none. */
  readonly backchannelLogoutUri?: string
  /** How long access tokens live. Default 60. */
  readonly accessTokenSeconds?: number
  /** Each refresh gives a new refresh token, and the second use of an old one ends the grant. Default true. */
  readonly rotation?: boolean
  /** Run around everything else, the first one outermost. */
  readonly middleware?: readonly ((ctx: KoaContextWithOIDC, next: () => Promise<void>) => Promise<void>)[]
  /** How long a rotated refresh token may be used again. Default 0, which is strict. */
  readonly gracePeriodSeconds?: number
}

export interface RunningProvider {
  readonly issuer: string
  readonly url: string
  readonly port: number
  readonly clientId: string
  readonly clientSecret: string
  /** oidc-provider itself. */
  readonly provider: Provider
  /** Requests that came to the token endpoint, and faults for it. */
  readonly token: TokenEndpoint
  /** Signs with a new key from now on. The old one stays published, as tokens that it signed are about. */
  rotateKeys(): Promise<void>
  /** Closes the port and all connections, keeping what is known, until `comeBack()`. */
  goDown(): Promise<void>
  comeBack(): Promise<void>
  stop(): Promise<void>
}

const demoSecret = 'demo-secret-that-is-printed-in-the-source-and-fit-for-nothing-else'

export async function startProvider(options: ProviderOptions): Promise<RunningProvider> {
  const host = options.host ?? '127.0.0.1'
  const clientSecret = options.clientSecret ?? demoSecret
  const { appOrigin } = options

  // The issuer names the port, so the port comes first.
  const server = createServer()
  server.listen(options.port ?? 0, host)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const issuer = `http://${host.includes(':') ? `[${host}]` : host}:${port}`

  try {
    const redirectUris = options.redirectUris ?? [`${appOrigin}/bff/callback`]
    const postLogoutRedirectUris = options.postLogoutRedirectUris ?? [`${appOrigin}/`]
    const respondPage = createPageResponder(originsOf([...redirectUris, ...postLogoutRedirectUris]))
    const consents = createConsents()
    const oneTimeCodes = createOneTimeCodes()
    const accessTokenSeconds = options.accessTokenSeconds ?? 60
    const keys = [await generateSigningKey()]
    const parts = {
      appOrigin,
      clientSecret,
      redirectUris,
      postLogoutRedirectUris,
      accessTokenSeconds,
      rotation: options.rotation ?? true,
      adapter: memoryAdapter({ gracePeriodSeconds: options.gracePeriodSeconds ?? 0 }),
      backchannelLogoutUri: options.backchannelLogoutUri,
      consents,
      respondPage,
    }
    const assets = await assetRoutes()
    const token = createTokenEndpointControl('/token', () => !server.listening)
    const build = () => {
      const made = new Provider(issuer, createConfiguration({ ...parts, keys }))
      registerTokenExchange(made, keys, accessTokenSeconds)
      for (const middleware of options.middleware ?? []) made.use(middleware)
      made.use(token.middleware)
      made.use(assets)
      made.use(interactionRoutes(made, { consents, oneTimeCodes, respondPage, appOrigin }))
      made.use(plainPages(respondPage, appOrigin))
      made.on('server_error', (_ctx, error) => console.error('The provider failed:', error))
      return made
    }
    let provider = build()
    let answer = provider.callback()
    server.on('request', (request, response) => answer(request, response))

    return {
      issuer,
      url: issuer,
      port,
      clientId: clientIds.basic,
      clientSecret,
      get provider() {
        return provider
      },
      token,
      async rotateKeys() {
        keys.unshift(await generateSigningKey())
        provider = build()
        answer = provider.callback()
      },
      async comeBack() {
        server.listen(port, host)
        await once(server, 'listening')
      },
      goDown: close,
      stop: close,
    }
  } catch (error) {
    await close()
    throw error
  }

  async function close(): Promise<void> {
    if (!server.listening) return
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  }
}

/** The root says what this is; what no route answers says that. */
function plainPages(respondPage: RespondPage, appOrigin: string) {
  const link = { href: `${appOrigin}/`, text: 'Open the application' }
  return async (ctx: KoaContextWithOIDC, next: () => Promise<void>): Promise<void> => {
    if (ctx.path === '/' && (ctx.method === 'GET' || ctx.method === 'HEAD')) {
      const text = 'This is where the demo application sends people to sign in.'
      return respondPage(ctx, 200, messagePage({ title: providerName, text, link }))
    }
    await next()
    if (ctx.status !== 404 || ctx.body !== undefined || ctx.accepts('json', 'html') !== 'html') return
    respondPage(ctx, 404, messagePage({ title: 'There is nothing here', text: 'No page has this address.', link }))
  }
}

function originsOf(uris: readonly string[]): string[] {
  return [...new Set(uris.map((uri) => new URL(uri).origin))]
}
