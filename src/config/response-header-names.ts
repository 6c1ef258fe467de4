/**
 * Names of response header fields by whom they speak of. Those that tell the browser, or a front server, something about
 * our origin are ours to send: no upstream's, and no route's to set.
 */

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
        name.startsWith('x-coatcheck-') ||
        name.startsWith('x-hono-') ||
        name.startsWith('x-varnish') ||
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

/** What an API says of the access token is between it and us (protocol.md R11); only open routes pass it on. */
export function isChallenge(name: string): boolean {
  return challenges.has(name)
}

/** Of draft-ietf-httpapi-ratelimit-headers, and of its earlier versions. */
export function isRateLimitField(name: string): boolean {
  return name.startsWith('ratelimit')
}

/** What says what an answer is, how long it stands, and what to do next; passes also where a route names what may. */
export function isUsualInAnswers(name: string): boolean {
  return usualInAnswers.has(name) || name.startsWith('content-')
}

/** Fields for shared caches alone: `CDN-Cache-Control` (RFC 9213) and its relatives; they overrule `Cache-Control`. */
function isSharedCacheField(name: string): boolean {
  if (name.endsWith('-cache-control') || name.endsWith('-cache-tag') || name.endsWith('-cache-tags')) return true
  if (name.startsWith('surrogate-') || name.startsWith('edge-') || name.startsWith('fastly-')) return true
  return name === 'cache-tag' || name === 'cache-tags' || name === 'cf-edge-cache' || name === 'netlify-vary'
}

const hopByHop: ReadonlySet<string> = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

const challenges: ReadonlySet<string> = new Set(['authentication-info', 'dpop-nonce', 'www-authenticate'])

const usualInAnswers: ReadonlySet<string> = new Set([
  ...['accept-patch', 'accept-post', 'accept-ranges', 'age', 'allow', 'cache-control', 'date', 'etag', 'expires'],
  ...['last-modified', 'location', 'retry-after', 'vary'],
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

const aboutOurOrigin: ReadonlySet<string> = new Set([
  'accept-ch',
  'accept-ch-lifetime',
  'activate-storage-access',
  'alt-svc',
  'alt-used',
  'alternate-protocol',
  'authentication-control',
  'authorization', // of requests: an API that sends them back would show them to the page
  'connection-allowlist',
  'cookie',
  'cookie2',
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
  'x-replace-url',
  'x-reproxy-url',
  'x-sourcemap',
  'xkey',
])
