/**
 * `/events`: a feed of server-sent events. What happens in the caller's books has an id, and is sent again to
 * a listener that comes back with `Last-Event-ID`; the drum's temperature comes every second, without one.
 */
import { Hono } from 'hono'
import { allow, requireScopes } from '../../src/resource-server/index.ts'
import type { FeedEvent } from './event-feed.ts'
import { type ApiEnv, booksOf } from './exchange.ts'

export interface EventStreams {
  /** Ends the streams that are open. */
  closeAll(): void
  readonly open: number
}

/** A listener that leaves this much unread is dropped; it comes back with `Last-Event-ID`. */
const unreadLimitBytes = 256 * 1024

export function eventRoutes(intervalMs: number): { routes: Hono<ApiEnv>; streams: EventStreams } {
  const routes = new Hono<ApiEnv>()
  const open = new Set<() => void>()

  routes.get('/', allow(requireScopes('orders:read')), (c) => {
    const { feed } = booksOf(c)
    const lastSeen = c.req.header('last-event-id')
    const missed = lastSeen !== undefined && /^\d{1,12}$/.test(lastSeen) ? feed.since(Number(lastSeen)) : []
    const encoder = new TextEncoder()
    let stop = (): void => undefined

    const stream = new ReadableStream<Uint8Array<ArrayBuffer>>(
      {
        start(controller) {
          const end = (): void => {
            stop()
            controller.close()
          }
          const send = (text: string): void => {
            controller.enqueue(encoder.encode(text))
            if ((controller.desiredSize ?? 0) <= 0) end()
          }
          const timer = setInterval(() => send(formatDrum(Date.now())), intervalMs)
          const unsubscribe = feed.subscribe((event) => send(formatEvent(event)))
          stop = () => {
            clearInterval(timer)
            unsubscribe()
            open.delete(end)
          }
          open.add(end)
          // The greeting carries the newest id, so it comes after what was missed.
          const greeting = `retry: 2000\nid: ${feed.lastId}\nevent: hello\ndata: {"lastId":${feed.lastId}}\n\n`
          send(missed.map(formatEvent).join('') + greeting)
        },
        cancel() {
          stop()
        },
      },
      { highWaterMark: unreadLimitBytes, size: (chunk) => chunk?.byteLength ?? 0 },
    )
    return c.body(stream, 200, {
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Cache-Control': 'no-store',
      'X-Accel-Buffering': 'no',
    })
  })

  return {
    routes,
    streams: {
      closeAll: () => {
        for (const end of open) end()
      },
      get open() {
        return open.size
      },
    },
  }
}

/** The roasting drum: heats up over twelve minutes, cools down, starts again. */
function formatDrum(now: number): string {
  const minutes = (now / 60_000) % 15
  const isCooling = minutes >= 12
  const temperature = isCooling ? 212 - (minutes - 12) * 35 : 98 + 114 * (1 - Math.exp(-minutes / 5)) * 1.1
  const phase = isCooling ? 'cooling' : minutes < 5 ? 'drying' : minutes < 9 ? 'browning' : 'development'
  const reading = { temperature: Math.round(temperature * 10) / 10, phase, at: new Date(now).toISOString() }
  return `event: drum\ndata: ${JSON.stringify(reading)}\n\n`
}

function formatEvent(event: FeedEvent): string {
  return `id: ${event.id}\nevent: ${event.type}\ndata: ${JSON.stringify(event.data)}\n\n`
}
