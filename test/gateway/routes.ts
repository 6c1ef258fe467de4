/** Routes as validation gives them, for tests of the rules. */
import type { Route } from '../../src/config/types.ts'

const noFieldRules = { set: [], add: [], remove: new Set<string>() }

/** `path` decides `prefix` and `isExact`, as validation does; everything else has the defaults of a session route. */
export function route(path: string, changes: Partial<Route> = {}): Route {
  const isExact = !path.endsWith('/*')
  return {
    path,
    prefix: isExact ? path : path.slice(0, -2),
    isExact,
    upstream: { origin: 'https://orders.internal', basePath: '/v1', binding: undefined },
    methods: new Set(['GET', 'HEAD']),
    auth: 'session',
    listener: 'public',
    kinds: new Set(['fetch']),
    scopes: [],
    audience: undefined,
    upstreamToken: { from: 'caller' },
    requestHeaders: new Set(),
    redirectHosts: new Set(),
    allowEncodedSlash: false,
    allowSemicolon: false,
    content: 'data',
    cache: 'no-store',
    forwardAuth: false,
    bodyLimitBytes: 1024,
    earlyHints: false,
    trailers: new Set(),
    timeoutMs: 1000,
    headers: { request: noFieldRules, response: { ...noFieldRules, allow: undefined } },
    query: undefined,
    contentTypes: undefined,
    addresses: undefined,
    rateLimits: { byAddress: [], byCaller: [] },
    ...changes,
  }
}

export function openRoute(path: string, changes: Partial<Route> = {}): Route {
  return route(path, { auth: 'none', ...changes })
}
