/** What a configuration becomes once it is checked: `Config`. */
import type { IPv4, IPv6 } from 'ipaddr.js'
import type { SessionStore } from '../coordinator.ts'
import type { Hooks, ProviderConfig, SignatureAlgorithm, SpaConfig } from './user-config.ts'
import type { FetchBinding, RateLimitConfig, RequestKind, RouteConfig } from './user-routes.ts'

/** A base address, and how many of its bits count. */
export type AddressRange = readonly [IPv4 | IPv6, number]

/** Who may call, by address. */
export interface AddressPolicy {
  /** Undefined is everybody. */
  readonly allow: readonly AddressRange[] | undefined
  readonly deny: readonly AddressRange[]
}

export interface RateLimit {
  /** As the `RateLimit` fields have it, and the store: one name, one book of counts. */
  readonly name: string
  readonly per: RateLimitConfig['per']
  readonly requests: number
  readonly windowSeconds: number
}

export interface Address {
  /** Undefined is every address of the machine. */
  readonly host: string | undefined
  readonly port: number
}

export interface Upstream {
  /** `https://orders.internal`; for a binding `https://binding.internal`. */
  readonly origin: string
  /** Path without a slash at its end; `''` for the root. */
  readonly basePath: string
  readonly binding: FetchBinding | undefined
  /** What `upstreams` says of the origin. */
  readonly settings?: UpstreamSettings | undefined
}

export interface UpstreamSettings {
  readonly origin: string
  /** At least one: the origin itself, if no others are named. */
  readonly targets: readonly string[]
  readonly tls:
    | {
        readonly ca: readonly string[] | undefined
        readonly cert: string | undefined
        readonly key: string | undefined
        readonly servername: string | undefined
      }
    | undefined
  readonly http2: boolean
  readonly connections: number
  readonly queue: number
  readonly eventStreams: number
  readonly retries: number
  readonly timeouts: {
    readonly connectMs: number
    readonly headersMs: number | undefined
    readonly bodyMs: number
    readonly totalMs: number | undefined
  }
  readonly health:
    | {
        readonly path: string
        readonly intervalMs: number
        readonly timeoutMs: number
        readonly unhealthyAfter: number
        readonly healthyAfter: number
      }
    | undefined
  readonly breaker: { readonly failures: number; readonly pauseMs: number; readonly longestPauseMs: number } | undefined
}

export interface FieldRules {
  /** Lower-case names. */
  readonly set: readonly (readonly [name: string, value: string])[]
  readonly add: readonly (readonly [name: string, value: string])[]
  readonly remove: ReadonlySet<string>
}

export interface ResponseFieldRules extends FieldRules {
  /** Lower-case names that pass besides the usual ones; undefined is any. */
  readonly allow: ReadonlySet<string> | undefined
}

export interface QueryRules {
  readonly allow: ReadonlySet<string> | undefined
  /** In lower case, for servers that do not tell cases apart, and as PHP writes them; those that are set among them. */
  readonly remove: ReadonlySet<string>
  /** As it is appended: `a=1&b=2`. */
  readonly set: string
}

export type RouteAuth = RouteConfig['auth']

/** What an access token is asked for. */
export interface TokenRequest {
  readonly resource: string | undefined
  readonly audience: string | undefined
  readonly scopes: readonly string[]
}

/** Where the upstream's access token comes from. */
export type UpstreamToken =
  | { readonly from: 'caller' | 'introspection' | 'none' }
  | ({ readonly from: 'exchange' | 'refresh' | 'client' } & TokenRequest)

