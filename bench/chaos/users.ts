/**
 * People at their browsers: bursts of parallel calls from one tab or two, to any process; some aborted, some answers
 * late, so that cookies arrive out of order, some calls with an old cookie, and now and then an old cookie for good.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { UserAgent } from '../../test/support/browser.ts'

export interface Tally {
  calls: number
  serverErrors: number
  /** Of them: the access token lived, and the process that was asked had it. */
  errorsWithLiveToken: number
  /** Calls that got no answer in half a minute. */
  unanswered: number
}

export interface User {
  /** Works until `isOver`. */
  work(isOver: () => boolean): Promise<void>
  /** Whether the session still stands, asked until there is a clear answer or `limitMs` have passed. */
  isSignedIn(limitMs: number): Promise<boolean>
  readonly longestPauseMs: number
  /** How often an answer said that there is no session. */
  readonly signedOut: number
}

export interface Site {
  readonly origin: string
  readonly loginPath: string
  /** Whether the session is in the cookie. */
  readonly isCookieSession: boolean
  /** Ports of processes that can be asked. */
  ports(): readonly number[]
  /** Everybody's machine sleeps. */
  isAsleep(): boolean
}

/** Milliseconds since the epoch: when the newest access token of this person's was issued, and how long it lives. */
export type NewestToken = () => { readonly issuedAt: number; readonly lifeMs: number }

const burst = 6
const pauseMs = 500
const share = { aborted: 0.15, late: 0.2, old: 0.05, oldForGood: 0.03, twoTabs: 0.5 }
const abortWithinMs = 30
/** Longer than anything that is waited for, here or at the provider. */
const callLimitMs = 30_000
const lateByMs = 400
/** A token is used until a second before its end, and its time is told in whole seconds. */
const lastUseMs = 2000
/** A process looks at the store for a ticket again after this long. */
const knownForMs = 500

export async function signInUser(
  site: Site,
  tally: Tally,
  random: () => number,
  newestToken: NewestToken,
): Promise<User> {
  const browser = new UserAgent()
  await browser.signIn(site.origin + site.loginPath, { username: 'ada', password: 'ada-demo' })
  const host = new URL(site.origin).host
  const jarHeader = () => browser.cookies.header(site.origin) ?? ''
  /** Jars as they were, the newest last. */
  const olderJars = [browser.cookies.snapshot()]
  const olderHeaders = [jarHeader()]
  let cookieSetAt = Date.now()
  const seenAt = new Map<number, number>()
  let lastGoodAt = performance.now()
  let longestPauseMs = 0
  let signedOut = 0
  const one = <Item>(items: readonly Item[]) => items[Math.floor(random() * items.length)] as Item
  const isChance = (part: number) => random() < part

  function keepCookies(lines: readonly string[]): void {
    if (lines.length === 0) return
    for (const line of lines) browser.cookies.set(site.origin, line)
    cookieSetAt = Date.now()
    if (olderHeaders.push(jarHeader()) > 3) olderHeaders.shift()
    if (olderJars.push(browser.cookies.snapshot()) > 3) olderJars.shift()
  }

  /**
   * The status; 0 for a 401 that the API has given, undefined where none came: aborted by us, not answered in time, or
   * the process was killed and a load balancer would have asked the next.
   */
  async function call(port: number, cookie: string, abort = new AbortController()): Promise<number | undefined> {
    const limit = setTimeout(() => {
      tally.unanswered += 1
      abort.abort()
    }, callLimitMs)
    try {
      return await statusOf(port, cookie, abort.signal)
    } catch {
      return undefined
    } finally {
      clearTimeout(limit)
    }
  }

  async function statusOf(port: number, cookie: string, signal: AbortSignal): Promise<number> {
    const response = await browser.fetch(`http://localhost:${port}/api/orders`, {
      headers: { 'X-CSRF': '1', host, cookie },
      withCookies: false,
      signal,
    })
    const lines = response.headers.getSetCookie()
    if (isChance(share.late)) setTimeout(() => keepCookies(lines), random() * lateByMs)
    else keepCookies(lines)
    await response.body?.cancel()
    // The API's own says that a token is too old, and nobody that there is no session: it is no problem of ours.
    const isOfApi = response.status === 401 && response.headers.get('content-type') !== 'application/problem+json'
    return isOfApi ? 0 : response.status
  }

  /** Whether this process can serve a call with nobody's help. */
  function hasLiveToken(port: number, cookie: string, isOld: boolean): boolean {
    const { issuedAt, lifeMs } = newestToken()
    if (Date.now() > issuedAt + lifeMs - lastUseMs) return false
    if (site.isCookieSession) return !isOld && cookie === olderHeaders.at(-1) && cookieSetAt > issuedAt
    return (seenAt.get(port) ?? 0) > issuedAt + knownForMs
  }

  async function countedCall(isAborted: boolean): Promise<void> {
    tally.calls += 1
    const port = one(site.ports())
    const isOld = isChance(share.old)
    const cookie = isOld ? one(olderHeaders) : jarHeader()
    const hadLiveToken = hasLiveToken(port, cookie, isOld)
    const abort = new AbortController()
    if (isAborted) setTimeout(() => abort.abort(), random() * abortWithinMs)
    const status = await call(port, cookie, abort)
    if (status === 200) {
      endPause()
      seenAt.set(port, Date.now())
    } else if (status === 401) {
      signedOut += 1
    } else if (status !== undefined && status >= 500) {
      tally.serverErrors += 1
      // What was alive when it was asked, and still is.
      if (hadLiveToken && hasLiveToken(port, cookie, isOld)) tally.errorsWithLiveToken += 1
    }
  }

  function endPause(): void {
    const now = performance.now()
    longestPauseMs = Math.max(longestPauseMs, now - lastGoodAt)
    lastGoodAt = now
  }

  async function workInTab(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      if (site.isAsleep()) {
        await delay(20)
        lastGoodAt = performance.now()
        continue
      }
      if (isChance(share.oldForGood)) browser.cookies.restore(one(olderJars))
      await Promise.all(Array.from({ length: burst }, () => countedCall(isChance(share.aborted))))
      await delay(pauseMs * (0.5 + random()))
    }
  }

  return {
    async work(isOver) {
      lastGoodAt = performance.now()
      const tabs = isChance(share.twoTabs) ? 2 : 1
      await Promise.all(Array.from({ length: tabs }, () => workInTab(isOver)))
      // Also one that nothing has ended.
      endPause()
    },
    async isSignedIn(limitMs) {
      const end = performance.now() + limitMs
      while (performance.now() < end) {
        const status = await call(one(site.ports()), jarHeader())
        if (status === 200) return true
        if (status === 401) return false
        await delay(200)
      }
      return false
    },
    get signedOut() {
      return signedOut
    },
    get longestPauseMs() {
      return Math.round(longestPauseMs)
    },
  }
}
