/** How oidc-provider is set up for the demo. */
import { randomBytes } from 'node:crypto'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import { type Configuration, errors, type KoaContextWithOIDC } from 'oidc-provider'
import { findAccountById } from './accounts.ts'
import type { Consents } from './consents.ts'
import { trustedHtml } from './html.ts'
import { messagePage, signOutPage } from './pages.ts'
import type { RespondPage } from './respond-page.ts'
import { apiResource, apiScopes, identityScopes, resources } from './scopes.ts'
import { tokenExchangeGrant } from './token-exchange.ts'
import { interactionsWithTwoFactors, twoFactors } from './two-factors.ts'

export interface ConfigurationParts {
  readonly appOrigin: string
  readonly clientSecret: string
  readonly redirectUris: readonly string[]
  readonly postLogoutRedirectUris: readonly string[]
  readonly accessTokenSeconds: number
  readonly rotation: boolean
  /** Where the application takes logout tokens. */
  readonly backchannelLogoutUri?: string | undefined
  /** Signing keys as they are published; the first signs. */
  readonly keys: readonly JWK[]
  /** Where what is issued is kept. */
  readonly adapter: NonNullable<Configuration['adapter']>
  readonly consents: Consents
  readonly respondPage: RespondPage
}

/** The two clients differ in how they authenticate at the token endpoint. */
export const clientIds = { basic: 'coatcheck-demo', post: 'coatcheck-demo-post' } as const
/** A server of somebody else's, that calls the API with opaque tokens of its own. */
export const partnerId = 'roastery-partner'
export const clientName = 'Coatcheck Roastery'

const fortnightSeconds = 14 * 24 * 60 * 60

export function createConfiguration(parts: ConfigurationParts): Configuration {
  return {
    adapter: parts.adapter,
    clients: [
      client(parts, clientIds.basic, 'client_secret_basic'),
      client(parts, clientIds.post, 'client_secret_post'),
      partner(parts),
    ],
    clientDefaults: { id_token_signed_response_alg: 'ES256', introspection_signed_response_alg: 'ES256' },
    clientAuthMethods: ['client_secret_basic', 'client_secret_post'],
    clientBasedCORS: () => false,
    jwks: { keys: [...parts.keys] },
    enabledJWA: { idTokenSigningAlgValues: ['ES256'], introspectionSigningAlgValues: ['ES256'] },
    cookies: { keys: [randomBytes(32).toString('base64url')] },
    // Beyond what each scope names: the ID token has name and email, so that no call to userinfo is needed.
    conformIdTokenClaims: false,
    claims: {
      openid: ['sub'],
      profile: ['name', 'given_name', 'family_name', 'preferred_username'],
      email: ['email', 'email_verified'],
    },
    scopes: [...identityScopes],
    responseTypes: ['code'],
    pkce: { required: () => true },
    features: {
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => apiResource,
        useGrantedResource: () => true,
        getResourceServerInfo: (_ctx, resource) => {
          const format = resources[resource]
          if (format === undefined) throw new errors.InvalidTarget()
          return {
            audience: resource,
            scope: apiScopes.join(' '),
            accessTokenFormat: format,
            accessTokenTTL: parts.accessTokenSeconds,
            ...(format === 'jwt' && { jwt: { sign: { alg: 'ES256' } } }),
          }
        },
      },
      revocation: { enabled: true, allowedPolicy: (_ctx, caller, token) => token.clientId === caller.clientId },
      introspection: {
        enabled: true,
        allowedPolicy: (_ctx, caller, token) => isGateway(caller.clientId) || token.clientId === caller.clientId,
      },
      jwtIntrospection: { enabled: true },
      clientCredentials: { enabled: true },
      backchannelLogout: { enabled: parts.backchannelLogoutUri !== undefined },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: (ctx, form) => showSignOut(ctx, form, parts),
        postLogoutSuccessSource: (ctx) => showSignedOut(ctx, parts),
      },
    },
    findAccount: (_ctx, id) => {
      const account = findAccountById(id)
      return account && { accountId: account.id, claims: () => ({ sub: account.id, ...account.claims }) }
    },
    // The provider's own guard refuses addresses of this machine, and everything here is on this machine.
    fetch: (url, options = {}) => {
      const { dispatcher: _guard, ...unguarded } = options as RequestInit & { dispatcher?: unknown }
      return fetch(url, unguarded)
    },
    acrValues: [twoFactors],
    interactions: {
      policy: interactionsWithTwoFactors(),
      url: (_ctx, interaction) => `/interaction/${interaction.uid}`,
    },
    loadExistingGrant: (ctx) => parts.consents.loadGrant(ctx),
    // oidc-provider keeps offline_access only with prompt=consent (OpenID Connect Core §11). Our client is
    // allowed refresh tokens without it; those end with the session here, and those with it do not.
    issueRefreshToken: (_ctx, caller) => caller.grantTypeAllowed('refresh_token'),
    expiresWithSession: (ctx, source) => {
      rememberSessionId(ctx, source)
      return !source.scopes.has('offline_access')
    },
    rotateRefreshToken: parts.rotation,
    // RFC 9068 §2.2.1: an API that wants a recent or a stronger sign-in (RFC 9470) reads here when and how it was.
    extraTokenClaims: (ctx) => {
      const { authTime, acr } = ctx.oidc.entities.AuthorizationCode ?? ctx.oidc.entities.RefreshToken ?? {}
      return authTime === undefined ? undefined : { auth_time: authTime, ...(acr !== undefined && { acr }) }
    },
    renderError: (ctx, out) => showError(ctx, out, parts),
    ttl: {
      AccessToken: parts.accessTokenSeconds,
      AuthorizationCode: 60,
      ClientCredentials: parts.accessTokenSeconds,
      Grant: fortnightSeconds,
      IdToken: 60 * 60,
      Interaction: 60 * 60,
      RefreshToken: fortnightSeconds,
      Session: fortnightSeconds,
    },
  }
}

