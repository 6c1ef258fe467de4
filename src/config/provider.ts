/** The authorization server, and who we are to it. */
import * as v from 'valibot'
import { anything, duration, flag, oneOf, optional, resourceIndicator, text, withDefault } from './fields.ts'
import { asMeant, type Field, type Issues, isObject, join, mistake, readObject, wanted } from './read-object.ts'
import type { Provider } from './types.ts'
import { serverUrl } from './urls.ts'
import type { ProviderConfig } from './user-config.ts'

const fields = {
  issuer: serverUrl({ example: 'the issuer identifier, such as https://login.example.com' }),
  clientId: text('write the client identifier that the authorization server gave you'),
  clientSecret: clientSecret(),
  clientAuthentication: withDefault(oneOf(['client_secret_basic', 'client_secret_post']), 'client_secret_basic'),
  scope: withDefault(scope(), 'openid offline_access'),
  resource: optional(resourceIndicator()),
  authorizationParameters: withDefault(authorizationParameters(), {}),
  metadata: anything(),
  metadataUrl: optional(
    serverUrl({
      example: 'the address of the metadata, such as https://login.example.com/.well-known/openid-configuration',
      allowsQuery: true,
    }),
  ),
  timeout: withDefault(duration(1, 120), 10),
  introspection: anything(),
}

const introspectionFields = {
  cacheTime: withDefault(duration(1, 3600), 60),
  signedResponseAlg: optional(oneOf(['RS256', 'PS256', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'])),
}

const endpoint = (name: string) =>
  serverUrl({ example: `the server's ${name}, such as https://login.example.com/${name}`, allowsQuery: true })

const metadataFields = {
  authorizationEndpoint: endpoint('authorize'),
  tokenEndpoint: endpoint('token'),
  jwksUri: optional(endpoint('jwks')),
  revocationEndpoint: optional(endpoint('revoke')),
  endSessionEndpoint: optional(endpoint('logout')),
  introspectionEndpoint: optional(endpoint('introspect')),
  authorizationResponseIssParameterSupported: optional(flag()),
}

export function readProvider(input: unknown, path: string, issues: Issues): Provider | undefined {
  const { partial, complete } = readObject(fields, input, path, issues)
  const usesOpenId = partial.scope?.split(' ').includes('openid') ?? false
  const metadataPath = join(path, 'metadata')
  const metadata =
    partial.metadata === undefined ? undefined : readObject(metadataFields, partial.metadata, metadataPath, issues)
  if (metadata && usesOpenId && isAbsent(partial.metadata, 'jwksUri')) {
    issues.push({
      path: join(metadataPath, 'jwksUri'),
      problem: "is not set, and ID tokens are verified with the server's keys",
      cure: "write the address of the server's key set, or take openid out of provider.scope",
    })
  }
  if (metadata && partial.metadataUrl !== undefined) {
    issues.push({
      path: join(path, 'metadataUrl'),
      problem: 'stands beside metadata, which takes its place',
      cure: 'leave out one of the two',
    })
  }
  const introspection = readObject(
    introspectionFields,
    partial.introspection ?? {},
    join(path, 'introspection'),
    issues,
  )
  if (!complete || !introspection.complete || (metadata && !metadata.complete)) return undefined
  return {
    issuer: complete.issuer,
    clientId: complete.clientId,
    clientSecret: complete.clientSecret,
    clientAuthentication: complete.clientAuthentication,
    scope: complete.scope,
    usesOpenId,
    resource: complete.resource,
    authorizationParameters: complete.authorizationParameters,
    metadata: metadata?.complete && withoutUndefined(metadata.complete),
    metadataUrl: complete.metadataUrl,
    timeoutSeconds: complete.timeout,
    introspection: {
      cacheSeconds: introspection.complete.cacheTime,
      signedResponseAlg: introspection.complete.signedResponseAlg,
    },
  }
}

/** A confidential client has credentials (BFF-1): there is no configuration without. */
function clientSecret(): Field<string> {
  return text("write the client's secret, from the environment")
}

/** RFC 6749 §3.3. */
function scope(): Field<string> {
  const cure = "write scopes with one space between them, such as 'openid offline_access'"
  return v.pipe(
    v.string(wanted('a string', cure)),
    v.regex(/^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$/, mistake('is not a list of scopes', cure)),
  )
}

/** Parameters that each sign-in makes anew, or that another setting says. */
const ownParameters: Readonly<Record<string, string>> = {
  client_id: 'set provider.clientId',
  resource: 'set provider.resource',
  scope: 'set provider.scope',
  ...Object.fromEntries(
    [
      'code_challenge',
      'code_challenge_method',
      'nonce',
      'redirect_uri',
      'request',
      'request_uri',
      'response_mode',
      'response_type',
      'state',
    ].map((name) => [name, 'leave it out: each sign-in sets it']),
  ),
}

function authorizationParameters(): Field<Readonly<Record<string, string>>> {
  return v.pipe(
    v.record(v.string(), v.string(wanted('a string')), wanted("an object, such as { prompt: 'consent' }")),
    v.rawCheck(({ dataset, addIssue }) => {
      if (typeof dataset.value !== 'object' || dataset.value === null) return
      for (const [name, value] of Object.entries(dataset.value)) {
        if (!Object.hasOwn(ownParameters, name)) continue
        const at = [
          {
            type: 'object' as const,
            origin: 'key' as const,
            input: dataset.value as Record<string, unknown>,
            key: name,
            value,
          },
        ]
        addIssue({ message: mistake('is not for this setting', ownParameters[name] ?? ''), path: at as never })
      }
    }),
    v.readonly(),
  )
}

function isAbsent(object: unknown, name: string): boolean {
  return isObject(object) && asMeant(object, Object.keys(metadataFields))[name] === undefined
}

function withoutUndefined<T extends object>(object: T): NonNullable<ProviderConfig['metadata']> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as never
}
