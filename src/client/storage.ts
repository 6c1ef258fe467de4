/** This tab's storage under the client's own prefix. Storage that is full or forbidden behaves as empty. */
import type { Browser } from './browser.ts'

export interface TabStorage {
  read(key: string): string | undefined
  /** False if it could not be kept. */
  write(key: string, value: string): boolean
  remove(key: string): void
  keys(): string[]
}

export function createTabStorage(browser: Browser, prefix: string): TabStorage {
  const attempt = <T>(otherwise: T, work: (storage: NonNullable<Browser['storage']>) => T): T => {
    if (browser.storage === undefined) return otherwise
    try {
      return work(browser.storage)
    } catch {
      return otherwise
    }
  }
  return {
    read: (key) => attempt(undefined, (storage) => storage.getItem(prefix + key) ?? undefined),
    write: (key, value) =>
      attempt(false, (storage) => {
        storage.setItem(prefix + key, value)
        return true
      }),
    remove: (key) => attempt(undefined, (storage) => storage.removeItem(prefix + key)),
    keys: () =>
      attempt([], (storage) =>
        Array.from({ length: storage.length }, (_, index) => storage.key(index) ?? '')
          .filter((name) => name.startsWith(prefix))
          .map((name) => name.slice(prefix.length)),
      ),
  }
}
