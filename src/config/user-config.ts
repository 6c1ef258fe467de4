/** What an operator may say (`UserConfig`), but for the routes. */
import type { SessionStore } from '../coordinator.ts'
import type { AddressPolicyConfig, Duration, RateLimitConfig, RouteConfig, Setting } from './user-routes.ts'

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
  /**
   * Node only: answers under way at a time; more requests get 503 `overloaded`. Default 16384, or one for each 128 KiB of
   * the memory that the process may have, if that is fewer.
   */
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
