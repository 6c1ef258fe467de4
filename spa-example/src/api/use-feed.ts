/** The API's server-sent events, as a page shows them. */
import type { EventStreamState, ServerEvent } from 'coatcheck/client'
import { useClient, useSession } from 'coatcheck/react'
import { useEffect, useRef, useState } from 'react'
import type { Order } from './model.ts'

export interface DrumReading {
  readonly temperature: number
  readonly phase: string
}

export interface FeedItem {
  readonly key: string
  readonly type: string
  readonly at: number
  readonly order: Pick<Order, 'id' | 'number'> & Partial<Pick<Order, 'customerName' | 'status'>>
}

export interface Feed {
  readonly state: EventStreamState
  /** Oldest first. */
  readonly drum: readonly DrumReading[]
  /** Newest first. */
  readonly items: readonly FeedItem[]
  /** Opens a stream that has ended for good. */
  reconnect(): void
}

const keptReadings = 60
const keptItems = 20
/** The drum speaks every second: after so long without a word the connection is dead. */
const silenceTimeoutMs = 10_000

export function useFeed({ isPaused }: { isPaused: boolean }): Feed {
  const client = useClient()
  const { session } = useSession()
  const [state, setState] = useState<EventStreamState>('connecting')
  const [drum, setDrum] = useState<readonly DrumReading[]>([])
  const [items, setItems] = useState<readonly FeedItem[]>([])
  const [attempt, setAttempt] = useState(0)
  const lastEventId = useRef('')

  const sessionRef = session?.ref
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new session or attempt opens a new stream
  useEffect(() => {
    if (isPaused || sessionRef === undefined) return
    const leaving = new AbortController()
    const take = ({ type, data, lastEventId: id }: ServerEvent) => {
      lastEventId.current = id
      const content: unknown = JSON.parse(data)
      if (type === 'drum') setDrum((known) => [...known, content as DrumReading].slice(-keptReadings))
      else if (type.startsWith('order.')) {
        const item = { key: `${id} ${type}`, type, at: Date.now(), order: content as FeedItem['order'] }
        setItems((known) => [item, ...known].slice(0, keptItems))
      }
    }
    client.events('/api/events', {
      signal: leaving.signal,
      silenceTimeoutMs,
      lastEventId: lastEventId.current,
      onEvent: take,
      onStateChange: (next) => {
        if (!leaving.signal.aborted) setState(next)
      },
    })
    return () => leaving.abort()
  }, [client, isPaused, sessionRef, attempt])

  return { state, drum, items, reconnect: () => setAttempt((count) => count + 1) }
}
