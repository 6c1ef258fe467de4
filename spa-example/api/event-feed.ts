/** What happened in somebody's books, numbered, so that a listener who was away gets what was missed. */

export interface FeedEvent {
  readonly id: number
  readonly type: string
  readonly data: unknown
}

export interface EventFeed {
  publish(type: string, data: unknown): void
  /** Events after this id that are still kept, oldest first. */
  since(id: number): readonly FeedEvent[]
  readonly lastId: number
  /** Gives a function that ends the subscription. */
  subscribe(listener: (event: FeedEvent) => void): () => void
}

const keptEvents = 200

export function createEventFeed(): EventFeed {
  const events: FeedEvent[] = []
  const listeners = new Set<(event: FeedEvent) => void>()
  let lastId = 0

  return {
    publish(type, data) {
      lastId += 1
      const event = { id: lastId, type, data }
      events.push(event)
      if (events.length > keptEvents) events.shift()
      for (const listener of listeners) listener(event)
    },
    since: (id) => events.filter((event) => event.id > id),
    get lastId() {
      return lastId
    },
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}
