/**
 * Which of the browser's header fields reach an upstream: those on a list, and no others (RFC 9700 §4.13: what a field
 * means to a server behind us must not be a caller's to say).
 *
 * Decided here: `User-Agent` does not pass, since it tells of the person's device and no API needs it to answer;
 * `tracestate` and `baggage` do not, since what is behind us may act on them. An operator can add all three by name.
 */
import { isNeverForwarded, isPlainName } from '../config/header-names.ts'
import type { Route } from '../config/types.ts'
import type { HeaderList, IncomingHeaders } from '../runtime.ts'
import { connectionOptions, isFieldValue, isPlainDecimal } from './fields.ts'
import { remembered } from './remembered.ts'

/**
 * The fields of the upstream's request: the browser's that may pass, then `extra`, which is ours and wins over a
 * field of the browser with its name.
 *
 * `Content-Length` passes if it is a plain number and nothing else frames the body, so that a streamed body keeps
 * its length; all other framing is the transport's.
 */
export function upstreamRequestHeaders(incoming: IncomingHeaders, route: Route, extra: HeaderList): HeaderList {
  const headers: Array<readonly [string, string]> = []
  const dropped = connectionOptions(incoming.connection)
  for (const name in incoming) {
    const value = incoming[name]
    if (value === undefined || !mayPass(name, route) || !isFieldValue(value)) continue
    if (dropped?.has(name) || isAmong(extra, name)) continue
    if (name === 'content-length' && (incoming['transfer-encoding'] !== undefined || !isPlainDecimal(value))) continue
    headers.push([name, value])
  }
  for (const field of extra) headers.push(field)
  return headers
}

/**
 * Names that did not pass and that `requestHeaders` could let pass, for the development log. Leaves out what
 * browsers send by themselves and what never passes.
 */
export function droppedRequestHeaders(incoming: IncomingHeaders, route: Route): string[] {
  const names: string[] = []
  for (const name in incoming) {
    if (incoming[name] === undefined || mayPass(name, route)) continue
    if (!sentByBrowsers.has(name) && !isNeverForwarded(name)) names.push(name)
  }
  return names
}

function mayPass(name: string, route: Route): boolean {
  return passesEverywhere(name) || (route.requestHeaders.has(name) && !isNeverForwarded(name))
}

function isAmong(list: HeaderList, name: string): boolean {
  for (const [other] of list) {
    if (other === name) return true
  }
  return false
}

/** Besides `Accept-*` and `Content-*`. */
const usual: ReadonlySet<string> = new Set([
  'accept',
  'cache-control',
  'digest',
  'idempotency-key',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'last-event-id',
  'pragma',
  'prefer',
  'range',
  'repr-digest',
  'traceparent',
  'want-content-digest',
  'want-digest',
  'want-repr-digest',
])

const passesEverywhere = remembered(
  (name) => usual.has(name) || ((name.startsWith('accept-') || name.startsWith('content-')) && isPlainName(name)),
)

const sentByBrowsers: ReadonlySet<string> = new Set([
  'available-dictionary',
  'dictionary-id',
  'dnt',
  'priority',
  'save-data',
  'upgrade-insecure-requests',
  'user-agent',
])
