/** People at their browsers: bursts of parallel calls, some aborted, some with an old cookie, to any process. */
import { setTimeout as delay } from 'node:timers/promises'
import { UserAgent } from '../../test/support/browser.ts'

export interface Tally {
  calls: number
  serverErrors: number
  /** Answers that were none: the process was gone. A load balancer in front would have asked the next. */
  unanswered: number
  /** 401 while the person was at work. */
  refused: number
}

export interface User {
  /** Works until `isOver`. */
  work(isOver: () => boolean): Promise<void>
  /** Whether the session still stands, asked until there is a clear answer or `limitMs` have passed. */
  isSignedIn(limitMs: number): Promise<boolean>
  readonly longestPauseMs: number
}

export interface Site {
  readonly origin: string
  /** Ports of processes that can be asked. */
  ports(): readonly number[]
}

const burst = 8
const pauseMs = 150

export async function signInUser(site: Site, tally: Tally, random: () => number): Promise<User> {
  const browser = new UserAgent()
  await browser.signIn(`${site.origin}/bff/login?return_to=/`, { username: 'ada', password: 'ada-demo' })
  const host = new URL(site.origin).host
  let lastGoodAt = performance.now()
  let longestPauseMs = 0

  async function call(signal?: AbortSignal): Promise<number | undefined> {
    const ports = site.ports()
    const port = ports[Math.floor(random() * ports.length)]
    const response = await browser.fetch(`http://localhost:${port}/api/orders`, {
      headers: { 'X-CSRF': '1', host },
      ...(signal && { signal }),
    })
    await response.body?.cancel()
    return response.status
  }

  async function countedCall(isAborted: boolean): Promise<void> {
    tally.calls += 1
    const abort = new AbortController()
    if (isAborted) setTimeout(() => abort.abort(), random() * 30)
    let status: number | undefined
    try {
      status = await call(abort.signal)
    } catch {
      // Aborted by us, or the process was killed: that is what this is about, and it is counted.
      if (!abort.signal.aborted) tally.unanswered += 1
      return
    }
    if (status === 200) {
      const now = performance.now()
      longestPauseMs = Math.max(longestPauseMs, now - lastGoodAt)
      lastGoodAt = now
    } else if (status === 401) tally.refused += 1
    else tally.serverErrors += 1
  }

  return {
    async work(isOver) {
      lastGoodAt = performance.now()
      while (!isOver()) {
        await Promise.all(Array.from({ length: burst }, () => countedCall(random() < 0.15)))
        await delay(pauseMs * (0.5 + random()))
      }
    },
    async isSignedIn(limitMs) {
      const end = performance.now() + limitMs
      while (performance.now() < end) {
        const status = await call().catch(() => undefined)
        if (status === 200) return true
        if (status === 401) return false
        await delay(200)
      }
      return false
    },
    get longestPauseMs() {
      return Math.round(longestPauseMs)
    },
  }
}
