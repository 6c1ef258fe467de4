/**
 * What is under way, to be gone through at the end: a set whose members come and go with every call.
 *
 * Not a `Set`: V8 gives one of these a new table whenever the old one is full of what was deleted, and each dead table
 * that grew old points to the next one and to what was in it. Half of all requests and answers outlived their call that
 * way, until the next full collection, and a tenth of the CPU went into moving them.
 */
export interface Slots<Item> {
  readonly size: number
  /** @returns takes it out again */
  add(item: Item): () => void
  [Symbol.iterator](): Iterator<Item>
}

export function slots<Item>(): Slots<Item> {
  const items: (Item | undefined)[] = []
  const free: number[] = []
  return {
    get size() {
      return items.length - free.length
    },
    add(item) {
      const slot = free.pop() ?? items.length
      items[slot] = item
      return () => {
        if (items[slot] !== item) return
        items[slot] = undefined
        free.push(slot)
      }
    },
    *[Symbol.iterator]() {
      for (const item of items) if (item !== undefined) yield item
    },
  }
}
