/** What an operator may say (`UserConfig`), and what it becomes once it is checked (`Config`). */
import type { IPv4, IPv6 } from 'ipaddr.js'
import type { SessionStore } from '../coordinator.ts'

/** How a call may prove that the page made it; `fetch` carries `X-CSRF`, the others cannot. */
export type RequestKind = 'fetch' | 'eventsource' | 'download' | 'media' | 'websocket'

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/**
 * A string that often comes from the environment: the type lets a variable that is not set through, and
 * validation names it.
 */
export type Setting = string | undefined

/** A duration such as `'30s'`, `'15m'`, `'12h'`, `'7d'`, or a whole number of seconds. */
export type Duration = number | string

/** A Workers service binding (`env.ORDERS`), or anything else with a `fetch`. */
export interface FetchBinding {
  fetch(request: Request): Promise<Response>
}

/** The authorization server, and who we are to it. */
export interface ProviderConfig {
  /** Issuer identifier (RFC 8414 §2). Metadata is found from it, unless `metadata` says it. */
  issuer: Setting
  clientId: Setting
  clientSecret: Setting
  /** How the client authenticates at the token endpoint. Default `client_secret_basic`. */
  clientAuthentication?: 'client_secret_basic' | 'client_secret_post'
  /** Default `openid offline_access`. Without `openid` there is no ID token (plain OAuth 2). */
  scope?: string
  /** Resource indicator (RFC 8707): the API that the access token is for. */
  resource?: string
  /** More parameters of the authorization request, such as `{ prompt: 'consent' }`. */
  authorizationParameters?: Readonly<Record<string, string>>
  /** Endpoints by hand, for a server without discovery. */
  metadata?: {
    authorizationEndpoint: string
    tokenEndpoint: string
    jwksUri?: string
    revocationEndpoint?: string
    endSessionEndpoint?: string
    introspectionEndpoint?: string
    /** Announces RFC 9207 `iss`; required in the callback then. */
    authorizationResponseIssParameterSupported?: boolean
  }
  /** Where discovery is read, if not at the issuer's well-known address. */
  metadataUrl?: string
  /** How long one request to the server may take. Default `10s`; a refresh gets three times that. */
  timeout?: Duration
  /** How opaque tokens are asked about (RFC 7662), for `phantom` routes and `upstreamToken: { from: 'introspection' }`. */
  introspection?: {
    /**
     * How long an answer serves at most; never past the token's own end. A token that was revoked opens routes for so
     * long. Default `1m`, at most `1h`.
     */
    cacheTime?: Duration
    /** Answers have to be signed, by this algorithm (RFC 9701). Default: plain JSON. */
    signedResponseAlg?: SignatureAlgorithm
  }
}

export type SignatureAlgorithm = 'RS256' | 'PS256' | 'ES256' | 'ES384' | 'ES512' | 'EdDSA' | 'Ed25519'

export interface SessionConfig {
  /**
   * 32 bytes of base64url each, as `coatcheck keygen` prints. The first seals, all open: to rotate, add the
   * new one at the end everywhere, then move it to the front, then drop the old one.
   */
  secrets: readonly Setting[]
  /** The session ends after so long without a call. Default `30m`. */
  idleTimeout?: Duration
  /** The session ends so long after sign-in, whatever happens. Default `12h`. */
  absoluteTimeout?: Duration
  /** Claims of the ID token that the page may see. Default `sub name preferred_username email picture`. */
  claims?: readonly string[]
  /** Sessions that one person may have at once, with a ticket store; a sign-in ends the oldest. Default: any number. */
  maxSessions?: number
  /**
   * Where sessions live: in the browser's cookie (`cookieStore()`, the default), or behind a ticket (`memoryStore()`,
   * `sqliteStore()` of `coatcheck/node`, `redisStore()` of `coatcheck/stores/redis`, `durableObjectStore()` of
   * `coatcheck/workers`).
   */
  store?: SessionStore
}

/**
 * Where the app's own pages come from: a folder that was built, an origin elsewhere such as a CDN's (with the path that
 * the files are below, `https://cdn.example.com/app/`), or a development server.
 */
export type SpaConfig =
  | { dir: string; csp?: CspConfig }
  | { origin: string; csp?: CspConfig }
  | { proxy: string; csp?: CspConfig }

/** Sources to add to a directive of the page's Content Security Policy. */
export interface CspConfig {
  connectSrc?: readonly string[]
  fontSrc?: readonly string[]
  frameSrc?: readonly string[]
  imgSrc?: readonly string[]
  mediaSrc?: readonly string[]
  scriptSrc?: readonly string[]
  styleSrc?: readonly string[]
  workerSrc?: readonly string[]
  reportUri?: string
}

