/**
 * A Durable Object: what is known of one session, of one thing that is done once, or of all sessions under one key. Its storage opens to one event at
 * a time, and an answer leaves only when what was written is durable (input and output gates), so each request below
 * is one step.
 *
 * It is asked by `durableObjectCoordinator` and nobody else: it has no address of its own.
 */
import { type CommitResult, type Count, type Ending, strongerEnding } from '../coordinator.ts'

/** What an object keeps its book in: part of `DurableObjectStorage`. */
interface Storage {
  get<Value>(key: string): Promise<Value | undefined>
  put(entries: Record<string, unknown>, options?: { allowUnconfirmed?: boolean }): Promise<void>
  list<Value>(options: { prefix: string }): Promise<Map<string, Value>>
  delete(keys: string[]): Promise<number>
  deleteAll(): Promise<void>
  getAlarm(): Promise<number | null>
  setAlarm(time: number): Promise<void>
}

interface Book {
  version: number
  payload?: string
  attempt?: { version: number; at: number }
  ending?: Ending
  keepUntil: number
  seenAt?: number | undefined
  about?: string | undefined
  revocation?: string | undefined
}

interface Lease {
  holder: string
  expiresAt: number
}

interface Window {
  count: number
  endsAt: number
}

interface Result {
  claimant: string
  value?: string
  error?: string
  expiresAt: number
}

/** What the coordinator asks; times are how long from now, in milliseconds, by this object's clock. */
export type SessionRequest =
  | { readonly do: 'read'; readonly holds?: number | undefined }
  | { readonly do: 'touch'; readonly seenAt: number; readonly ttlMs: number }
  | { readonly do: 'readNotes' }
  | {
      readonly do: 'commit'
      readonly parentVersion: number
      readonly version: number
      readonly payload: string
      readonly ttlMs: number
      readonly seenAt?: number | undefined
      readonly about?: string | undefined
      readonly revocation?: string | undefined
    }
  | { readonly do: 'recordAttempt'; readonly version: number; readonly ttlMs: number }
  | { readonly do: 'clearAttempt' }
  | { readonly do: 'end'; readonly ttlMs: number; readonly ending: Ending }
  | { readonly do: 'take' | 'renew'; readonly holder: string; readonly ttlMs: number }
  | { readonly do: 'release'; readonly holder: string }
  | { readonly do: 'claim'; readonly claimant: string; readonly ttlMs: number }
  | { readonly do: 'disclaim'; readonly claimant: string }
  | { readonly do: 'settle'; readonly value?: string; readonly error?: string }
  | { readonly do: 'recall' }
  | { readonly do: 'count'; readonly windowMs: number }
  | { readonly do: 'add'; readonly id: string; readonly ttlMs: number }
  | { readonly do: 'list'; readonly limit: number }
  | { readonly do: 'remove'; readonly ids: readonly string[] }

/** What storage deletes in one call. */
const mostKeysAtOnce = 128
/** Before the ids of an index. */
const memberPrefix = 'member:'

export class CoatcheckSession {
  readonly #storage: Storage

  constructor(state: { readonly storage: Storage }) {
    this.#storage = state.storage
  }

  async fetch(request: Request): Promise<Response> {
    const answer = await this.#answer((await request.json()) as SessionRequest)
    return Response.json(answer ?? null)
  }

  /** What has expired goes by itself: an object without storage costs nothing. */
  async alarm(): Promise<void> {
    const ends = [await this.#book(), await this.#lease(), await this.#result()].map(
      (kept) => (kept && ('keepUntil' in kept ? kept.keepUntil : kept.expiresAt)) ?? 0,
    )
    const members = await this.#storage.list<number>({ prefix: memberPrefix })
    const over = [...members].filter(([, keepUntil]) => keepUntil <= Date.now()).map(([key]) => key)
    await this.#remove(over)
    let last = Math.max(...ends)
    for (const keepUntil of members.values()) if (keepUntil > Date.now()) last = Math.max(last, keepUntil)
    if (last > 0) await this.#storage.setAlarm(last)
    else await this.#storage.deleteAll()
  }

  async #answer(asked: SessionRequest): Promise<unknown> {
    switch (asked.do) {
      case 'read':
        return toEntry(await this.#book(), asked.holds)
      case 'commit':
        return this.#commit(asked)
      case 'touch':
        return this.#touch(asked)
      case 'readNotes': {
        const book = await this.#book()
        return book?.about === undefined ? undefined : { about: book.about, seenAt: book.seenAt }
      }
      case 'recordAttempt':
        return this.#recordAttempt(asked)
      case 'clearAttempt':
        return this.#clearAttempt()
      case 'end':
        return this.#end(asked)
      case 'take':
      case 'renew':
        return this.#hold(asked)
      case 'release': {
        const lease = await this.#lease()
        if (lease?.holder === asked.holder) await this.#storage.delete(['lease'])
        return undefined
      }
      case 'claim':
        return this.#claim(asked)
      case 'disclaim': {
        const result = await this.#result()
        if (result?.claimant === asked.claimant) await this.#storage.delete(['result'])
        return undefined
      }
      case 'settle': {
        const result = await this.#result()
        const { value, error } = asked
        if (result) await this.#storage.put({ result: { ...result, value, error } })
        return undefined
      }
      case 'recall':
        return this.#result()
      case 'count':
        return this.#count(asked.windowMs)
      case 'add':
        return this.#keep({ [memberPrefix + asked.id]: Date.now() + asked.ttlMs }, asked.ttlMs)
      case 'list':
        return this.#list(asked.limit)
      case 'remove':
        return this.#remove(asked.ids.map((id) => memberPrefix + id))
    }
  }

