/** Leaving the page for a sign-in. */
import { rememberLogin } from './arrival.ts'
import type { Browser } from './browser.ts'
import { sendableReturnTo } from './return-to.ts'
import type { TabStorage } from './storage.ts'

export interface LoginOptions {
  /** Path, query and fragment of this origin. Default: where the page is. */
  returnTo?: string
  /** OpenID Connect Core §3.1.2.1, as are the others. */
  prompt?: 'none' | 'login' | 'consent' | 'select_account'
  loginHint?: string
  acrValues?: string | undefined
  /** Seconds since the person proved who they are. */
  maxAge?: number | undefined
  uiLocales?: string
  /** The page wants it, not the person: nothing happens where it would go round in a circle. */
  isAutomatic?: boolean
}

const silentKey = 'silent-login'
/** A silent sign-in that works but does not help is not tried again before. */
const silentAgainMs = 10 * 60 * 1000

export function goToLogin(browser: Browser, storage: TabStorage, basePath: string, options: LoginOptions): void {
  if (browser.location === undefined) throw new TypeError('login() needs a page')
  const here = new URL(browser.location.href)
  // `//x` is a path that the browser may be at and that the server does not go back to.
  const isUsual = !here.pathname.startsWith('//')
  const returnTo = options.returnTo ?? (isUsual ? here.pathname + here.search + here.hash : '/')
  const query = new URLSearchParams({ return_to: sendableReturnTo(browser, storage, returnTo) })
  if (options.prompt !== undefined) query.set('prompt', options.prompt)
  if (options.loginHint !== undefined) query.set('login_hint', options.loginHint)
  if (options.acrValues !== undefined) query.set('acr_values', options.acrValues)
  if (options.maxAge !== undefined) query.set('max_age', String(options.maxAge))
  if (options.uiLocales !== undefined) query.set('ui_locales', options.uiLocales)
  browser.location.assign(`${basePath}/login?${query}`)
}

/** A sign-in that asks nothing (R7). Without storage there is no guard against a loop, and so no attempt. */
export function mayTrySilentLogin(browser: Browser, storage: TabStorage): boolean {
  const triedAt = Number(storage.read(silentKey) ?? Number.NaN)
  if (browser.now() - triedAt < silentAgainMs) return false
  return storage.write(silentKey, String(browser.now())) && rememberLogin(browser, storage, true)
}
