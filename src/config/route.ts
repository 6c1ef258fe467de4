/** One route: its fields, and what has to hold between them. */
import * as v from 'valibot'
import { anything, duration, flag, list, oneOf, optional, text, withDefault } from './fields.ts'
import { requestHeaderName } from './header-names.ts'
import { isWildcard, routePath, withoutWildcard } from './paths.ts'
import { type Field, type Issues, join, mistake, readObject, wanted } from './read-object.ts'
import type { Method, RequestKind, Route } from './types.ts'
import { readUpstream } from './upstream.ts'

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const
const kinds = ['fetch', 'eventsource', 'download', 'media', 'websocket'] as const
const gibibyte = 2 ** 30

const baseFields = {
  path: routePath(),
  upstream: anything(),
  upstreamPath: optional(text('write a path such as /v1')),
  methods: optional(list(oneOf(methods), "write ['GET', 'HEAD', 'POST'] or the like", 1)),
  requestHeaders: withDefault(list(requestHeaderName(), 'write a list of header fields'), []),
  redirectHosts: withDefault(list(redirectHost(), 'write a list of hosts'), []),
  allow: withDefault(list(oneOf(['encoded-slash', 'semicolon']), 'write a list'), []),
  content: withDefault(oneOf(['data', 'page']), 'data'),
  bodyLimitBytes: withDefault(bodyLimit(), 10 * 2 ** 20),
  timeout: withDefault(duration(1, 3600), 30),
  shared: optional(text('say why two routes with different auth reach the same resource')),
  allowInsecureUpstream: withDefault(flag(), false),
}

const sessionFields = {
  ...baseFields,
  auth: oneOf(['session']),
  kinds: withDefault(list(oneOf(kinds), "write ['fetch'] or the like", 1), ['fetch']),
  scopes: withDefault(list(scope(), 'write a list of scopes'), []),
  cache: withDefault(oneOf(['no-store', 'private']), 'no-store'),
}

const openFields = {
  ...baseFields,
  auth: oneOf(['none']),
  reason: text('say why anyone may call this, for who reads the audit'),
}

export interface ReadRoute {
  /** What is right of it, for the checks between routes. */
  readonly partial: Partial<Pick<Route, 'path' | 'upstream' | 'methods' | 'auth'>>
  readonly shared: string | undefined
  readonly reason: string | undefined
  readonly complete: Route | undefined
}

export interface RouteContext {
  readonly ownOrigin: string | undefined
  /** Lower-case names that pass on every route. */
  readonly requestHeaders: readonly string[]
}

export function readRoute(input: unknown, path: string, issues: Issues, context: RouteContext): ReadRoute {
  const before = issues.length
  const auth = authOf(input, path, issues)
  const isOpen = auth === 'none'
  // Each kind of route has fields of its own; what is missing is said in its own words.
  const session = isOpen
    ? undefined
    : readObject(sessionFields, asSessionRoute(input, auth), path, issues, sessionHints)
  const open = isOpen ? readObject(openFields, input, path, issues, openHints) : undefined
  const read = session?.partial ?? open?.partial ?? {}
  const upstream = isObject(input) ? readUpstream(read, path, issues, context.ownOrigin) : undefined
  const kindSet = new Set<RequestKind>(session?.partial.kinds ?? ['fetch'])
  const methodSet = new Set<string>(read.methods ?? defaultMethods(kindSet))
  checkKinds(kindSet, methodSet, path, issues)

  const complete = session?.complete ?? open?.complete
  const isRight = complete && upstream && auth && issues.length === before
  return {
    partial: {
      ...(read.path !== undefined && { path: read.path }),
      ...(upstream && { upstream }),
      ...(isObject(input) && (input.methods === undefined || read.methods) && { methods: methodSet }),
      ...(auth && { auth }),
    },
    shared: read.shared,
    reason: open?.partial.reason,
    complete: isRight
      ? {
          path: complete.path,
          prefix: withoutWildcard(complete.path),
          isExact: !isWildcard(complete.path),
          upstream,
          methods: methodSet,
          auth,
          kinds: kindSet,
          scopes: session?.partial.scopes ?? [],
          requestHeaders: new Set([...context.requestHeaders, ...complete.requestHeaders]),
          redirectHosts: new Set(complete.redirectHosts),
          allowEncodedSlash: complete.allow.includes('encoded-slash'),
          allowSemicolon: complete.allow.includes('semicolon'),
          content: complete.content,
          cache: session?.partial.cache ?? 'no-store',
          bodyLimitBytes: complete.bodyLimitBytes,
          timeoutMs: complete.timeout * 1000,
        }
      : undefined,
  }
}

const openHints = Object.fromEntries(
  ['kinds', 'scopes', 'cache'].map((name) => [name, "leave it out: it is for routes with auth: 'session'"]),
)
const sessionHints = { reason: "leave it out: it is for routes with auth: 'none'" }

/** Undefined, and a mistake, for anything but the two that there are. */
function authOf(input: unknown, path: string, issues: Issues): Route['auth'] | undefined {
  const auth = isObject(input) ? input.auth : undefined
  if (auth === 'session' || auth === 'none') return auth
  if (isObject(input)) {
    issues.push({
      path: join(path, 'auth'),
      problem: auth === undefined ? 'is not set' : "is neither 'session' nor 'none'",
      cure: "write 'session', or 'none' with a reason",
    })
  }
  return undefined
}

/** An unknown `auth` is reported by itself; what else the route says is then read as a session route's. */
function asSessionRoute(input: unknown, auth: Route['auth'] | undefined): unknown {
  if (auth !== undefined || !isObject(input)) return input
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

/** RFC 6749 §3.3 scope-token. */
function scope(): Field<string> {
  const cure = 'write one scope, such as orders:read'
  return v.pipe(
    v.string(wanted('a string', cure)),
    v.regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, mistake('is not one scope', cure)),
  )
}

function redirectHost(): Field<string> {
  const cure = 'write a host, with a port if it has one, such as files.example.com'
  return v.pipe(
    v.string(wanted('a string', cure)),
    v.toLowerCase(),
    v.check((host) => URL.canParse(`https://${host}`) && isPlainHost(host), mistake('is not a host', cure)),
  )
}

function isPlainHost(host: string): boolean {
  const url = new URL(`https://${host}`)
  return url.host === host && !host.includes('*')
}

function bodyLimit(): Field<number> {
  const cure = 'write a whole number of bytes, such as 10 * 1024 * 1024'
  return v.pipe(
    v.number(wanted('a number', cure)),
    v.check((bytes) => Number.isSafeInteger(bytes) && bytes >= 0, mistake('is not a whole number of bytes', cure)),
    v.maxValue(100 * gibibyte, mistake('is more than 100 GiB', cure)),
  )
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
