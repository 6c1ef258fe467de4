/** `fetch` with `X-CSRF` on what goes to this origin, and with an eye on Coatcheck's own problems. */
import type { Browser } from './browser.ts'
import { type CoatcheckProblem, problemOf } from './problem.ts'

export interface FetchParts {
  readonly browser: Browser
  readonly fetch: typeof globalThis.fetch
  /** The `ref` of the session that the page believes in. */
  ref(): string | undefined
  /** `sentRef` is the one that the call went out with: an answer may come after the session has changed. */
  notice(problem: CoatcheckProblem, sentRef: string | undefined): void
}

export function createCsrfFetch(parts: FetchParts): typeof globalThis.fetch {
  return async (input, init) => {
    if (!isOwnOrigin(parts.browser, input)) return parts.fetch(input, init)
    const sentRef = parts.ref()
    const headers = new Headers(init?.headers ?? (input instanceof Request ? input.headers : undefined))
    headers.set('X-CSRF', sentRef ?? '1')
    const response = await parts.fetch(input, { ...init, headers, credentials: 'same-origin' })
    const problem = await problemOf(response)
    if (problem !== undefined) parts.notice(problem, sentRef)
    return response
  }
}

export function isOwnOrigin(browser: Browser, input: RequestInfo | URL): boolean {
  if (browser.location === undefined) return false
  const address = input instanceof Request ? input.url : String(input)
  if (!URL.canParse(address, browser.location.href)) return false
  return new URL(address, browser.location.href).origin === browser.location.origin
}
