/** What reached the API, for tests: enough to see what was forwarded, and never a token or a cookie's value. */
import type { Context } from 'hono'
import type { Access } from '../../src/resource-server/index.ts'

export interface LoggedRequest {
  readonly method: string
  /** Path and query as they came on the wire. */
  readonly target: string
  /** By lower-case name; the token is left out, and of cookies there are the names. */
  readonly headers: Readonly<Record<string, string>>
  readonly sub: string | undefined
  /** `jti` of the access token: tells tokens apart. */
  readonly tokenId: string | undefined
}

export interface RequestLog {
  readonly requests: readonly LoggedRequest[]
  /** How many of all requests brought a cookie. */
  readonly cookieLeaks: number
  begin(c: Context): LogEntry
  clear(): void
}

/** A request that has begun. */
export interface LogEntry {
  identify(access: Access): void
}

const keptRequests = 1000

export function createRequestLog(): RequestLog {
  const requests: LoggedRequest[] = []
  let cookieLeaks = 0
  return {
    requests,
    get cookieLeaks() {
      return cookieLeaks
    },
    begin(c) {
      const url = new URL(c.req.url)
      const incoming: unknown = c.env?.incoming
      const entry: { -readonly [K in keyof LoggedRequest]: LoggedRequest[K] } = {
        method: c.req.method,
        target: rawTarget(incoming) ?? url.pathname + url.search,
        headers: readableHeaders(c.req.raw.headers),
        sub: undefined,
        tokenId: undefined,
      }
      if (entry.headers.cookie !== undefined) cookieLeaks += 1
      requests.push(entry)
      if (requests.length > keptRequests) requests.shift()
      return {
        identify({ sub, claims }) {
          entry.sub = sub
          entry.tokenId = claims.jti
        },
      }
    },
    clear() {
      requests.length = 0
      cookieLeaks = 0
    },
  }
}

function rawTarget(incoming: unknown): string | undefined {
  if (typeof incoming !== 'object' || incoming === null || !('url' in incoming)) return undefined
  return typeof incoming.url === 'string' ? incoming.url : undefined
}

function readableHeaders(headers: Headers): Record<string, string> {
  const readable: Record<string, string> = {}
  for (const [name, value] of headers) readable[name] = value
  if (readable.authorization !== undefined) readable.authorization = readable.authorization.split(' ')[0] ?? ''
  if (readable.cookie !== undefined) {
    readable.cookie = readable.cookie
      .split(';')
      .map((pair) => pair.split('=')[0]?.trim())
      .join('; ')
  }
  return readable
}
