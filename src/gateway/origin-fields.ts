/** Links in response header fields that make a browser fetch by itself. */
import { splitOutsideQuotes } from './fields.ts'

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
