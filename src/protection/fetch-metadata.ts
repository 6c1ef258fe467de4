/** What a navigation's Fetch Metadata says of who began it. */
import type { IncomingHeaders } from '../runtime.ts'

/**
 * What `GET /bff/login` may do: `start` a sign-in, which only this origin or the person may begin (ASVS 7.6.2);
 * `return` to the app, which looks at the session itself; nothing, for a `prefetch` (its answer may be kept and
 * shown later, when the sign-in cookie is stale).
 *
 * A browser that sends no Fetch Metadata starts: `state` still binds the answer to it.
 */
export function mayStartLogin(headers: IncomingHeaders): 'start' | 'return' | 'prefetch' {
  // First: a page's speculation rules send `Sec-Fetch-Site: none` (Chromium 156, tried).
  if (isPrefetch(headers)) return 'prefetch'
  const site = headers['sec-fetch-site']
  const mode = headers['sec-fetch-mode']
  const destination = headers['sec-fetch-dest']
  if (site === undefined && mode === undefined && destination === undefined) return 'start'
  if (site !== 'same-origin' && site !== 'none') return 'return'
  return mode === 'navigate' && destination === 'document' ? 'start' : 'return'
}

/** Whether the browser fetches ahead of a person's act, by the standard's name or an older one. */
function isPrefetch(headers: IncomingHeaders): boolean {
  for (const name of ['sec-purpose', 'purpose', 'x-purpose', 'x-moz']) {
    const value = headers[name]?.toLowerCase()
    if (value === undefined) continue
    if (value.includes('prefetch') || value.includes('prerender') || value.includes('preview')) return true
  }
  return false
}

/** Whether the answer would be shown as a page: a signed-out download goes to sign-in then, not to JSON. */
export function isNavigation(headers: IncomingHeaders): boolean {
  return headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document'
}
