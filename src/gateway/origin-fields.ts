/** Response header fields that mean something for documents, or make a browser fetch by itself. */
import { splitOutsideQuotes } from './fields.ts'

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