function client(
  parts: ConfigurationParts,
  id: string,
  authMethod: 'client_secret_basic' | 'client_secret_post',
): NonNullable<Configuration['clients']>[number] {
  return {
    client_id: id,
    client_name: clientName,
    client_secret: parts.clientSecret,
    token_endpoint_auth_method: authMethod,
    grant_types: ['authorization_code', 'refresh_token', 'client_credentials', tokenExchangeGrant],
    response_types: ['code'],
    redirect_uris: [...parts.redirectUris],
    post_logout_redirect_uris: [...parts.postLogoutRedirectUris],
    ...(parts.backchannelLogoutUri !== undefined && {
      backchannel_logout_uri: parts.backchannelLogoutUri,
      backchannel_logout_session_required: true,
    }),
  }
}

function partner(parts: ConfigurationParts): NonNullable<Configuration['clients']>[number] {
  return {
    client_id: partnerId,
    client_name: 'A partner of the roastery',
    client_secret: parts.clientSecret,
    token_endpoint_auth_method: 'client_secret_basic',
    grant_types: ['client_credentials'],
    response_types: [],
    redirect_uris: [],
  }
}

function isGateway(clientId: string): boolean {
  return clientId === clientIds.basic || clientId === clientIds.post
}

export async function generateSigningKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  return { ...(await exportJWK(privateKey)), kid: randomBytes(8).toString('base64url'), use: 'sig', alg: 'ES256' }
}

/** Puts the session's `sid` into the code, and by that into ID tokens; otherwise it takes back-channel logout. */
function rememberSessionId(
  ctx: KoaContextWithOIDC,
  source: { sid?: string | undefined; clientId?: string | undefined },
): void {
  if (source.sid !== undefined || source.clientId === undefined) return
  const sid = ctx.oidc.session?.sidFor(source.clientId)
  if (sid !== undefined) source.sid = sid
}

function showSignOut(ctx: KoaContextWithOIDC, form: string, { respondPage }: ConfigurationParts): void {
  const hint = ctx.oidc.entities.IdTokenHint?.payload
  // A valid hint of this very person is the application speaking for them; anything else is asked about
  // (OpenID Connect RP-Initiated Logout §2).
  const isConfirmed = hint !== undefined && hint.sub === ctx.oidc.session?.accountId
  const name = ctx.oidc.client?.clientName
  respondPage(ctx, 200, signOutPage(trustedHtml(form), { clientName: name, isConfirmed }))
}

function showSignedOut(ctx: KoaContextWithOIDC, { respondPage, appOrigin }: ConfigurationParts): void {
  // Only with "Stay signed in" the provider names the client here.
  const isSignedIn = ctx.oidc.params?.client_id !== undefined
  const page = messagePage({
    title: isSignedIn ? 'You left the application' : 'You are signed out',
    text: isSignedIn ? 'Your account stays signed in here.' : 'You can close this page.',
    link: { href: `${appOrigin}/`, text: 'Back to the application' },
  })
  respondPage(ctx, 200, page)
}

function showError(
  ctx: KoaContextWithOIDC,
  out: { error: string; error_description?: string | undefined },
  { respondPage, appOrigin }: ConfigurationParts,
): void {
  const detail = [out.error, out.error_description].filter((part) => part !== undefined).join(': ')
  const page = messagePage({
    title: 'That did not work',
    text: 'The request to this provider cannot be answered. Start again from the application.',
    detail,
    link: { href: `${appOrigin}/`, text: 'Back to the application' },
  })
  respondPage(ctx, ctx.status, page)
}