export interface Route {
  /** As the operator wrote it. */
  readonly path: string
  /** `path` without its `/*`. */
  readonly prefix: string
  readonly isExact: boolean
  readonly upstream: Upstream
  readonly methods: ReadonlySet<string>
  readonly auth: RouteAuth
  /** Where it is reached. */
  readonly listener: 'public' | 'internal'
  readonly kinds: ReadonlySet<RequestKind>
  /** What the caller's token has to have; for `client`, what ours is asked for. */
  readonly scopes: readonly string[]
  /** What the caller's token has to be for; for session routes, what the JWT has to be for that takes its place. */
  readonly audience: string | undefined
  readonly upstreamToken: UpstreamToken
  /** Lower-case names that pass besides the usual ones: the route's and those for all routes. */
  readonly requestHeaders: ReadonlySet<string>
  readonly redirectHosts: ReadonlySet<string>
  readonly allowEncodedSlash: boolean
  readonly allowSemicolon: boolean
  readonly content: 'data' | 'page'
  readonly cache: 'no-store' | 'private'
  readonly forwardAuth: boolean
  readonly bodyLimitBytes: number
  readonly earlyHints: boolean
  /** Lower-case names. */
  readonly trailers: ReadonlySet<string>
  readonly timeoutMs: number
  readonly headers: { readonly request: FieldRules; readonly response: ResponseFieldRules }
  readonly query: QueryRules | undefined
  /** Lower-case media types, or `image/*`; undefined is any. */
  readonly contentTypes: ReadonlySet<string> | undefined
  readonly addresses: AddressPolicy | undefined
  /** The route's own and those of all routes: by address, counted before anything else is asked, and by caller. */
  readonly rateLimits: { readonly byAddress: readonly RateLimit[]; readonly byCaller: readonly RateLimit[] }
}

export interface Provider {
  readonly issuer: string
  readonly clientId: string
  readonly clientSecret: string
  readonly clientAuthentication: 'client_secret_basic' | 'client_secret_post'
  readonly scope: string
  readonly usesOpenId: boolean
  readonly resource: string | undefined
  readonly authorizationParameters: Readonly<Record<string, string>>
  readonly metadata: ProviderConfig['metadata']
  readonly metadataUrl: string | undefined
  readonly timeoutSeconds: number
  readonly introspection: {
    readonly cacheSeconds: number
    readonly signedResponseAlg: SignatureAlgorithm | undefined
  }
}

export interface ForwardAuth {
  readonly proxy: 'nginx' | 'traefik' | 'envoy'
  readonly secret: string | undefined
}

/** Checked, with every default filled in. Read once; nothing below reads the environment. */
export interface Config {
  /** Scheme, host and port: `https://app.example.com`. */
  readonly origin: string
  /** Host and port as the `Host` field has them: no port where it is the scheme's own. */
  readonly host: string
  /** True for https, false for plain http on a loopback address. */
  readonly isSecureOrigin: boolean
  readonly basePath: string
  readonly provider: Provider
  readonly session: {
    readonly secrets: readonly string[]
    readonly idleSeconds: number
    readonly absoluteSeconds: number
    readonly claims: readonly string[]
    readonly maxSessions: number | undefined
    readonly store: SessionStore | undefined
  }
  readonly routes: readonly Route[]
  readonly spa: SpaConfig | undefined
  readonly listeners: {
    readonly public: Address
    readonly internal: Address | undefined
    readonly management: Address | undefined
  }
  readonly trustedProxies: readonly AddressRange[]
  /** Undefined where who calls the internal listener binds it, as on Workers. */
  readonly internalHosts: ReadonlySet<string> | undefined
  readonly addresses: AddressPolicy | undefined
  readonly rateLimits: readonly RateLimit[]
  readonly forwardAuth: ForwardAuth | undefined
  readonly streams: { readonly perSession: number; readonly perAddress: number; readonly total: number }
  /** Undefined without `split` routes. */
  readonly splitTokens: { readonly secrets: readonly string[] } | undefined
  readonly hooks: Hooks
  readonly thirdPartyInitiatedLogin: boolean
  readonly backChannelLogout: boolean
  readonly upstreams: readonly UpstreamSettings[]
  /** Undefined: as many as the runtime has memory for. */
  readonly maxRequests: number | undefined
  /** Paths of settings that only Node can honour. */
  readonly nodeOnly: readonly string[]
  /** What an auditor should look at: open routes, insecure upstreams, documents, shared resources. */
  readonly notices: readonly string[]
}
