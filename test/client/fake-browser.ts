/**
 * A stand-in for the page's globals, which Node does not have: address, history, tab storage, window and document.
 * Time stands still until a test moves it. The channel between tabs is Node's own `BroadcastChannel`.
 */
import type { Browser } from '../../src/client/browser.ts'

export interface FakeBrowser extends Browser {
  readonly window: EventTarget
  readonly document: EventTarget & { visibilityState: string }
  readonly location: { href: string; readonly origin: string; assign(url: string): void }
  readonly storage: Storage
  /** Every address that the page left for. */
  readonly left: string[]
  /** Moves time, running what falls due on the way. */
  advance(ms: number): Promise<void>
  pendingTimers(): number
  time: number
}

export const origin = 'https://app.example.com'
/** Test files may share a process, and channels reach all of it. */
const universe = crypto.randomUUID()

export const startTime = Date.UTC(2026, 10, 24, 9, 0, 0)

export function fakeBrowser(path = '/', storage: Storage = memoryStorage()): FakeBrowser {
  const timers = new Map<number, { at: number; callback: () => void }>()
  const left: string[] = []
  let ids = 0
  const location = {
    href: origin + path,
    origin,
    assign: (url: string) => void left.push(url),
  }
  const browser: FakeBrowser = {
    window: new EventTarget(),
    document: Object.assign(new EventTarget(), { visibilityState: 'visible' }),
    location,
    history: {
      state: { kept: true },
      replaceState(_state, _unused, url) {
        location.href = new URL(String(url), location.href).href
      },
    },
    storage,
    left,
    time: startTime,
    openChannel: (name) => new BroadcastChannel(`${name}:${universe}`) as unknown as ReturnType<Browser['openChannel']>,
    createXhr: () => {
      throw new Error('This test has no XMLHttpRequest')
    },
    now: () => browser.time,
    setTimer(callback, ms) {
      ids += 1
      timers.set(ids, { at: browser.time + ms, callback })
      return ids
    },
    clearTimer: (id) => void timers.delete(id as number),
    random: () => 0.5,
    randomId: () => {
      ids += 1
      return `key-${ids}`
    },
    pendingTimers: () => timers.size,
    async advance(ms) {
      const end = browser.time + ms
      for (;;) {
        const next = [...timers].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at)[0]
        if (next === undefined) break
        timers.delete(next[0])
        browser.time = Math.max(browser.time, next[1].at)
        next[1].callback()
        await settle()
      }
      browser.time = end
      await settle()
    },
  }
  return browser
}

/** Lets everything that can go on without time passing go on. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}

export function memoryStorage(): Storage {
  const entries = new Map<string, string>()
  return {
    get length() {
      return entries.size
    },
    key: (index) => [...entries.keys()][index] ?? null,
    getItem: (key) => entries.get(key) ?? null,
    setItem: (key, value) => void entries.set(key, value),
    removeItem: (key) => void entries.delete(key),
    clear: () => entries.clear(),
  }
}

/** Site data blocked by the person: every use throws. */
export function forbiddenStorage(): Storage {
  const refuse = () => {
    throw new DOMException('Blocked', 'SecurityError')
  }
  return { length: 0, key: refuse, getItem: refuse, setItem: refuse, removeItem: refuse, clear: refuse }
}
