/**
 * What the client takes from the browser, as one value that tests can hand in. Everything is optional at
 * run time, so that importing the package where there is no `window` (a server, a worker, a test) is harmless.
 */

export interface Channel {
  postMessage(message: unknown): void
  close(): void
  onmessage: ((event: MessageEvent) => void) | null
}

export interface Browser {
  readonly window: EventTarget | undefined
  readonly document: (EventTarget & { readonly visibilityState: string }) | undefined
  readonly location: { readonly href: string; readonly origin: string; assign(url: string): void } | undefined
  readonly history: Pick<History, 'state' | 'replaceState'> | undefined
  /** `sessionStorage`: this tab's own, gone with it. */
  readonly storage: Pick<Storage, 'getItem' | 'setItem' | 'removeItem' | 'key' | 'length'> | undefined
  openChannel(name: string): Channel | undefined
  createXhr(): XMLHttpRequest
  /** Milliseconds since the epoch, by this device's clock. */
  now(): number
  setTimer(callback: () => void, ms: number): unknown
  clearTimer(timer: unknown): void
  /** From 0 up to 1; spreads reconnects. */
  random(): number
  /** A name that nobody can guess. */
  randomId(): string
}

export function currentBrowser(): Browser {
  return {
    window: typeof window === 'undefined' ? undefined : window,
    document: typeof document === 'undefined' ? undefined : document,
    location: typeof window === 'undefined' ? undefined : window.location,
    history: typeof window === 'undefined' ? undefined : window.history,
    storage: tabStorage(),
    openChannel: (name) => (typeof BroadcastChannel === 'undefined' ? undefined : new BroadcastChannel(name)),
    createXhr: () => new XMLHttpRequest(),
    now: () => Date.now(),
    setTimer: (callback, ms) => setTimeout(callback, ms),
    clearTimer: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout>),
    random: () => Math.random(),
    randomId: () => crypto.randomUUID(),
  }
}

/** Reading the property alone throws where the person has blocked site data. */
function tabStorage(): Storage | undefined {
  if (typeof window === 'undefined') return undefined
  try {
    return window.sessionStorage
  } catch {
    return undefined
  }
}
