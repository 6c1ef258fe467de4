/**
 * One person's books: the cafés that they sell to, the orders, and what has happened since. Everybody has
 * their own, filled with a believable start at the first call; another person's things are not there.
 */
import { createEventFeed } from './event-feed.ts'
import type { Books } from './model.ts'
import { fillBooks } from './seed.ts'

export interface BookStore {
  of(sub: string): Books
}

const mostPeople = 200

export function createBookStore(): BookStore {
  const bySub = new Map<string, Books>()
  return {
    of(sub) {
      const existing = bySub.get(sub)
      if (existing) return existing
      const books: Books = {
        orders: new Map(),
        customers: new Map(),
        feed: createEventFeed(),
        idempotent: new Map(),
        nextNumber: 1001,
      }
      fillBooks(books)
      bySub.set(sub, books)
      const [oldest] = bySub.keys()
      if (bySub.size > mostPeople && oldest !== undefined) bySub.delete(oldest)
      return books
    },
  }
}
