/** The person's own sessions, on this browser and others: `/bff/sessions`, where the server's store knows them all. */
import { problemOf } from './problem.ts'

/** Times are epoch seconds by the server's clock. */
export interface OwnSession {
  readonly id: string
  readonly createdAt: number
  readonly lastSeenAt: number
  /** Such as `Firefox on Windows`; empty where the browser did not say. */
  readonly device: string
  /** The one of this browser: it ends by `logout()`. */
  readonly isCurrent: boolean
}

export interface OwnSessionList {
  /** The newest first. */
  readonly sessions: readonly OwnSession[]
  readonly hasMore: boolean
}

export interface OwnSessionCalls {
  list(): Promise<OwnSessionList>
  end(id: string): Promise<void>
  endOthers(): Promise<number>
}

/** Ends come in portions; a server that goes on saying that there are more is not believed for ever. */
const mostPortions = 200

/** Each rejects with a CoatcheckProblem, or what `fetch` rejects with. */
export function ownSessionCalls(fetch: typeof globalThis.fetch, basePath: string): OwnSessionCalls {
  const ask = async (path: string, method: string): Promise<Response> => {
    const response = await fetch(`${basePath}/sessions${path}`, {
      method,
      headers: { Accept: 'application/json' },
      cache: 'no-store',
    })
    if (!response.ok) throw (await problemOf(response)) ?? new Error(`The sessions answered ${response.status}`)
    return response
  }
  return {
    async list() {
      const { sessions, more } = (await (await ask('', 'GET')).json()) as { sessions: WireSession[]; more: boolean }
      return { sessions: sessions.map(fromWire), hasMore: more }
    },
    async end(id) {
      await ask(`/${encodeURIComponent(id)}`, 'DELETE')
    },
    async endOthers() {
      let total = 0
      for (let portion = 0; portion < mostPortions; portion++) {
        const answer = await ask('?except=current', 'DELETE')
        const { ended, more } = (await answer.json()) as { ended: number; more: boolean }
        total += ended
        if (!more) break
      }
      return total
    },
  }
}

interface WireSession {
  readonly id: string
  readonly created_at: number
  readonly last_seen_at: number
  readonly device: string
  readonly current: boolean
}

function fromWire({ id, created_at: createdAt, last_seen_at: lastSeenAt, device, current }: WireSession): OwnSession {
  return { id, createdAt, lastSeenAt, device, isCurrent: current }
}