/** Such as `{ allow: ['10.0.0.0/8'] }` or `{ deny: ['192.0.2.7'] }`. */
export interface AddressPolicyConfig {
  allow?: readonly string[]
  deny?: readonly string[]
}

/** At most so many calls in a window of time, of one caller. */
export interface RateLimitConfig {
  /**
   * Whose calls are counted together: a session's, a person's (the session's, where the provider names nobody), a
   * client address's (of IPv6 its /64), or everybody's who was let in.
   */
  per: 'session' | 'subject' | 'address' | 'route'
  requests: number
  window: Duration
}

/** Changes of header fields, in this order: remove, set (over what is there), add (beside it). */
export interface FieldRulesConfig {
  set?: Readonly<Record<string, string>>
  add?: Readonly<Record<string, string>>
  remove?: readonly string[]
}

export interface ResponseFieldRulesConfig extends FieldRulesConfig {
  /**
   * The API's fields that pass, and no others but the usual ones, which say what the answer is (`Content-*`, `ETag`,
   * `Cache-Control`, `Location` and the like). Default: all that do not speak to the browser about our origin.
   */
  allow?: readonly string[]
}

interface RouteBase {
  /** `/api/orders` (exactly this) or `/api/orders/*` (everything below it, but not `/api/orders` itself). */
  path: string
  /** What the matched part is appended to: an `https:` URL without query, or a service binding. */
  upstream: Setting | FetchBinding
  /** For a service binding: the path that the matched part is appended to. Default `/`. */
  upstreamPath?: string
  /** Default `['GET', 'HEAD']`. */
  methods?: readonly Method[]
  /** Request header fields that pass besides the usual ones (`gateway/request-headers.ts`). */
  requestHeaders?: readonly string[]
  /** Hosts that the upstream's `Location` may name besides its own. */
  redirectHosts?: readonly string[]
  /** Percent-encoded bytes that the target may hold although they are refused elsewhere. */
  allow?: readonly ('encoded-slash' | 'semicolon')[]
  /** `'page'`: answers are documents of this origin, not data. Reported by `coatcheck check`. */
  content?: 'data' | 'page'
  /** Largest request body in bytes. Default 10 MiB. */
  bodyLimitBytes?: number
  /** Node only: passes the upstream's 103 on, less what speaks to browsers about our origin. Default false. */
  earlyHints?: boolean
  /** Node only: trailer fields of the upstream's answer that pass, such as `['server-timing']`. Default none. */
  trailers?: readonly string[]
  /** How long the answer's head may take. Default: the upstream's `timeouts.headers`, else `30s`. */
  timeout?: Duration
  /**
   * Changes of what passes to the upstream and of what comes from it, within the rules for every route: what speaks of
   * the caller or to the browser of our origin cannot be set.
   */
  headers?: { request?: FieldRulesConfig; response?: ResponseFieldRulesConfig }
  /**
   * The parameters that a query may have (`allow`; another is 400 `query_refused`), those that are taken out, and those
   * that are ours to set, whatever the caller said.
   */
  query?: { allow?: readonly string[]; remove?: readonly string[]; set?: Readonly<Record<string, string>> }
  /** Media types that a request body may have, such as `application/json` or `image/*`; another is 415. Default: any. */
  contentTypes?: readonly string[]
  /** Addresses and ranges that may call this route (`allow`), and that may not (`deny`, which wins). */
  addresses?: AddressPolicyConfig
  /** At most so many calls of this route; more are 429 with `Retry-After`. */
  rateLimits?: readonly RateLimitConfig[]
  /** Why two routes with different `auth` may reach the same resource, both say it; or this one and the pages of `spa`. */
  shared?: string
  /** The upstream speaks plain HTTP and is not on this machine: said on purpose, and reported. */
  allowInsecureUpstream?: boolean
}

export interface SessionRouteConfig extends RouteBase {
  auth: 'session'
  /** Default `['fetch']`. */
  kinds?: readonly RequestKind[]
  /** Scopes that the session's access token has to have, all of them. */
  scopes?: readonly string[]
  /** `'private'`: the upstream's `Cache-Control` stands, less `public` and `s-maxage`. Default `'no-store'`. */
  cache?: 'no-store' | 'private'
  /** A proxy may ask for this route at `/verify`, and gets the session's token. Default false. */
  forwardAuth?: boolean
  /** What the upstream gets as access token. Default: the session's. */
  upstreamToken?: SessionUpstreamToken
  /** With `from: 'introspection'`: the API, as the JWT names it in `aud`. Default `provider.resource`. */
  audience?: string
}

/** An access token of another's making, for one API and, where `scopes` are named, for these only. */
interface TokenTarget {
  /** The API, by its URI (RFC 8707). */
  resource?: string
  /** Scopes that the token has, and no others. Default: as the server decides. */
  scopes?: readonly string[]
}

