/**
 * Whether a request shows that a page of ours made it (design.md, "What the browser may send"; RFC 10017 §6.1.3.3).
 *
 * Three checks, at the time when each can be made: what the answer would become in the browser (every proxied
 * route), where the request comes from (before the session is opened), whose session the page takes it for (after).
 */
import type { Route } from '../config/types.ts'
import type { RequestKind } from '../config/user-routes.ts'
import { CoatcheckError } from '../errors.ts'
import type { IncomingHeaders } from '../runtime.ts'

/** What `checkSessionRequest` has to know of a route and of us. */
export interface SessionRequestPolicy {
  readonly method: string
  readonly kinds: ReadonlySet<RequestKind>
  /** Ours, as a browser writes it in `Origin`. */
  readonly origin: string
}

/**
 * Refuses a request that would load an answer as a part of a page: script, style, worker, frame, plug-in, and
 * whatever destination is not known to take data only. Where no destination is sent, there is nothing to refuse.
 *
 * A `content: 'page'` route answers with documents and what they load; a service worker is never one of these,
 * since it would stay and see every request of the origin.
 *
 * @throws CoatcheckError `csrf`
 */
export function checkDestination(headers: IncomingHeaders, content: Route['content'] = 'data'): void {
  if (headers['service-worker'] !== undefined) throw refused('destination')
  const destination = headers['sec-fetch-dest']
  if (destination === undefined || takesData.has(destination)) return
  if (content === 'page' && partOfPage.has(destination)) return
  throw refused('destination')
}

/**
 * Checks a request for a session route, or for one of our endpoints (`kinds: new Set(['fetch'])`), by the kinds
 * that the route takes. Gives the kind that the request is.
 *
 * `fetch` shows itself by `X-CSRF`, which no other site's page can set without asking for CORS. The others cannot
 * set it: they take safe methods, and Fetch Metadata that is **present** and right; a WebSocket `Origin`, since
 * browsers send it without Fetch Metadata (and some with a `Sec-Fetch-Site` that is wrong there).
 *
 * @throws CoatcheckError `csrf`
 */
export function checkSessionRequest(headers: IncomingHeaders, policy: SessionRequestPolicy): RequestKind {
  const { kinds, method } = policy
  // There is no CORS, so there is nothing to answer a preflight with.
  if (method === 'OPTIONS' || method === 'TRACE' || method === 'CONNECT') throw refused('method')
  const requestOrigin = headers.origin
  if (requestOrigin !== undefined && requestOrigin !== policy.origin) throw refused('origin')

  if (method === 'GET' && kinds.has('websocket') && isWebSocketUpgrade(headers)) {
    if (requestOrigin === undefined) throw refused('origin')
    return 'websocket'
  }

  const site = headers['sec-fetch-site']
  if (site !== undefined && site !== 'same-origin') throw refused('sec_fetch_site')
  const csrf = headers['x-csrf']
  if (csrf !== undefined && !isCsrfToken(csrf)) throw refused('x_csrf')
  if (csrf !== undefined && kinds.has('fetch')) return 'fetch'

  if (site === undefined || (method !== 'GET' && method !== 'HEAD')) throw refused('x_csrf')
  const mode = headers['sec-fetch-mode'] ?? ''
  const destination = headers['sec-fetch-dest'] ?? ''
  for (const kind of withoutHeader) {
    if (kinds.has(kind.kind) && kind.modes.has(mode) && kind.destinations.has(destination)) return kind.kind
  }
  throw refused('x_csrf')
}

/**
 * Compares the `ref` that the page holds with that of the session that its cookie opened: a tab that does not know
 * that another user signed in is told so. Call it once `checkSessionRequest` has passed.
 *
 * @param ref the session's, or undefined when nobody is signed in (which the caller answers by itself)
 * @throws CoatcheckError `session_changed`
 */
export function checkSessionRef(headers: IncomingHeaders, ref: string | undefined): void {
  const csrf = headers['x-csrf']
  if (csrf === undefined || csrf === '1' || ref === undefined) return
  if (csrf !== ref) throw new CoatcheckError('session_changed')
}

/** Whether the request asks to become a WebSocket (RFC 6455 §4.1). */
export function isWebSocketUpgrade(headers: IncomingHeaders): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket'
}

/** `check` tells a developer which of the checks it was; it is none of the request's text. */
function refused(check: 'destination' | 'method' | 'origin' | 'sec_fetch_site' | 'x_csrf'): CoatcheckError {
  return new CoatcheckError('csrf', { members: { check } })
}

const maxTokenLength = 128

/** `1`, or base64url as a `ref` is; two fields joined by a comma are not. */
function isCsrfToken(value: string): boolean {
  if (value.length === 0 || value.length > maxTokenLength) return false
  for (let at = 0; at < value.length; at++) {
    const code = value.charCodeAt(at)
    const isLetter = (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a)
    const isDigit = code >= 0x30 && code <= 0x39
    if (!isLetter && !isDigit && code !== 0x2d && code !== 0x5f) return false
  }
  return true
}

/** As Chromium 156 sends them, tried: `<a download>` navigates with an empty destination, `<track>` is same-origin. */
const withoutHeader: ReadonlyArray<{
  readonly kind: RequestKind
  readonly modes: ReadonlySet<string>
  readonly destinations: ReadonlySet<string>
}> = [
  { kind: 'eventsource', modes: new Set(['cors']), destinations: new Set(['empty']) },
  { kind: 'download', modes: new Set(['navigate']), destinations: new Set(['document', 'empty']) },
  {
    kind: 'media',
    modes: new Set(['no-cors', 'cors', 'same-origin']),
    destinations: new Set(['audio', 'image', 'track', 'video']),
  },
]

/** Destinations (Fetch §2.2.5) that run, style or frame nothing. `json` and `text` are module imports of plain data. */
const takesData: ReadonlySet<string> = new Set([
  'audio',
  'document',
  'empty',
  'font',
  'image',
  'json',
  'report',
  'text',
  'track',
  'video',
  'websocket',
])

const partOfPage: ReadonlySet<string> = new Set(['manifest', 'script', 'sharedworker', 'style', 'worker'])
