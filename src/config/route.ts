/** One route: its fields, and what has to hold between them. */
import { readAddressPolicy } from './addresses.ts'
import { readHeaderRules, readQueryRules } from './message-rules.ts'
import { isWildcard, withoutWildcard } from './paths.ts'
import { byStage, readRateLimits } from './rate-limits.ts'
import { asMeant, type Field, type Issues, join, readObject } from './read-object.ts'
import { misplacedInRoute, routeFields, routeSettings } from './route-auth.ts'
import type { RateLimit, Route, UpstreamToken } from './types.ts'
import { readUpstream, type UpstreamContext } from './upstream.ts'
import { readUpstreamToken } from './upstream-token.ts'
import type { Method, RequestKind } from './user-routes.ts'

const defaultTimeoutMs = 30_000

export interface ReadRoute {
  /** What is right of it, for the checks between routes. */
  readonly partial: Partial<Pick<Route, 'path' | 'upstream' | 'methods' | 'auth' | 'listener'>>
  readonly shared: string | undefined
  /** Why it is open, or why this server's own token serves everyone. */
  readonly reason: string | undefined
  readonly complete: Route | undefined
}

export interface RouteContext extends UpstreamContext {
  /** Lower-case names that pass on every route. */
  readonly requestHeaders: readonly string[]
  readonly hasForwardAuth: boolean
  /** Of all routes together. */
  readonly rateLimits: readonly RateLimit[]
  /** Gets the paths of settings that only Node can honour. */
  readonly nodeOnly: string[]
  /** `provider.resource`: what tokens are for, where a route does not say. */
  readonly resource: string | undefined
}

type FieldsOf<Auth extends Route['auth']> = (typeof routeFields)[Auth]
type Outputs<Fields> = { [Name in keyof Fields]?: Fields[Name] extends Field<infer Output> ? Output : never }
/** Whatever a route of any kind may have. */
type PartialRoute = Omit<
  Outputs<FieldsOf<'session'> & FieldsOf<'phantom'> & FieldsOf<'client'> & FieldsOf<'none'>>,
  'auth'
>

/** By whom calls of each kind of route can be told apart. */
const callersOf: Readonly<Record<Route['auth'], readonly RateLimit['per'][]>> = {
  session: ['session', 'subject', 'address', 'route'],
  phantom: ['subject', 'address', 'route'],
  split: ['subject', 'address', 'route'],
  jwt: ['subject', 'address', 'route'],
  client: ['address', 'route'],
  none: ['address', 'route'],
}

