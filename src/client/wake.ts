/** The moments at which what the page knows may be old: back from the cache, in view again, on the net again. */
import type { Browser } from './browser.ts'

export interface WakeParts {
  readonly browser: Browser
  /** Out of the back-forward cache: minutes or days later, perhaps after someone else signed in. */
  onRestored(): void
  /** Going away, perhaps into that cache, where an open channel would keep it from going. */
  onLeaving(): void
  onVisible(): void
  onOnline(): void
  onOffline(): void
}

/** Starts listening; the function that it gives stops. */
export function watchWaking({ browser, onRestored, onLeaving, onVisible, onOnline, onOffline }: WakeParts): () => void {
  const stopListening = new AbortController()
  const options = { signal: stopListening.signal }
  browser.window?.addEventListener(
    'pageshow',
    (event) => {
      if ((event as PageTransitionEvent).persisted) onRestored()
    },
    options,
  )
  browser.window?.addEventListener('pagehide', onLeaving, options)
  browser.window?.addEventListener('online', onOnline, options)
  browser.window?.addEventListener('offline', onOffline, options)
  browser.document?.addEventListener(
    'visibilitychange',
    () => {
      if (browser.document?.visibilityState === 'visible') onVisible()
    },
    options,
  )
  return () => stopListening.abort()
}
