/** What an operator may say of a route, and the plain values that every setting is made of. */

/**
 * A string that often comes from the environment: the type lets a variable that is not set through, and
 * validation names it.
 */
export type Setting = string | undefined

/** A duration such as `'30s'`, `'15m'`, `'12h'`, `'7d'`, or a whole number of seconds. */
export type Duration = number | string

/** How a call may prove that the page made it; `fetch` carries `X-CSRF`, the others cannot. */
export type RequestKind = 'fetch' | 'eventsource' | 'download' | 'media' | 'websocket'

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** A Workers service binding (`env.ORDERS`), or anything else with a `fetch`. */
export interface FetchBinding {
  fetch(request: Request): Promise<Response>
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
  /** Default `['GET', 'HEAD']`; `['GET']` where `kinds` is `['websocket']` alone. */
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
  /**
   * How long the answer's head may take, of each try, and each wait for a connection. Default: the upstream's
   * `timeouts.headers`, else `30s`.
   */
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
