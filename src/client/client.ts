/**
 * One client a page. It sleeps until somebody listens (`subscribe` or `on`): then it looks at the session, and
 * goes on watching until the last listener has left.
 */
import { arrive, rememberLogin } from './arrival.ts'
import { type Browser, currentBrowser } from './browser.ts'
import { createCsrfFetch, type FetchParts } from './csrf-fetch.ts'
import { type ClientEvents, createEmitter } from './emitter.ts'
import { type EventStream, type EventsOptions, openEvents } from './events.ts'
import { createExpiryWatch } from './expiry.ts'
import { goToLogin, type LoginOptions, mayTrySilentLogin } from './login.ts'
import { createLookQueue, type LookRequest } from './look-queue.ts'
import { type OwnSessionCalls, ownSessionCalls } from './own-sessions.ts'
import { type CoatcheckProblem, problemOf } from './problem.ts'
import { type DefaultClaims, lookAtSession } from './session.ts'
import { createSessionTracker } from './session-tracker.ts'
import { createState, type SessionState } from './state.ts'
import { createTabStorage } from './storage.ts'
import { createTabs } from './tabs.ts'
import { type UploadOptions, upload } from './upload.ts'
import { watchWaking } from './wake.ts'

export interface ClientOptions {
  /** Where Coatcheck's endpoints are. Default `/bff`. */
  basePath?: string
  /** Default: the browser's own. */
  fetch?: typeof globalThis.fetch
  /** How long before the session's end `expiresSoon` turns true. Default 60. */
  warnSeconds?: number
  /** Whether a lost refresh is mended by a sign-in that asks nothing, leaving the page for a moment. Default true. */
  silentLogin?: boolean
  /** Parts of the browser to replace, for tests. */
  browser?: Partial<Browser>
}

export interface Client<Claims = DefaultClaims> {
  /**
   * `fetch` for this origin's API: sends `X-CSRF`, and notices `login_required` and `session_changed` of Coatcheck.
   * Gives every response as it is. Calls to other origins pass untouched.
   */
  fetch: typeof globalThis.fetch
  /** Sends a body with progress. Answers and rejects like `fetch`. */
  upload(url: string | URL, body: XMLHttpRequestBodyInit, options?: UploadOptions): Promise<Response>
  /** Server-sent events that survive the network and end with the session. */
  events(url: string | URL, options: EventsOptions): EventStream
  /** Looks at the session and gives what the page now knows. Never rejects: see `isOffline`. */
  session(options?: { slide?: boolean }): Promise<SessionState<Claims>>
  /** What the page knows now; the same value until something changes. */
  getSession(): SessionState<Claims>
  /** Hears of every new `getSession()`. Gives a function that stops it. */
  subscribe(listener: () => void): () => void
  /** Hears of what happened. Gives a function that stops it. */
  on<Type extends keyof ClientEvents<Claims>>(
    type: Type,
    listener: (event: ClientEvents<Claims>[Type]) => void,
  ): () => void
  /**
   * Leaves the page to sign in; false if it stays (`isAutomatic`, or a sign-out is under way).
   *
   * Throws a TypeError if `returnTo` is not of this origin.
   */
  login(options?: LoginOptions): boolean
  /**
   * Ends the session and leaves the page for the authorization server's sign-out. When nobody is signed in any
   * more it only notices that.
   *
   * Rejects with a CoatcheckProblem or what `fetch` rejects with; the session then still stands.
   */
  logout(): Promise<void>
  /** Keeps the session from idling out. */
  extend(): Promise<SessionState<Claims>>
  /** Whole seconds until the session ends, by the server's clock. */
  secondsLeft(): number | undefined
  dismissLoginError(): void
  /**
   * The person's sessions on every browser; `no_route` where the server keeps sessions in cookies. Ending others rejects
   * with `step_up_required` where the last sign-in is not recent: `login({ maxAge: problem.maxAge })`, and then again.
   */
  readonly ownSessions: OwnSessionCalls
}

/** A look at the session because the page came in view: not more often. */
const visibleLookEveryMs = 15_000
const longestRetryMs = 30_000

