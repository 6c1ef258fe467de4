/**
 * Which of the browser's header fields reach an upstream: those on a list, and no others (RFC 9700 §4.13: what a field
 * means to a server behind us must not be a caller's to say).
 *
 * Decided here: `User-Agent` does not pass, since it tells of the person's device and no API needs it to answer;
 * `tracestate` and `baggage` do not, since what is behind us may act on them. An operator can add all three by name.
 */
import type { Route } from '../config/types.ts'
import type { HeaderList, IncomingHeaders } from '../runtime.ts'
import { connectionOptions, isFieldValue, isPlainDecimal, isPlainName } from './fields.ts'

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
    if (incoming[name] === undefined || !isPlainName(name) || mayPass(name, route)) continue
    if (!sentByBrowsers.has(name) && !isNeverForwarded(name)) names.push(name)
  }
  return names
}

/** Whether a lower-case name cannot be let through by any configuration. */
export function isNeverForwarded(name: string): boolean {
  if (neverForwarded.has(name) || !isPlainName(name)) return true
  return neverForwardedPrefixes.some((prefix) => name.startsWith(prefix))
}

function mayPass(name: string, route: Route): boolean {
  if (usual.has(name)) return true
  if (name.startsWith('accept-') || name.startsWith('content-')) return isPlainName(name)
  return route.requestHeaders.has(name) && !isNeverForwarded(name)
}

function isAmong(list: HeaderList, name: string): boolean {
  for (const [other] of list) {
    if (other.length === name.length && other.toLowerCase() === name) return true
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

/** Credentials, hop-by-hop fields, and names by which servers are told who calls, from where, and what is meant. */
const neverForwarded: ReadonlySet<string> = new Set([
  'alt-used',
  'authorization',
  'client-cert',
  'client-cert-chain',
  'client-ip',
  'connection',
  'content-length',
  'cookie',
  'cookie2',
  'dpop',
  'early-data',
  'expect',
  'fastly-client-ip',
  'forwarded',
  'from',
  'host',
  'http2-settings',
  'keep-alive',
  'max-forwards',
  'origin',
  'purpose',
  'referer',
  'remote-addr',
  'remote-user',
  'service-worker',
  'set-cookie',
  'te',
  'trailer',
  'transfer-encoding',
  'true-client-ip',
  'upgrade',
  'via',
  'x-access-token',
  'x-client-cert',
  'x-client-dn',
  'x-client-ip',
  'x-client-verify',
  'x-cluster-client-ip',
  'x-csrf',
  'x-email',
  'x-groups',
  'x-host',
  'x-http-host-override',
  'x-http-method',
  'x-http-method-override',
  'x-id-token',
  'x-jwt-assertion',
  'x-method-override',
  'x-moz',
  'x-override-url',
  'x-preferred-username',
  'x-proxyuser-ip',
  'x-purpose',
  'x-real-ip',
  'x-remote-addr',
  'x-remote-ip',
  'x-rewrite-url',
  'x-roles',
  'x-sendfile-type',
  'x-token-subject',
  'x-user',
  'x-user-email',
  'x-user-id',
  'x-user-name',
  'x-user-roles',
  'x-userinfo',
  'x-username',
])

const neverForwardedPrefixes: readonly string[] = [
  'access-control-',
  'cf-',
  'proxy-',
  'remote-user-',
  'sec-',
  'ssl-client-',
  'x-accel-',
  'x-amzn-oidc-',
  'x-appengine-',
  'x-auth-',
  'x-authenticated-',
  'x-client-cert-',
  'x-envoy-',
  'x-forwarded', // the name without a hyphen too
  'x-goog-authenticated-',
  'x-goog-iap-',
  'x-middleware-', // Next.js trusts it to skip its own checks (CVE-2025-29927)
  'x-ms-client-principal',
  'x-ms-token-',
  'x-original-',
  'x-remote-user',
  'x-ssl-',
  'x-tls-',
]

const sentByBrowsers: ReadonlySet<string> = new Set([
  'available-dictionary',
  'dictionary-id',
  'dnt',
  'priority',
  'save-data',
  'upgrade-insecure-requests',
  'user-agent',
])