/** By token exchange (RFC 8693): the API is named by `resource`, or by `audience`, as the server knows it. */
type ExchangedToken = { from: 'exchange'; audience?: string } & TokenTarget

export type SessionUpstreamToken =
  | { from: 'session' }
  /** A JWT that the server gives for the session's opaque token when it is asked about it. */
  | { from: 'introspection' }
  | ExchangedToken
  /** By a refresh for this resource (RFC 8707 §2.2), which consumes the refresh token as every refresh does. */
  | ({ from: 'refresh'; resource: string } & TokenTarget)

export type PhantomUpstreamToken =
  /** A JWT that the server gives for the opaque token when it is asked about it: `application/jwt`. */
  | { from: 'introspection' }
  | ExchangedToken
  /** The upstream takes no token: it gets no `Authorization`. */
  | { from: 'none' }

interface TokenRouteBase extends RouteBase {
  /** Scopes that the token has to have, all of them. */
  scopes?: readonly string[]
  /** `'private'`: the upstream's `Cache-Control` stands, less `public` and `s-maxage`. Default `'no-store'`. */
  cache?: 'no-store' | 'private'
}

interface BearerRouteBase extends TokenRouteBase {
  /** This API, as its tokens name it in `aud`: a token for another is refused. Default `provider.resource`. */
  audience?: string
}

/** For clients inside the network that hold a JWT. Reached on the internal listener only. */
export interface JwtRouteConfig extends BearerRouteBase {
  auth: 'jwt'
}

/** For clients outside that hold an opaque access token. */
export interface PhantomRouteConfig extends BearerRouteBase {
  auth: 'phantom'
  /** What the upstream gets as access token. Default `{ from: 'introspection' }`. */
  upstreamToken?: PhantomUpstreamToken
}

/** For clients outside that hold the signature of a JWT, whose head and payload were delivered here. */
export interface SplitRouteConfig extends BearerRouteBase {
  auth: 'split'
}

/** Calls with an access token of this server's own (RFC 6749 §4.4). On the internal listener, unless `public` says why. */
export interface ClientRouteConfig extends TokenRouteBase {
  auth: 'client'
  /** What the token is asked for. */
  scopes?: readonly string[]
  /** The API that the token is for (RFC 8707). */
  resource?: string
  /** Why anyone outside may call as this server. Safe methods only, with `scopes` of its own, and each call is reported. */
  public?: string
}

export interface OpenRouteConfig extends RouteBase {
  auth: 'none'
  /** Why anyone may call this. */
  reason: string
}

export type RouteConfig =
  | SessionRouteConfig
  | JwtRouteConfig
  | PhantomRouteConfig
  | SplitRouteConfig
  | ClientRouteConfig
  | OpenRouteConfig

/**
 * What has to be said of an upstream besides its URL. It is for every route that leads to `origin`. On Workers only
 * `timeouts.headers` can be had; all else is refused there.
 */
export interface UpstreamConfig {
  /** As the routes have it: `https://orders.internal`. Also the `Host`, and the name that certificates have to be for. */
  origin: Setting
  /** Where it is, if not at its own name: servers that answer for it alike, each as an origin. */
  targets?: readonly Setting[]
  /** PEM texts. `ca` replaces the authorities that Node trusts; `cert` and `key` are ours, for mutual TLS. */
  tls?: { ca?: Setting | readonly Setting[]; cert?: Setting; key?: Setting; servername?: string }
  /** HTTP/2 where the server offers it (ALPN). Default false. */
  http2?: boolean
  /** Requests to one target at a time, and as many uploads. Default 128. */
  connections?: number
  /** Requests that may wait for one of them; more get 503 `upstream_busy`. Default ten times `connections`. */
  queue?: number
  /** Event streams of one target at a time, told by their answer's head; one more is 503. Default 8192. */
  eventStreams?: number
  /** How often a request that is safe to send again is, after its connection broke. Default 1. */
  retries?: number
  /** `connect` (default `5s`), the answer's head (`headers`), silence in its body (`body`, `60s`), all of it (`total`). */
  timeouts?: { connect?: Duration; headers?: Duration; body?: Duration; total?: Duration }
  /** Asks each target at `path`, every `interval` (default `10s`); one that does not say 2xx gets nothing. */
  health?: { path: string; interval?: Duration; timeout?: Duration; unhealthyAfter?: number; healthyAfter?: number }
  /**
   * A target whose connections fail so often in a row (default 5) gets nothing for `pause` (`10s`), then one request to
   * try it, then twice the pause, up to `longestPause` (`5m`). With no target left callers get 503
   * `upstream_unavailable`. `false` turns it off.
   */
  breaker?: false | { failures?: number; pause?: Duration; longestPause?: Duration }
}