export function readRoute(input: unknown, path: string, issues: Issues, context: RouteContext): ReadRoute {
  const before = issues.length
  const auth = authOf(input, path, issues)
  // Each kind of route has fields of its own; what is missing is said in its own words. An unknown `auth` is reported
  // by itself, and what else such a route says is read as a session route's.
  const kind = auth ?? 'session'
  const read = readObject(routeFields[kind], auth ? input : asSessionRoute(input), path, issues, misplacedInRoute[kind])
  const { complete } = read
  const partial: PartialRoute = read.partial
  const addresses = readAddressPolicy(partial.addresses, join(path, 'addresses'), issues)
  const query = readQueryRules(partial.query, join(path, 'query'), issues)
  const callers = callersOf[kind]
  const limitsPath = join(path, 'rateLimits')
  const rateLimits = readRateLimits(partial.rateLimits, limitsPath, issues, partial.path ?? '', callers)
  // Of those for all routes the ones by which a caller of this route is known.
  const forAll = context.rateLimits.filter(({ per }) => callers.includes(per))
  const headers = readHeaderRules(partial.headers, join(path, 'headers'), issues, {
    auth: kind,
    content: partial.content ?? 'data',
    cache: partial.cache ?? 'no-store',
    hasRateLimits: forAll.length + rateLimits.length > 0,
  })
  const upstream = isObject(input) ? readUpstream(partial, path, issues, context) : undefined
  if (partial.earlyHints) context.nodeOnly.push(join(path, 'earlyHints'))
  if (partial.trailers?.length) context.nodeOnly.push(join(path, 'trailers'))
  const kinds = new Set<RequestKind>(partial.kinds ?? ['fetch'])
  const methods = new Set<string>(partial.methods ?? defaultMethods(kinds))
  checkKinds(kinds, methods, path, issues)
  if (partial.forwardAuth) checkForwardAuth(input, kinds, path, issues, context)
  const listener = kind === 'jwt' || (kind === 'client' && partial.public === undefined) ? 'internal' : 'public'
  if (kind === 'client' && listener === 'public') checkPublicClient(partial, methods, path, issues)
  const upstreamToken = auth && readTokenOf(auth, partial, path, issues)
  const audience = partial.audience ?? context.resource
  if (upstreamToken) checkAudience(needsAudience(kind, upstreamToken), partial.audience, audience, path, issues)

  if (upstreamToken?.from === 'refresh' && context.resource === undefined) {
    issues.push({
      path: join(path, 'upstreamToken'),
      problem: "asks for a token of another resource than the session's, and the session's has none",
      cure: "set provider.resource: the API that the session's own token is for",
    })
  }

  const isRight = complete && upstream && auth && upstreamToken && issues.length === before
  return {
    partial: {
      ...(partial.path !== undefined && { path: partial.path }),
      ...(upstream && { upstream }),
      ...(isObject(input) && (input.methods === undefined || partial.methods) && { methods }),
      ...(auth && { auth, listener }),
    },
    shared: partial.shared,
    reason: partial.reason ?? partial.public,
    complete: isRight
      ? {
          path: complete.path,
          prefix: withoutWildcard(complete.path),
          isExact: !isWildcard(complete.path),
          upstream,
          methods,
          auth,
          listener,
          kinds,
          scopes: partial.scopes ?? [],
          audience: needsAudience(auth, upstreamToken) ? audience : undefined,
          upstreamToken,
          requestHeaders: new Set([...context.requestHeaders, ...complete.requestHeaders]),
          redirectHosts: new Set(complete.redirectHosts),
          allowEncodedSlash: complete.allow.includes('encoded-slash'),
          allowSemicolon: complete.allow.includes('semicolon'),
          content: complete.content,
          cache: partial.cache ?? 'no-store',
          forwardAuth: partial.forwardAuth ?? false,
          bodyLimitBytes: complete.bodyLimitBytes,
          headers,
          query,
          contentTypes: complete.contentTypes && new Set(complete.contentTypes),
          addresses,
          rateLimits: byStage([...forAll, ...rateLimits]),
          earlyHints: complete.earlyHints,
          trailers: new Set(complete.trailers),
          timeoutMs:
            complete.timeout === undefined
              ? (upstream.settings?.timeouts.headersMs ?? defaultTimeoutMs)
              : complete.timeout * 1000,
        }
      : undefined,
  }
}

/** Undefined, and a mistake, for anything but the ways that there are. */
function authOf(input: unknown, path: string, issues: Issues): Route['auth'] | undefined {
  const auth = isObject(input) ? asMeant(input, routeSettings).auth : undefined
  if (typeof auth === 'string' && Object.hasOwn(routeFields, auth)) return auth as Route['auth']
  if (isObject(input)) {
    const all = Object.keys(routeFields).map((name) => `'${name}'`)
    issues.push({
      path: join(path, 'auth'),
      problem: auth === undefined ? 'is not set' : `is none of ${all.join(', ')}`,
      cure: "write 'session' for browsers, 'phantom' or 'split' for other clients outside, 'jwt' or 'client' inside, or 'none' with a reason",
    })
  }
  return undefined
}

/** Without what other kinds have: which one is meant, nobody knows. */
function asSessionRoute(input: unknown): unknown {
  if (!isObject(input)) return input
  const shared = Object.entries(input).filter(([name]) => !Object.hasOwn(misplacedInRoute.session, name))
  return { ...Object.fromEntries(shared), auth: 'session' }
}

function readTokenOf(
  auth: Route['auth'],
  partial: PartialRoute,
  path: string,
  issues: Issues,
): UpstreamToken | undefined {
  if (auth !== 'client') return readUpstreamToken(partial.upstreamToken, auth, join(path, 'upstreamToken'), issues)
  return { from: 'client', resource: partial.resource, audience: undefined, scopes: partial.scopes ?? [] }
}

