/**
 * The page has just loaded, perhaps on the way back from a sign-in: reads `login_error` and the key of a kept
 * `return_to` from the address, and puts the address in order before the app's router looks at it.
 */
import type { Browser } from './browser.ts'
import { returnKeyParameter, takeReturnTo } from './return-to.ts'
import type { TabStorage } from './storage.ts'

export interface Arrival {
  /** A sign-in was begun in this tab and the page loads for the first time since. */
  readonly isFromLogin: boolean
  readonly loginError: string | undefined
}

interface LoginUnderWay {
  readonly at: number
  readonly isSilent: boolean
}

const loginKey = 'login'
/** As long as the server keeps the sign-in's own cookie, and some. */
const loginTakesMs = 15 * 60 * 1000
/** What a server answers to `prompt=none` when it has to ask (OpenID Connect Core §3.1.2.6): no failure to tell of. */
const silentRefusals = ['login_required', 'interaction_required', 'consent_required', 'account_selection_required']

/** Remembers that this tab leaves for a sign-in. False if that cannot be kept. */
export function rememberLogin(browser: Browser, storage: TabStorage, isSilent: boolean): boolean {
  const login: LoginUnderWay = { at: browser.now(), isSilent }
  return storage.write(loginKey, JSON.stringify(login))
}

export function arrive(browser: Browser, storage: TabStorage): Arrival {
  if (browser.location === undefined) return { isFromLogin: false, loginError: undefined }
  const url = new URL(browser.location.href)
  const loginError = url.searchParams.get('login_error') ?? undefined
  const returnKey = url.searchParams.get(returnKeyParameter) ?? undefined
  if (loginError !== undefined || returnKey !== undefined) {
    const kept = returnKey === undefined ? undefined : takeReturnTo(browser, storage, returnKey)
    browser.history?.replaceState(browser.history.state, '', kept ?? withoutOwnParameters(url))
  }
  const login = takeLogin(browser, storage)
  const isSilentRefusal = login?.isSilent === true && silentRefusals.includes(loginError ?? '')
  // A code is all that this can be: whoever made the link chose the text.
  const isCode = /^[a-z][a-z_]{0,63}$/.test(loginError ?? '')
  return { isFromLogin: login !== undefined, loginError: isCode && !isSilentRefusal ? loginError : undefined }
}

function takeLogin(browser: Browser, storage: TabStorage): LoginUnderWay | undefined {
  const text = storage.read(loginKey)
  storage.remove(loginKey)
  if (text === undefined) return undefined
  try {
    const login = JSON.parse(text) as LoginUnderWay
    return browser.now() - login.at < loginTakesMs ? login : undefined
  } catch {
    return undefined
  }
}

/** The other parameters keep their bytes: `URLSearchParams` would write them anew. */
function withoutOwnParameters(url: URL): string {
  const others = url.search
    .slice(1)
    .split('&')
    .filter((pair) => pair !== '' && !['login_error', returnKeyParameter].includes(pair.split('=', 1)[0] ?? ''))
  return url.pathname + (others.length > 0 ? `?${others.join('&')}` : '') + url.hash
}
