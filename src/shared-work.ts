/** Work that everybody who wants the same thing shares while it goes on. */
import { ExpiringMap } from './expiring-map.ts'
import type { Clock } from './runtime.ts'

const mostAtOnce = 100_000

export class SharedWork<Value> {
  readonly #underWay: ExpiringMap<Promise<Value>>
  readonly #clock: Clock
  readonly #limitMs: number

  /**
   * @param limitMs after so long nobody joins it any more: on Workers a promise whose request was ended never settles, and
   *   whoever joined it would wait for nothing
   */
  constructor(clock: Clock, limitMs: number) {
    this.#clock = clock
    this.#limitMs = limitMs
    this.#underWay = new ExpiringMap(clock, mostAtOnce)
  }

  isUnderWay(key: string): boolean {
    return this.#underWay.get(key) !== undefined
  }

  /** What goes on under this key, or what `begin` begins. */
  join(key: string, begin: () => Promise<Value>): Promise<Value> {
    const known = this.#underWay.get(key)
    if (known) return known
    const work = begin().finally(() => {
      if (this.#underWay.get(key) === work) this.#underWay.delete(key)
    })
    this.#underWay.set(key, work, this.#clock.now() + this.#limitMs)
    return work
  }
}
