/**
 * Where a sign-in comes back to. The server takes a path of at most 1024 bytes (protocol.md C4), and a fragment
 * never reaches it; what is longer or has one waits in this tab's storage under a random key, and only the key travels.
 */
import type { Browser } from './browser.ts'
import type { TabStorage } from './storage.ts'

export const returnKeyParameter = 'coatcheck_return'

const longestReturnToBytes = 1024
const keptForMs = 60 * 60 * 1000
const mostKept = 5
const keyPrefix = 'return:'

/**
 * The `return_to` to send for a path, query and fragment of this origin.
 *
 * Throws a TypeError for anything else.
 */
export function sendableReturnTo(browser: Browser, storage: TabStorage, returnTo: string): string {
  const path = ownPath(browser, returnTo)
  if (path === undefined) throw new TypeError('returnTo has to be a path on this origin')
  const [withoutFragment = '/', fragment] = splitOnce(path, '#')
  const [pathname = '/'] = splitOnce(withoutFragment, '?')
  const isShort = withoutFragment.length <= longestReturnToBytes
  if (isShort && fragment === undefined) return withoutFragment

  const key = browser.randomId()
  forgetOldest(browser, storage)
  const isKept = storage.write(keyPrefix + key, JSON.stringify({ path, at: browser.now() }))
  if (isKept) {
    const short = `${pathname}?${returnKeyParameter}=${key}`
    return short.length <= longestReturnToBytes ? short : `/?${returnKeyParameter}=${key}`
  }
  if (isShort) return withoutFragment
  return pathname.length <= longestReturnToBytes ? pathname : '/'
}

/** Gives what was kept under a key, once; undefined if there is nothing fit to go back to. */
export function takeReturnTo(browser: Browser, storage: TabStorage, key: string): string | undefined {
  const kept = readKept(storage, key)
  storage.remove(keyPrefix + key)
  if (kept === undefined || browser.now() - kept.at > keptForMs) return undefined
  return ownPath(browser, kept.path)
}

/** Path, query and fragment if the address is of this origin; the server would refuse what begins with `//`. */
function ownPath(browser: Browser, address: string): string | undefined {
  if (browser.location === undefined || !URL.canParse(address, browser.location.href)) return undefined
  const url = new URL(address, browser.location.href)
  if (url.origin !== browser.location.origin || url.pathname.startsWith('//')) return undefined
  return url.pathname + url.search + url.hash
}

function readKept(storage: TabStorage, key: string): { path: string; at: number } | undefined {
  try {
    const value = JSON.parse(storage.read(keyPrefix + key) ?? '') as { path?: unknown; at?: unknown }
    return typeof value.path === 'string' && typeof value.at === 'number'
      ? { path: value.path, at: value.at }
      : undefined
  } catch {
    return undefined
  }
}

/** Sign-ins that were begun and left would fill the storage. */
function forgetOldest(browser: Browser, storage: TabStorage): void {
  const kept = storage
    .keys()
    .filter((name) => name.startsWith(keyPrefix))
    .map((name) => ({ name, at: readKept(storage, name.slice(keyPrefix.length))?.at ?? 0 }))
    .sort((a, b) => b.at - a.at)
  for (const [index, { name, at }] of kept.entries()) {
    if (index >= mostKept - 1 || browser.now() - at > keptForMs) storage.remove(name)
  }
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const index = text.indexOf(separator)
  return index < 0 ? [text, undefined] : [text.slice(0, index), text.slice(index + 1)]
}