  /** A count is part of an object of its own, and a write that is not waited for. */
  async #count(windowMs: number): Promise<Count> {
    const now = Date.now()
    const known = await this.#storage.get<Window>('window')
    const window = known && known.endsAt > now ? known : { count: 0, endsAt: now + windowMs }
    window.count += 1
    await this.#storage.put({ window }, { allowUnconfirmed: true })
    if (window.count === 1) await this.#storage.setAlarm(window.endsAt)
    return { count: window.count, remainingMs: window.endsAt - now }
  }

  async #commit(asked: Extract<SessionRequest, { do: 'commit' }>): Promise<CommitResult> {
    const known = await this.#book()
    if (known?.ending) return known.ending
    if (known && known.version !== asked.parentVersion) return 'stale'
    const { version, payload, ttlMs, revocation } = asked
    const book: Book = {
      ...{ version, payload, revocation, keepUntil: Date.now() + ttlMs },
      seenAt: known?.seenAt ?? asked.seenAt,
      about: known?.about ?? asked.about,
    }
    await this.#keep({ book }, ttlMs)
    return 'committed'
  }

  async #touch({ seenAt, ttlMs }: { seenAt: number; ttlMs: number }): Promise<void> {
    const known = await this.#book()
    if (!known || known.ending || (known.seenAt ?? 0) >= seenAt) return
    await this.#storage.put({ book: { ...known, seenAt, keepUntil: Date.now() + ttlMs } })
  }

  async #list(limit: number): Promise<string[]> {
    return [...(await this.#storage.list<number>({ prefix: memberPrefix }))]
      .filter(([, keepUntil]) => keepUntil > Date.now())
      .sort(([, one], [, other]) => other - one)
      .slice(0, limit)
      .map(([key]) => key.slice(memberPrefix.length))
  }

  async #remove(keys: readonly string[]): Promise<void> {
    for (let at = 0; at < keys.length; at += mostKeysAtOnce) {
      await this.#storage.delete(keys.slice(at, at + mostKeysAtOnce))
    }
  }

  async #recordAttempt({
    version,
    ttlMs,
  }: {
    version: number
    ttlMs: number
  }): Promise<'recorded' | 'stale' | 'ended'> {
    const known = await this.#book()
    if (known?.ending) return 'ended'
    if (known && known.version !== version) return 'stale'
    const attempt = { version, at: Date.now() }
    const keepUntil = Math.max(Date.now() + ttlMs, known?.keepUntil ?? 0)
    const book: Book = { version, ...known, attempt, keepUntil }
    await this.#keep({ book }, book.keepUntil - Date.now())
    return 'recorded'
  }

  async #clearAttempt(): Promise<void> {
    const { attempt: _over, ...book } = (await this.#book()) ?? {}
    if ('version' in book) await this.#storage.put({ book })
  }

  async #end(asked: { ttlMs: number; ending: Ending }): Promise<unknown> {
    const known = await this.#book()
    const keepUntil = Math.max(Date.now() + asked.ttlMs, known?.ending ? known.keepUntil : 0)
    const book: Book = { version: 0, ending: strongerEnding(asked.ending, known?.ending), keepUntil }
    await this.#keep({ book }, keepUntil - Date.now())
    return toEntry(known)
  }

  async #hold(asked: { do: 'take' | 'renew'; holder: string; ttlMs: number }): Promise<boolean> {
    const lease = await this.#lease()
    const mayHold = asked.do === 'take' ? lease === undefined : lease?.holder === asked.holder
    if (!mayHold) return false
    const { holder, ttlMs } = asked
    await this.#keep({ lease: { holder, expiresAt: Date.now() + ttlMs } satisfies Lease }, ttlMs)
    return true
  }

  async #claim({ claimant, ttlMs }: { claimant: string; ttlMs: number }): Promise<boolean> {
    if (await this.#result()) return false
    await this.#keep({ result: { claimant, expiresAt: Date.now() + ttlMs } satisfies Result }, ttlMs)
    return true
  }

  async #keep(entries: Record<string, unknown>, ttlMs: number): Promise<void> {
    await this.#storage.put(entries)
    if ((await this.#storage.getAlarm()) === null) await this.#storage.setAlarm(Date.now() + ttlMs)
  }

  async #book(): Promise<Book | undefined> {
    const book = await this.#storage.get<Book>('book')
    return book && book.keepUntil > Date.now() ? book : undefined
  }

  async #lease(): Promise<Lease | undefined> {
    return unexpired(await this.#storage.get<Lease>('lease'))
  }

  async #result(): Promise<Result | undefined> {
    return unexpired(await this.#storage.get<Result>('result'))
  }
}

function unexpired<Kept extends { expiresAt: number }>(kept: Kept | undefined): Kept | undefined {
  return kept && kept.expiresAt > Date.now() ? kept : undefined
}

function toEntry(book: Book | undefined, holds = -1) {
  if (book === undefined) return undefined
  const { version, attempt, ending, seenAt, revocation } = book
  return {
    ...{ version, ending, seenAt, revocation },
    payload: version > holds ? book.payload : undefined,
    attempt: attempt && { version: attempt.version, ageMs: Date.now() - attempt.at },
  }
}