export function createClient<Claims = DefaultClaims>(options: ClientOptions = {}): Client<Claims> {
  const { basePath = '/bff', warnSeconds = 60, silentLogin = true } = options
  const browser: Browser = { ...currentBrowser(), ...options.browser }
  const plainFetch: typeof globalThis.fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init))
  const storage = createTabStorage(browser, `coatcheck:${basePath}:`)
  const arrival = arrive(browser, storage)
  const state = createState<Claims>()
  const events = createEmitter<ClientEvents<Claims>>()

  let listening = 0
  let stopWatching: (() => void) | undefined
  let lookedAt = Number.NEGATIVE_INFINITY
  let retryTimer: unknown
  let failures = 0
  let isLoggingOut = false
  // A sign-in that came back without a session: another one by itself would come back the same way.
  let mayLoginAutomatically = !arrival.isFromLogin

  const expiry = createExpiryWatch({
    browser,
    warnSeconds,
    look: () => void look({ slide: false, isQuiet: false, isFresh: false }),
    warn: (expiresSoon) => state.set({ expiresSoon }),
  })
  const tabs = createTabs(browser, basePath, (message) => {
    tracker.told(message)
    void look({ slide: false, isQuiet: true, isFresh: true })
  })
  const tracker = createSessionTracker({
    state,
    events,
    tell: tabs.tell,
    secondsLeft: expiry.secondsLeft,
    loginError: arrival.loginError,
    isFromLogin: arrival.isFromLogin,
  })

  const runLook = async ({ slide, isQuiet }: LookRequest): Promise<void> => {
    lookedAt = browser.now()
    const moment = tracker.moment()
    try {
      const found = await lookAtSession<Claims>(browser, plainFetch, basePath, slide)
      failures = 0
      cancelRetry()
      const ageSeconds = (browser.now() + found.clockOffsetMs) / 1000 - (found.session?.createdAt ?? 0)
      tracker.found(found.session, { isQuiet, moment, ageSeconds })
      const { session } = state.get()
      if (session !== undefined) mayLoginAutomatically = true
      if (listening > 0) expiry.watch(session, found.clockOffsetMs)
    } catch {
      // No network, a server that is out, or an answer of something between: `isOffline` says so, and a timer retries.
      tracker.notFound()
      failures += 1
      retryLater()
    }
  }
  const look = createLookQueue(runLook)

  const cancelRetry = () => {
    if (retryTimer !== undefined) browser.clearTimer(retryTimer)
    retryTimer = undefined
  }
  const retryLater = () => {
    cancelRetry()
    if (listening === 0) return
    const delayMs = Math.min(longestRetryMs, 1000 * 2 ** Math.min(failures - 1, 10)) * (0.75 + browser.random() / 2)
    retryTimer = browser.setTimer(() => void look({ slide: false, isQuiet: false, isFresh: false }), delayMs)
  }

  const notice = (problem: CoatcheckProblem, sentRef: string | undefined): void => {
    const knownRef = state.get().session?.ref
    if (problem.code === 'session_changed') {
      if (sentRef === knownRef) void look({ slide: false, isQuiet: false, isFresh: true })
    } else if (problem.code === 'login_required') {
      // Sent before the session was known, or under one that is no more: the answer says nothing of this one.
      if (sentRef !== knownRef) return void look({ slide: false, isQuiet: false, isFresh: true })
      tracker.ended('login_required')
      expiry.watch(undefined, 0)
      tabs.tell('changed')
      if (problem.isSilentLoginPossible && silentLogin && !isLoggingOut && mayTrySilentLogin(browser, storage)) {
        goToLogin(browser, storage, basePath, { prompt: 'none' })
      }
    }
  }

  const ownFetch: typeof globalThis.fetch = async (input, init) => {
    try {
      return await csrfFetch(input, init)
    } catch (error) {
      // One look tells a lost network from an address that is wrong.
      if (error instanceof TypeError && listening > 0 && !state.get().isOffline) {
        void look({ slide: false, isQuiet: false, isFresh: false })
      }
      throw error
    }
  }
  const parts: FetchParts = { browser, fetch: plainFetch, ref: () => state.get().session?.ref, notice }
  const csrfFetch = createCsrfFetch(parts)

  const wake = () => {
    tabs.open()
    stopWatching = watchWaking({
      browser,
      onRestored() {
        isLoggingOut = false
        tabs.open()
        void look({ slide: false, isQuiet: false, isFresh: true })
      },
      onLeaving: tabs.close,
      onVisible() {
        if (browser.now() - lookedAt >= visibleLookEveryMs) void look({ slide: false, isQuiet: false, isFresh: false })
      },
      onOnline: () => void look({ slide: false, isQuiet: false, isFresh: true }),
      onOffline: () => state.set({ isOffline: true }),
    })
    void look({ slide: false, isQuiet: false, isFresh: false })
  }
  const sleep = () => {
    stopWatching?.()
    stopWatching = undefined
    tabs.close()
    expiry.stop()
    cancelRetry()
  }
  const listen = (stopListening: () => void): (() => void) => {
    listening += 1
    if (listening === 1) wake()
    let isListening = true
    return () => {
      if (!isListening) return
      isListening = false
      stopListening()
      listening -= 1
      if (listening === 0) sleep()
    }
  }

  const session: Client<Claims>['session'] = async ({ slide = true } = {}) => {
    await look({ slide, isQuiet: false, isFresh: false })
    return state.get()
  }

  return {
    fetch: ownFetch,
    upload: (url, body, uploadOptions) => upload(parts, url, body, uploadOptions),
    events: (url, eventsOptions) => openEvents(browser, csrfFetch, url, eventsOptions),
    session,
    getSession: state.get,
    subscribe: (listener) => listen(state.subscribe(listener)),
    on: (type, listener) => listen(events.on(type, listener)),
    login(loginOptions = {}) {
      if (isLoggingOut) return false
      const isCircle = !mayLoginAutomatically || state.get().loginError !== undefined
      if (loginOptions.isAutomatic === true && isCircle) return false
      const isRemembered = rememberLogin(browser, storage, loginOptions.prompt === 'none')
      if (loginOptions.isAutomatic === true && !isRemembered) return false
      goToLogin(browser, storage, basePath, loginOptions)
      return true
    },
    async logout() {
      const sentRef = state.get().session?.ref
      isLoggingOut = true
      let target: string
      try {
        target = await postLogout(plainFetch, basePath, sentRef)
      } catch (error) {
        isLoggingOut = false
        const code = (error as Partial<CoatcheckProblem>).code
        if (code !== undefined) notice(error as CoatcheckProblem, sentRef)
        if (code === 'login_required') return
        throw error
      }
      tracker.ended('logout')
      expiry.watch(undefined, 0)
      tabs.tell('signed-out')
      browser.location?.assign(sameOriginPath(browser, target))
    },
    extend: () => session({ slide: true }),
    secondsLeft: expiry.secondsLeft,
    dismissLoginError: tracker.dismissLoginError,
    ownSessions: ownSessionCalls(ownFetch, basePath),
  }
}

async function postLogout(fetch: typeof globalThis.fetch, basePath: string, ref: string | undefined): Promise<string> {
  const response = await fetch(`${basePath}/logout`, {
    method: 'POST',
    headers: { 'X-CSRF': ref ?? '1', Accept: 'application/json' },
    credentials: 'same-origin',
  })
  if (!response.ok) throw (await problemOf(response)) ?? new Error(`Signing out answered ${response.status}`)
  const { logout_url: target } = (await response.json()) as { logout_url?: unknown }
  return typeof target === 'string' ? target : '/'
}

/** The contract is a path of ours; the session is ended already, so anything else becomes the start page. */
function sameOriginPath(browser: Browser, target: string): string {
  const origin = browser.location?.origin
  if (origin === undefined || !URL.canParse(target, origin)) return '/'
  const url = new URL(target, origin)
  return url.origin === origin ? url.pathname + url.search : '/'
}
