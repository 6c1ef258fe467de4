/**
 * The one error class. Its `code` is also the problem type that the browser gets
 * (`urn:coatcheck:problem:CODE`, RFC 9457).
 */

/** Every code, with the HTTP status and the title that it is answered with. */
export const problems = {
  address_refused: [403, 'Calls from this address are not taken'],
  browser_refused: [403, 'Browsers are not answered on this address'],
  csrf: [403, 'The request does not show that it came from this application'],
  forward_auth_incomplete: [403, 'The proxy did not tell all that there is to check'],
  internal_error: [500, 'Something went wrong on this server'],
  insufficient_scope: [403, 'The access token does not have the scope that this route asks for'],
  invalid_request: [400, 'The request is malformed'],
  invalid_return_to: [400, 'return_to has to be a path on this origin'],
  invalid_delivery_secret: [401, 'Deliveries need a secret of splitTokens.secrets'],
  invalid_token: [401, 'The access token is not valid here'],
  login_required: [401, 'Nobody is signed in'],
  logout_not_found: [404, 'This sign-out link was used already or has expired'],
  method_not_allowed: [405, 'This path does not take this method'],
  misdirected_request: [421, 'This server does not answer for that host'],
  no_route: [404, 'No route has this path'],
  overloaded: [503, 'This server has too much to do at the moment'],
  pages_unavailable: [502, "The app's pages cannot be fetched at the moment"],
  path_not_canonical: [400, 'The request target is not in canonical form'],
  payload_too_large: [413, 'The request body is larger than this route takes'],
  provider_unavailable: [503, 'The authorization server cannot be reached at the moment'],
  query_refused: [400, 'The query has a parameter that this route does not take'],
  rate_limited: [429, 'Too many calls'],
  session_not_found: [404, 'You have no such session'],
  session_changed: [409, 'Another user has signed in on this browser'],
  session_too_large: [
    500,
    'The session does not fit in cookies; a store such as sqliteStore() or redisStore() has room for it',
  ],
  split_token_conflict: [409, 'Something else was delivered under this signature'],
  step_up_required: [401, 'This asks for a recent sign-in'],
  store_unavailable: [503, 'The session store cannot be reached at the moment'],
  unsupported_media_type: [415, 'This route does not take a body of that media type'],
  streams_busy: [503, 'Too many event streams and WebSockets are open at the moment'],
  too_many_streams: [429, 'This caller has too many event streams and WebSockets open'],
  upgrade_required: [426, 'This is not a WebSocket handshake that this server takes'],
  token_refused: [403, 'The authorization server gives no token for this API'],
  token_required: [401, 'This route takes an access token'],
  upstream_busy: [503, 'Too many calls wait for the API at the moment'],
  upstream_redirect: [502, 'The API redirected to a host that the route does not list'],
  upstream_timeout: [504, 'The API did not answer in time'],
  upstream_unavailable: [503, 'The API is out of order at the moment'],
  upstream_unreachable: [502, 'The API could not be reached'],
  websocket_unsupported: [501, 'This server does not open WebSockets'],
  wrong_credential: [401, 'This route takes another kind of credential'],
} as const satisfies Record<string, readonly [status: number, title: string]>

export type ErrorCode = keyof typeof problems

export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(problems, text)
}

/** RFC 9110 §15.5.6: with what the path does take. */
export function methodNotAllowed(allow: readonly string[]): CoatcheckError {
  return new CoatcheckError('method_not_allowed', { headers: { Allow: allow.join(', ') } })
}

/** For the reason of an authorization server's answer, which is its `error` if that is like the registered ones (RFC 6749 §5.2). */
export function tokenRefused(cause: unknown): CoatcheckError {
  const { error } = Object(cause) as { error?: unknown }
  const reason = typeof error === 'string' && /^[a-z_]{1,40}$/.test(error) ? error : 'refused'
  return new CoatcheckError('token_refused', { reason, cause })
}

export interface CoatcheckErrorOptions {
  /** More members of the problem document. Never a token, a claim, or text that came with the request. */
  members?: Readonly<Record<string, string | number | boolean>>
  /** Response headers, such as `Retry-After` or `Allow`. */
  headers?: Readonly<Record<string, string>>
  /** For the log only: a word of ours for what exactly was wrong. Never text that came with the request. */
  reason?: string | undefined
  /** For the log only. */
  cause?: unknown
}

export class CoatcheckError extends Error {
  override readonly name = 'CoatcheckError'
  readonly code: ErrorCode
  readonly status: number
  readonly title: string
  readonly members: Readonly<Record<string, string | number | boolean>>
  readonly headers: Readonly<Record<string, string>>
  readonly reason: string | undefined

  constructor(code: ErrorCode, options: CoatcheckErrorOptions = {}) {
    const [status, title] = problems[code]
    super(title, { cause: options.cause })
    this.code = code
    this.status = status
    this.title = title
    this.members = options.members ?? {}
    this.headers = options.headers ?? {}
    const { check } = this.members
    this.reason = options.reason ?? (typeof check === 'string' ? check : undefined)
  }

  /**
   * `application/problem+json` with `type`, `title`, `status`, `code` and the error's own members. Hono answers with it
   * where nothing catches the error: in an app of one's own whose handler calls `c.var.session.fetch`.
   *
   * @param fields more header fields
   */
  getResponse(fields: ReadonlyArray<readonly [name: string, value: string]> = []): Response {
    const { code, status, title, members } = this
    return new Response(JSON.stringify({ type: `urn:coatcheck:problem:${code}`, title, status, code, ...members }), {
      status,
      headers: [
        ...fields.map(([name, value]): [string, string] => [name, value]),
        ['content-type', 'application/problem+json'],
        ...Object.entries(this.headers),
      ],
    })
  }
}
