/**
 * The authorization server as we know it: its metadata, found when it is first needed, kept for an hour,
 * and kept longer when the server cannot be asked. A start with the server down works.
 */
import * as client from 'openid-client'
import type { Config, Provider } from '../config/types.ts'
import { CoatcheckError } from '../errors.ts'
import type { Clock } from '../runtime.ts'
import { fetchPhantomToken, fetchSignedAnswer } from './introspection-answers.ts'

export interface AuthorizationServer {
  readonly provider: Provider
  /** The one registered redirect URI (RFC 9700 §2.1): from the configuration, never from a request. */
  readonly redirectUri: string
  /** What the authorization request names (RFC 8707 §2.1): the session's own API first, then those of refreshes. */
  readonly resources: readonly string[]
  /**
   * openid-client's view of the server. Rejects with CoatcheckError `provider_unavailable`.
   *
   * `refresh` gives the one for the refresh grant: a longer time limit (R4), and no signature check of the
   * ID token, because that may need the server's keys, and failing to fetch them would throw away tokens
   * that are already rotated. Nothing is read from that ID token; see `refresh-grant.ts`.
   *
   * `introspection` and `jwt-introspection` give those that ask about tokens in either form; see `introspection.ts`.
   */
  configuration(use?: Use): Promise<client.Configuration>
}

type Use = 'sign-in' | 'refresh' | 'introspection' | 'jwt-introspection'

const metadataLifetimeMs = 60 * 60 * 1000
/** After a failed discovery the next call fails at once for so long, so that an outage is not made worse. */
const failureCooldownMs = 1000
const refreshTimeoutFactor = 3
/** Against clocks that disagree. RFC 7519 §4.1.4 has "usually no more than a few minutes". */
const clockToleranceSeconds = 60

interface Known {
  readonly configurations: Readonly<Record<Use, client.Configuration>>
  readonly at: number
}

export function authorizationServer(
  config: Pick<Config, 'provider' | 'origin' | 'basePath' | 'routes'>,
  clock: Clock,
): AuthorizationServer {
  const { provider } = config
  let known: Known | undefined
  let discovering: Promise<Known> | undefined
  let failure: { error: unknown; until: number } | undefined

  async function discover(): Promise<Known> {
    try {
      const metadata = provider.metadata ? metadataByHand(provider) : await fetchMetadata(provider)
      requireS256(metadata)
      known = {
        configurations: {
          'sign-in': configure(provider, metadata, provider.timeoutSeconds, provider.usesOpenId),
          refresh: configure(provider, metadata, provider.timeoutSeconds * refreshTimeoutFactor, false),
          introspection: configureIntrospection(provider, metadata),
          'jwt-introspection': configureJwtIntrospection(provider, metadata),
        },
        at: clock.now(),
      }
      failure = undefined
      return known
    } catch (error) {
      failure = { error, until: clock.now() + failureCooldownMs }
      throw unavailable(error)
    } finally {
      discovering = undefined
    }
  }

  async function newestKnown(): Promise<Known> {
    if (known && clock.now() - known.at < metadataLifetimeMs) return known
    if (failure && clock.now() < failure.until) {
      if (known) return known
      throw unavailable(failure.error)
    }
    discovering ??= discover()
    return known ? discovering.catch(() => known as Known) : discovering
  }

  return {
    provider,
    redirectUri: `${config.origin}${config.basePath}/callback`,
    resources: resourcesOf(config),
    configuration: async (use = 'sign-in') => (await newestKnown()).configurations[use],
  }
}

function resourcesOf({ provider, routes }: Pick<Config, 'provider' | 'routes'>): string[] {
  const all = [
    provider.resource,
    ...routes.map(({ upstreamToken: token }) => (token.from === 'refresh' ? token.resource : undefined)),
  ]
  return [...new Set(all.filter((resource) => resource !== undefined))]
}

