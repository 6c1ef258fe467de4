/** A map whose entries expire, with a bound on how many there are. Expired ones leave by themselves, a few at each write. */
import type { Clock } from './runtime.ts'

export class ExpiringMap<Value> {
  readonly #entries = new Map<string, { value: Value; expiresAt: number }>()
  readonly #clock: Clock
  readonly #maxEntries: number
  #sweep: IterableIterator<[string, { value: Value; expiresAt: number }]>

  /** When the map is full the entry that was written longest ago goes. */
  constructor(clock: Clock, maxEntries: number) {
    this.#clock = clock
    this.#maxEntries = maxEntries
    this.#sweep = this.#entries.entries()
  }

  get size(): number {
    return this.#entries.size
  }

  /** @param now milliseconds since the epoch, for who has looked at the clock already */
  get(key: string, now = this.#clock.now()): Value | undefined {
    const entry = this.#entries.get(key)
    if (!entry) return undefined
    if (entry.expiresAt > now) return entry.value
    this.#entries.delete(key)
    return undefined
  }

  /** @param expiresAt milliseconds since the epoch */
  set(key: string, value: Value, expiresAt: number): void {
    this.#entries.delete(key)
    this.#entries.set(key, { value, expiresAt })
    this.#sweepSome()
    if (this.#entries.size > this.#maxEntries) {
      const [oldest] = this.#entries.keys()
      if (oldest !== undefined) this.#entries.delete(oldest)
    }
  }

  delete(key: string): void {
    this.#entries.delete(key)
  }

  /** Live entries, those written longest ago first. */
  *entries(): IterableIterator<[string, Value]> {
    const now = this.#clock.now()
    for (const [key, { value, expiresAt }] of this.#entries) if (expiresAt > now) yield [key, value]
  }

  /** Two at each write: a full round passes before the map doubles, and no write has to pay for all. */
  #sweepSome(): void {
    for (let count = 0; count < 2; count++) {
      const next = this.#sweep.next()
      if (next.done) this.#sweep = this.#entries.entries()
      else if (next.value[1].expiresAt <= this.#clock.now()) this.#entries.delete(next.value[0])
    }
  }
}
