/**
 * Response header fields by whom they speak of. Those that tell the browser, or a front server, something about our
 * origin are ours to send and nobody else's.
 */
import { isSharedCacheField } from './caching.ts'
import { splitOutsideQuotes } from './fields.ts'

/** Fields of one connection (RFC 9110 §7.6.1). */
export function isHopByHop(name: string): boolean {
  return hopByHop.has(name) || name.startsWith('proxy-')
}

/** Never passes, whatever the route: cookies, storage, policies and registrations of the origin, orders to servers. */
export function isAboutOurOrigin(name: string): boolean {
  if (aboutOurOrigin.has(name) || isSharedCacheField(name)) return true
  switch (name.charCodeAt(0)) {
    case 0x61: // a
      return name.startsWith('access-control-') || name.startsWith('attribution-') || name.startsWith('ad-auction-')
    case 0x63: // c
      return name.startsWith('clear-')
    case 0x72: // r
      return name.startsWith('report')
    case 0x73: // s
      return (
        name.startsWith('set-') ||
        name.startsWith('sec-') ||
        name.startsWith('secure-') ||
        name.startsWith('service-worker') ||
        name.startsWith('shared-storage')
      )
    case 0x70: // p
      return name.startsWith('public-key-pins')
    case 0x78: // x
      return (
        name.startsWith('x-accel-') ||
        name.startsWith('x-sendfile') ||
        name.startsWith('x-lighttpd-') ||
        name.startsWith('x-litespeed-') ||
        name.startsWith('x-middleware-') ||
        name.startsWith('x-aspnet')
      )
    default:
      return false
  }
}

/** Means something for a document only: passes on `content: 'page'` routes. */
export function isForPagesOnly(name: string): boolean {
  if (forPagesOnly.has(name)) return true
  return name.startsWith('content-security-policy') || name.startsWith('cross-origin-')
}

/**
 * A `Link` value without the links that a browser follows by itself (RFC 8288, HTML §4.6.7); the others, such as
 * `rel="next"`, stay. Empty if none is left, or if it cannot be read.
 */
export function withoutHints(link: string): string {
  const values = splitOutsideQuotes(link, ',')
  if (!values) return ''
  const kept = values.filter((value) => value !== '' && isPlainLink(value))
  return kept.length === values.length ? link : kept.join(', ')
}

function isPlainLink(value: string): boolean {
  const parts = splitOutsideQuotes(value, ';')
  if (!parts?.[0]?.startsWith('<')) return false
  let hasRelation = false
  for (const part of parts.slice(1)) {
    const equals = part.indexOf('=')
    const name = (equals < 0 ? part : part.slice(0, equals)).trim().toLowerCase()
    if (name !== 'rel' && name !== 'rev') continue
    hasRelation = true
    const relations = equals < 0 ? '' : part.slice(equals + 1).trim()
    // A backslash in a quoted string could spell a relation in another way.
    if (relations === '' || relations.includes('\\')) return false
    for (const relation of relations.replaceAll('"', ' ').toLowerCase().split(/\s+/)) {
      if (followedByBrowsers.has(relation)) return false
    }
  }
  return hasRelation
}

const followedByBrowsers: ReadonlySet<string> = new Set([
  'apple-touch-icon',
  'compression-dictionary',
  'dns-prefetch',
  'expect',
  'facilitated-payment',
  'icon',
  'import',
  'manifest',
  'mask-icon',
  'modulepreload',
  'monetization',
  'payment',
  'payment-method-manifest',
  'pingback',
  'preconnect',
  'prefetch',
  'preload',
  'prerender',
  'serviceworker',
  'shortcut',
  'stylesheet',
  'subresource',
])

const hopByHop: ReadonlySet<string> = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

const aboutOurOrigin: ReadonlySet<string> = new Set([
  'accept-ch',
  'accept-ch-lifetime',
  'activate-storage-access',
  'alt-svc',
  'alt-used',
  'alternate-protocol',
  'authentication-control',
  'connection-allowlist',
  'critical-ch',
  'delegate-ch',
  'dictionary-id',
  'document-isolation-policy',
  'expect-ct',
  'expect-staple',
  'idp-signin-status',
  'integrity-policy',
  'integrity-policy-report-only',
  'large-allocation',
  'nel',
  'no-vary-search',
  'observe-browsing-topics',
  'optional-www-authenticate',
  'origin-agent-cluster',
  'origin-trial',
  'p3p',
  'refresh',
  'server', // this and the next ones tell an attacker what runs behind us
  'sourcemap',
  'speculation-rules',
  'strict-transport-security',
  'supports-loading-mode',
  'timing-allow-origin',
  'tk',
  'use-as-dictionary',
  'via',
  'x-content-type-options', // ours
  'x-allow-fledge',
  'x-dns-prefetch-control',
  'x-permitted-cross-domain-policies',
  'x-powered-by',
  'x-reproxy-url',
  'x-sourcemap',
  'xkey',
])

const forPagesOnly: ReadonlySet<string> = new Set([
  'document-policy',
  'document-policy-report-only',
  'feature-policy',
  'permissions-policy',
  'permissions-policy-report-only',
  'referrer-policy',
  'require-document-policy',
  'x-content-security-policy',
  'x-download-options',
  'x-frame-options',
  'x-ua-compatible',
  'x-webkit-csp',
  'x-xss-protection',
])