function metadataByHand(provider: Provider): client.ServerMetadata {
  const byHand = provider.metadata
  if (!byHand) throw new TypeError('no metadata in the configuration')
  return {
    issuer: provider.issuer,
    authorization_endpoint: byHand.authorizationEndpoint,
    token_endpoint: byHand.tokenEndpoint,
    ...(byHand.jwksUri && { jwks_uri: byHand.jwksUri }),
    ...(byHand.revocationEndpoint && { revocation_endpoint: byHand.revocationEndpoint }),
    ...(byHand.introspectionEndpoint && { introspection_endpoint: byHand.introspectionEndpoint }),
    ...(byHand.endSessionEndpoint && { end_session_endpoint: byHand.endSessionEndpoint }),
    ...(byHand.authorizationResponseIssParameterSupported !== undefined && {
      authorization_response_iss_parameter_supported: byHand.authorizationResponseIssParameterSupported,
    }),
  }
}

async function fetchMetadata(provider: Provider): Promise<client.ServerMetadata> {
  const found = await client.discovery(
    new URL(provider.metadataUrl ?? provider.issuer),
    provider.clientId,
    undefined,
    clientAuthentication(provider),
    {
      algorithm: provider.usesOpenId ? 'oidc' : 'oauth2',
      timeout: provider.timeoutSeconds,
      execute: isPlainHttp(provider) ? [client.allowInsecureRequests] : [],
    },
  )
  const metadata = found.serverMetadata()
  // RFC 8414 §3.3: the issuer has to be identical, or another server speaks in this one's name.
  if (withoutSlash(metadata.issuer) !== withoutSlash(provider.issuer)) {
    throw new Error(`the metadata is of issuer ${metadata.issuer}, provider.issuer says ${provider.issuer}`)
  }
  return metadata
}

/** A server that announces PKCE methods without S256 is refused (RFC 9700 §2.1.1). */
function requireS256(metadata: client.ServerMetadata): void {
  const methods = metadata.code_challenge_methods_supported
  if (methods && !methods.includes('S256')) {
    throw new Error('the authorization server announces PKCE methods, and S256 is not among them')
  }
}

function configure(
  provider: Provider,
  metadata: client.ServerMetadata,
  timeoutSeconds: number,
  checkSignatures: boolean,
  clientMetadata: Partial<client.ClientMetadata> = {},
): client.Configuration {
  const configuration = new client.Configuration(
    metadata,
    provider.clientId,
    { ...clientMetadata, client_secret: provider.clientSecret, [client.clockTolerance]: clockToleranceSeconds },
    clientAuthentication(provider),
  )
  configuration.timeout = timeoutSeconds
  if (isPlainHttp(provider)) client.allowInsecureRequests(configuration)
  if (checkSignatures) client.enableNonRepudiationChecks(configuration)
  return configuration
}

function configureIntrospection(provider: Provider, metadata: client.ServerMetadata): client.Configuration {
  const { signedResponseAlg } = provider.introspection
  if (signedResponseAlg === undefined) return configure(provider, metadata, provider.timeoutSeconds, false)
  const clientMetadata = { introspection_signed_response_alg: signedResponseAlg }
  const configuration = configure(provider, metadata, provider.timeoutSeconds, true, clientMetadata)
  configuration[client.customFetch] = fetchSignedAnswer
  return configuration
}

function configureJwtIntrospection(provider: Provider, metadata: client.ServerMetadata): client.Configuration {
  const configuration = configure(provider, metadata, provider.timeoutSeconds, false)
  configuration[client.customFetch] = fetchPhantomToken
  return configuration
}

function clientAuthentication(provider: Provider): client.ClientAuth {
  return provider.clientAuthentication === 'client_secret_post'
    ? client.ClientSecretPost(provider.clientSecret)
    : client.ClientSecretBasic(provider.clientSecret)
}

/** Only loopback issuers get past the configuration with plain http. */
function isPlainHttp(provider: Provider): boolean {
  return provider.issuer.startsWith('http:')
}

function withoutSlash(issuer: string): string {
  return issuer.endsWith('/') ? issuer.slice(0, -1) : issuer
}

function unavailable(cause: unknown): CoatcheckError {
  return new CoatcheckError('provider_unavailable', { headers: { 'Retry-After': '5' }, cause })
}