/** One that nothing is checked by would look as if the session's token was. */
function checkAudience(
  isNeeded: boolean,
  own: string | undefined,
  audience: string | undefined,
  path: string,
  issues: Issues,
): void {
  if (isNeeded && audience === undefined) {
    issues.push({
      path: join(path, 'audience'),
      problem: 'is not set, so a token for any API would do',
      cure: 'write this API as its tokens name it in aud, or set provider.resource',
    })
  }
  if (!isNeeded && own !== undefined) {
    issues.push({
      path: join(path, 'audience'),
      problem: 'is set, and nothing is checked by it here',
      cure: "leave it out, and name the API in upstreamToken, or in provider.resource for the session's own token",
    })
  }
}

/** A token goes only to the resource that it is for (SEC-13). */
function needsAudience(auth: Route['auth'], { from }: UpstreamToken): boolean {
  return auth === 'phantom' || auth === 'split' || auth === 'jwt' || from === 'introspection'
}

/** Whoever drops the cookie acts as this server there: only what harms least. */
function checkPublicClient({ scopes }: PartialRoute, methods: ReadonlySet<string>, path: string, issues: Issues): void {
  const unsafe = [...methods].filter((method) => method !== 'GET' && method !== 'HEAD')
  if (unsafe.length > 0) {
    issues.push({
      path: join(path, 'methods'),
      problem: `has ${unsafe.join(', ')}, and anyone may call this route`,
      cure: 'leave them out, or leave out public: the route is on the internal listener then',
    })
  }
  if (scopes?.length === 0) {
    issues.push({
      path: join(path, 'scopes'),
      problem: 'is empty, so the token would have all that this server may have',
      cure: 'name the few scopes that anyone may use',
    })
  }
}

function defaultMethods(kinds: ReadonlySet<RequestKind>): readonly Method[] {
  return kinds.size === 1 && kinds.has('websocket') ? ['GET'] : ['GET', 'HEAD']
}

/** What cannot send `X-CSRF` takes safe methods only (BFF-6). */
function checkKinds(kinds: ReadonlySet<RequestKind>, methods: ReadonlySet<string>, path: string, issues: Issues): void {
  const unsafe = [...methods].filter((method) => method !== 'GET' && method !== 'HEAD')
  const at = join(path, 'methods')
  if (!kinds.has('fetch') && unsafe.length > 0) {
    issues.push({
      path: at,
      problem: `has ${unsafe.join(', ')}, which only the kind 'fetch' may call`,
      cure: "leave them out, or add 'fetch' to kinds",
    })
  } else if (kinds.size === 1 && kinds.has('websocket') && methods.has('HEAD')) {
    issues.push({ path: at, problem: 'has HEAD, and a WebSocket begins with GET', cure: "write ['GET']" })
  }
  if ((kinds.size > 1 || !kinds.has('fetch')) && !methods.has('GET')) {
    issues.push({
      path: at,
      problem: 'lacks GET, which the named kinds are called with',
      cure: "add 'GET', or leave the kinds out",
    })
  }
}

/** What a route may say of messages, and `/verify` neither sees nor changes. */
const unseenByVerify = ['query', 'headers', 'contentTypes', 'bodyLimitBytes'] as const

function checkForwardAuth(
  input: unknown,
  kinds: ReadonlySet<RequestKind>,
  path: string,
  issues: Issues,
  { hasForwardAuth }: RouteContext,
): void {
  const at = join(path, 'forwardAuth')
  if (!hasForwardAuth) {
    issues.push({
      path: at,
      problem: 'is true, and nobody may ask',
      cure: "say who does at the top: forwardAuth: { proxy: 'nginx' }",
    })
  }
  for (const name of unseenByVerify) {
    if (!isObject(input) || input[name] === undefined) continue
    issues.push({
      path: join(path, name),
      problem: 'would not hold for what the proxy passes on itself (forwardAuth)',
      cure: 'have the proxy do it and leave it out here, or let it pass the route to Coatcheck, without forwardAuth',
    })
  }
  // What does not pass through here cannot be ended with the session (protocol.md E6).
  for (const kind of ['eventsource', 'websocket'] as const) {
    if (kinds.has(kind)) {
      issues.push({
        path: at,
        problem: `cannot end a stream of the kind '${kind}' with its session`,
        cure: 'let the proxy pass that route to Coatcheck, without forwardAuth',
      })
    }
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
