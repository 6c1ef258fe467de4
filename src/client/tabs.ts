/** Tells the app's other tabs that they should look at the session. They believe nothing but the server. */
import type { Browser, Channel } from './browser.ts'

export type TabMessage = 'signed-in' | 'signed-out' | 'changed'

const messages: readonly unknown[] = ['signed-in', 'signed-out', 'changed'] satisfies TabMessage[]

export interface Tabs {
  open(): void
  close(): void
  tell(message: TabMessage): void
}

export function createTabs(browser: Browser, basePath: string, onMessage: () => void): Tabs {
  const name = `coatcheck:${basePath}`
  let channel: Channel | undefined
  return {
    open() {
      if (channel !== undefined) return
      channel = browser.openChannel(name)
      if (channel === undefined) return
      channel.onmessage = (event) => {
        if (messages.includes((event.data as { type?: unknown } | null)?.type)) onMessage()
      }
    },
    close() {
      channel?.close()
      channel = undefined
    },
    tell(type) {
      if (channel !== undefined) return channel.postMessage({ type })
      const once = browser.openChannel(name)
      once?.postMessage({ type })
      once?.close()
    },
  }
}
