/** Watches a session's end by the server's clock: warns in time, and looks again when it should be over. */
import type { Browser } from './browser.ts'
import type { Session } from './session.ts'

export interface ExpiryWatch {
  /** Call after each look at the session. */
  watch(session: Session<unknown> | undefined, clockOffsetMs: number): void
  /** Whole seconds until the session ends, never below 0. Undefined without a session. */
  secondsLeft(): number | undefined
  stop(): void
}

export interface ExpiryParts {
  readonly browser: Browser
  readonly warnSeconds: number
  /** The idle time may have moved by calls of this or another tab: only the server knows. */
  look(): void
  warn(expiresSoon: boolean): void
}

/** Clocks disagree by a little: never look in a tight loop. */
const shortestWaitMs = 1000
/** A timer takes 31 bits, and sleeps with the device: set again at least so often. */
const longestWaitMs = 60 * 60 * 1000

export function createExpiryWatch({ browser, warnSeconds, look, warn }: ExpiryParts): ExpiryWatch {
  let timer: unknown
  let session: Session<unknown> | undefined
  let clockOffsetMs = 0

  const stop = () => {
    if (timer !== undefined) browser.clearTimer(timer)
    timer = undefined
  }

  const leftMs = (of: Session<unknown>) =>
    Math.min(of.idleExpiresAt, of.expiresAt) * 1000 - (browser.now() + clockOffsetMs)

  const schedule = () => {
    stop()
    if (session === undefined) return warn(false)
    const left = leftMs(session)
    const untilWarning = left - warnSeconds * 1000
    warn(untilWarning <= 0)
    // After the end, half a second more: the server rounds as well.
    const wait = Math.max(shortestWaitMs, untilWarning > 0 ? untilWarning : left + 500)
    timer = browser.setTimer(wait > longestWaitMs ? schedule : look, Math.min(wait, longestWaitMs))
  }

  return {
    watch(newSession, newOffsetMs) {
      session = newSession
      clockOffsetMs = newOffsetMs
      schedule()
    },
    secondsLeft: () => (session === undefined ? undefined : Math.max(0, Math.ceil(leftMs(session) / 1000))),
    stop,
  }
}
