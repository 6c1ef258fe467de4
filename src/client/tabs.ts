/** Tells the app's other tabs that they should look at the session. They believe nothing but the server. */
import type { Browser, Channel } from './browser.ts'

export type TabMessage = 'signed-in' | 'signed-out' | 'changed'

const messages = ['signed-in', 'signed-out', 'changed'] as const satisfies TabMessage[]

function isTabMessage(type: unknown): type is TabMessage {
  return (messages as readonly unknown[]).includes(type)
}

export interface Tabs {
  open(): void
  close(): void
  tell(message: TabMessage): void
}

export function createTabs(browser: Browser, basePath: string, onMessage: (message: TabMessage) => void): Tabs {
  const name = `coatcheck:${basePath}`
  let channel: Channel | undefined
  return {
    open() {
      if (channel !== undefined) return
      channel = browser.openChannel(name)
      if (channel === undefined) return
      channel.onmessage = (event) => {
        const type = (event.data as { type?: unknown } | null)?.type
        if (isTabMessage(type)) onMessage(type)
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