export interface ForwardAuthConfig {
  /** Which headers tell of the request: those of the documented nginx configuration, Traefik's, or Envoy's path. */
  proxy: 'nginx' | 'traefik' | 'envoy'
  /** What the proxy sends as `X-Coatcheck-Secret`; as `coatcheck keygen` prints. Default: none is asked for. */
  secret?: Setting
}

export interface UserConfig {
  /** The origin that browsers see: `https://app.example.com`. */
  baseUrl: Setting
  /** Where our endpoints are. Default `/bff`. */
  basePath?: string
  provider: ProviderConfig
  session: SessionConfig
  routes: readonly RouteConfig[]
  /** More about the servers that routes lead to. */
  upstreams?: readonly UpstreamConfig[]
  /** Node only: answers under way at a time; more requests get 503 `overloaded`. Default 16384. */
  maxRequests?: number
  spa?: SpaConfig
  listeners?: {
    /**
     * Port, or `host:port`. Default: host and port of `baseUrl` if that is a loopback address, else port 3000
     * on every address.
     */
    public?: number | string
    /**
     * For what is inside the network: `jwt` and `client` routes, deliveries of split tokens. A port alone is on loopback.
     * Default: none.
     */
    internal?: number | string
    /** `/healthz` and `/readyz`. A port alone is on loopback. Default: none. */
    management?: number | string
  }
  /**
   * Addresses and ranges of the proxies in front. Their `X-Forwarded-For` says who the client is; everybody else's is
   * ignored. Default: none.
   */
  trustedProxies?: readonly string[]
  /**
   * Hosts by which the internal listener is called, besides IP addresses and localhost: a page in a browser can make a
   * name of its own point there. Default: none.
   */
  internalHosts?: readonly string[]
  /** Who may call the public listener at all, by address. */
  addresses?: AddressPolicyConfig
  /** At most so many calls of all routes together; those per address count calls of our endpoints too. */
  rateLimits?: readonly RateLimitConfig[]
  /**
   * Lets a proxy ask at `/verify` of the internal listener whether a request may pass, and gives it the token for the
   * upstream (docs/forward-auth.md). For routes that say `forwardAuth: true`.
   */
  forwardAuth?: ForwardAuthConfig
  /**
   * Event streams and WebSockets that may be open at a time in one process: of one session or one caller with a token
   * (100), from one address without either (100), and in all (20,000), of which a quarter is not for the latter.
   */
  streams?: { perSession?: number; perAddress?: number; total?: number } | undefined
  /** Request header fields that pass on every route besides the usual ones. */
  requestHeaders?: readonly string[]
  /** Where the authorization server delivers heads and payloads of JWTs, for `split` routes. */
  splitTokens?: {
    /** Any of them lets a delivery in; 32 bytes of base64url each, as `coatcheck keygen` prints. */
    secrets: readonly Setting[]
  }
  hooks?: Hooks
  /** Lets `/bff/login` be started by other sites (OpenID Connect Core §4); parameters are ignored then. */
  thirdPartyInitiatedLogin?: boolean
  /**
   * Lets the authorization server end sessions, at `/bff/backchannel-logout` (OpenID Connect Back-Channel Logout 1.0).
   * Needs a coordinator that processes share. Default false.
   */
  backChannelLogout?: boolean
}

export interface Hooks {
  /** After the provider's answer is validated, before there is a session. Throwing refuses the sign-in. */
  onLogin?(event: { claims: Readonly<Record<string, unknown>> }): void | Promise<void>
  /** What the page gets as `claims`; takes the allow-listed ones. */
  claims?(claims: Readonly<Record<string, unknown>>): Record<string, unknown>
  /** Header fields to set on the way to an upstream. */
  onUpstreamRequest?(event: {
    route: string
    method: string
    target: string
    claims: Readonly<Record<string, unknown>> | undefined
  }): Record<string, string> | undefined
  /** After a session has ended. Nobody waits for it; what it throws is reported. */
  onSessionEnd?(event: { reason: SessionEndReason; sub: string | undefined }): void | Promise<void>
}

export type SessionEndReason =
  | 'logout'
  | 'superseded'
  | 'refresh_refused'
  | 'backchannel_logout'
  /** By the person, from another browser, or because there were more than `session.maxSessions`. */
  | 'ended_elsewhere'

/** A configuration, or a function of the environment that gives one. */
export type ConfigSource<Env = Record<string, string | undefined>> = UserConfig | ((env: Env) => UserConfig)

// --- What comes out of validation -------------------------------------------------------------------

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
  readonly maxRequests: number
  /** Paths of settings that only Node can honour. */
  readonly nodeOnly: readonly string[]
  /** What an auditor should look at: open routes, insecure upstreams, documents, shared resources. */
  readonly notices: readonly string[]
}
