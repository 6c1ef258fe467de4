/** One route: its fields, and what has to hold between them. */
import { readAddressPolicy } from './addresses.ts'
import { readHeaderRules, readQueryRules } from './message-rules.ts'
import { isWildcard, withoutWildcard } from './paths.ts'
import { byStage, readRateLimits } from './rate-limits.ts'
import { type Field, type Issues, join, readObject } from './read-object.ts'
import { routeFields, routeHints } from './route-auth.ts'
import type { Method, RateLimit, RequestKind, Route } from './types.ts'
import { readUpstream, type UpstreamContext } from './upstream.ts'

const defaultTimeoutMs = 30_000

export interface ReadRoute {
  /** What is right of it, for the checks between routes. */
  readonly partial: Partial<Pick<Route, 'path' | 'upstream' | 'methods' | 'auth'>>
  readonly shared: string | undefined
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
}

type FieldsOf<Auth extends Route['auth']> = (typeof routeFields)[Auth]
type Outputs<Fields> = { [Name in keyof Fields]?: Fields[Name] extends Field<infer Output> ? Output : never }
/** Whatever a route of any kind may have. */
type PartialRoute = Omit<Outputs<FieldsOf<'session'> & FieldsOf<'none'>>, 'auth'>

export function readRoute(input: unknown, path: string, issues: Issues, context: RouteContext): ReadRoute {
  const before = issues.length
  const auth = authOf(input, path, issues)
  // Each kind of route has fields of its own; what is missing is said in its own words. An unknown `auth` is reported
  // by itself, and what else such a route says is read as a session route's.
  const kind = auth ?? 'session'
  const read = readObject(routeFields[kind], auth ? input : asSessionRoute(input), path, issues, routeHints[kind])
  const { complete } = read
  const partial: PartialRoute = read.partial
  const addresses = readAddressPolicy(partial.addresses, join(path, 'addresses'), issues)
  const headers = readHeaderRules(partial.headers, join(path, 'headers'), issues)
  const query = readQueryRules(partial.query, join(path, 'query'), issues)
  const callers =
    kind === 'none' ? (['address', 'route'] as const) : (['session', 'subject', 'address', 'route'] as const)
  const limitsPath = join(path, 'rateLimits')
  const rateLimits = readRateLimits(partial.rateLimits, limitsPath, issues, partial.path ?? '', callers)
  // Of those for all routes the ones by which a caller of this route is known.
  const forAll = context.rateLimits.filter(({ per }) => (callers as readonly string[]).includes(per))
  const upstream = isObject(input) ? readUpstream(partial, path, issues, context) : undefined
  if (partial.earlyHints) context.nodeOnly.push(join(path, 'earlyHints'))
  if (partial.trailers?.length) context.nodeOnly.push(join(path, 'trailers'))
  const kinds = new Set<RequestKind>(partial.kinds ?? ['fetch'])
  const methods = new Set<string>(partial.methods ?? defaultMethods(kinds))
  checkKinds(kinds, methods, path, issues)
  if (partial.forwardAuth) checkForwardAuth(kinds, path, issues, context)

  const isRight = complete && upstream && auth && issues.length === before
  return {
    partial: {
      ...(partial.path !== undefined && { path: partial.path }),
      ...(upstream && { upstream }),
      ...(isObject(input) && (input.methods === undefined || partial.methods) && { methods }),
      ...(auth && { auth }),
    },
    shared: partial.shared,
    reason: partial.reason,
    complete: isRight
      ? {
          path: complete.path,
          prefix: withoutWildcard(complete.path),
          isExact: !isWildcard(complete.path),
          upstream,
          methods,
          auth,
          listener: 'public',
          kinds,
          scopes: partial.scopes ?? [],
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
  const auth = isObject(input) ? input.auth : undefined
  if (typeof auth === 'string' && Object.hasOwn(routeFields, auth)) return auth as Route['auth']
  if (isObject(input)) {
    const all = Object.keys(routeFields).map((name) => `'${name}'`)
    issues.push({
      path: join(path, 'auth'),
      problem: auth === undefined ? 'is not set' : `is none of ${all.join(', ')}`,
      cure: "write 'session', or 'none' with a reason",
    })
  }
  return undefined
}

function asSessionRoute(input: unknown): unknown {
  if (!isObject(input)) return input
  const { reason: _, ...rest } = input
  return { ...rest, auth: 'session' }
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

function checkForwardAuth(
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
  // What does not pass through here cannot be ended with the session (sessions.md E6).
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
