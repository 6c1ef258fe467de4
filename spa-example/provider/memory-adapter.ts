/**
 * Where the provider keeps sessions, grants and tokens: in memory, bounded, gone when it stops.
 *
 * A grace period makes it like the servers that allow a refresh token to be used again for a moment after
 * it was rotated (so that a lost answer can be asked for again): a fresh `consumed` mark is not shown.
 */
import type { Adapter, AdapterPayload } from 'oidc-provider'

export interface MemoryAdapterOptions {
  /** How long a rotated refresh token still works. 0 is strict: its second use ends the grant. */
  readonly gracePeriodSeconds: number
  /** Most entries of one kind; the oldest go first. */
  readonly maxEntries?: number
}

interface Entry {
  readonly payload: AdapterPayload
  readonly expiresAt: number
  /** Milliseconds, of the first time that it was used up. */
  consumedAt: number | undefined
}

/** A factory for `configuration.adapter`: each kind of model gets a store of its own, whoever asks. */
export function memoryAdapter(options: MemoryAdapterOptions): (model: string) => Adapter {
  const stores = new Map<string, Adapter>()
  return (model) => {
    const store = stores.get(model) ?? createStore(model, options)
    stores.set(model, store)
    return store
  }
}

function createStore(model: string, { gracePeriodSeconds, maxEntries = 10_000 }: MemoryAdapterOptions): Adapter {
  const entries = new Map<string, Entry>()
  const idByUid = new Map<string, string>()

  function remove(id: string): void {
    const uid = entries.get(id)?.payload.uid
    if (uid !== undefined && idByUid.get(uid) === id) idByUid.delete(uid)
    entries.delete(id)
  }

  function makeRoom(): void {
    if (entries.size < maxEntries) return
    const now = Date.now()
    for (const [id, entry] of entries) if (entry.expiresAt <= now) remove(id)
    for (const id of entries.keys()) {
      if (entries.size < maxEntries) return
      remove(id)
    }
  }

  function isConsumed(entry: Entry): boolean {
    if (entry.consumedAt === undefined) return false
    const isInGracePeriod = model === 'RefreshToken' && Date.now() - entry.consumedAt < gracePeriodSeconds * 1000
    return !isInGracePeriod
  }

  async function find(id: string): Promise<AdapterPayload | undefined> {
    const entry = entries.get(id)
    if (entry === undefined) return undefined
    if (entry.expiresAt <= Date.now()) {
      remove(id)
      return undefined
    }
    const payload = structuredClone(entry.payload)
    if (isConsumed(entry)) payload.consumed = Math.floor((entry.consumedAt ?? 0) / 1000)
    return payload
  }

  return {
    find,
    async findByUid(uid) {
      const id = idByUid.get(uid)
      return id === undefined ? undefined : find(id)
    },
    async findByUserCode(userCode) {
      for (const [id, entry] of entries) if (entry.payload.userCode === userCode) return find(id)
      return undefined
    },
    async upsert(id, payload, expiresIn) {
      const consumedAt = entries.get(id)?.consumedAt
      remove(id)
      makeRoom()
      const expiresAt = expiresIn === undefined ? Number.POSITIVE_INFINITY : Date.now() + expiresIn * 1000
      entries.set(id, { payload: structuredClone(payload), expiresAt, consumedAt })
      if (payload.uid !== undefined) idByUid.set(payload.uid, id)
    },
    async consume(id) {
      const entry = entries.get(id)
      // The first use counts: uses within the grace period must not make it longer.
      if (entry) entry.consumedAt ??= Date.now()
    },
    async destroy(id) {
      remove(id)
    },
    async revokeByGrantId(grantId) {
      for (const [id, entry] of entries) if (entry.payload.grantId === grantId) remove(id)
    },
  }
}
