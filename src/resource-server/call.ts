/**
 * What the guard looks at of a request. A web `Request` is one.
 *
 * @example
 * ```ts
 * const call: Call = { method: 'GET', url: 'https://api.example.com/orders', headers: new Headers() }
 * const access = await guard.check(call, requireScopes('orders:read'))
 * ```
 */
export interface Call {
  readonly method: string
  /** Absolute, as this server sees it. */
  readonly url: string
  /** Repeated fields are joined by commas, as `Headers` does. */
  readonly headers: { get(name: string): string | null }
  /** What the framework has of the request: Hono's context, Express's and Fastify's request, the `Request` of `guarded`. */
  readonly native?: unknown
  /** On Workers the execution context's. */
  readonly waitUntil?: (promise: Promise<unknown>) => void
}
