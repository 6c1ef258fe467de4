/** What an answer may say to caches (RFC 9111). */
import { splitOutsideQuotes } from './fields.ts'

/**
 * The upstream's word on a session route, for the browser's own cache: without what opens it to shared ones, and
 * always `private`. Nothing said, or nothing that can be read: not without asking again.
 */
export function privateCacheControl(cacheControl: string | undefined, expires: string | undefined): string {
  if (cacheControl === undefined) return expires === undefined ? 'private, no-cache' : 'private'
  const directives = splitOutsideQuotes(cacheControl, ',')
  if (!directives) return 'private, no-store'
  let result = 'private'
  for (const directive of directives) {
    const equals = directive.indexOf('=')
    const name = (equals < 0 ? directive : directive.slice(0, equals)).trim().toLowerCase()
    if (name !== '' && !forSharedCaches.has(name)) result += `, ${directive}`
  }
  return result
}

/** `private="field"` too: it leaves the rest of the answer to shared caches. */
const forSharedCaches: ReadonlySet<string> = new Set(['private', 'proxy-revalidate', 'public', 's-maxage'])
