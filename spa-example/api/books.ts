/**
 * One person's books: the cafés that they sell to, the orders, and what has happened since. Everybody has
 * their own, filled with a believable start at the first call; another person's things are not there.
 */
import { createEventFeed } from './event-feed.ts'
import type { Books, Customer, Order } from './model.ts'
import { fillBooks } from './seed.ts'

export interface BookStore {
  of(sub: string): Books
  /** In anybody's books: whether the caller may see it is the guard's to say. */
  findOrder(id: string): HeldOrder | undefined
  findCustomer(id: string): HeldCustomer | undefined
}

/** An order, whose it is, and the books that it is in. */
export interface HeldOrder {
  readonly owner: string
  readonly books: Books
  readonly order: Order
}

export interface HeldCustomer {
  readonly owner: string
  readonly customer: Customer
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
    findOrder(id) {
      for (const [owner, books] of bySub) {
        const order = books.orders.get(id)
        if (order) return { owner, books, order }
      }
      return undefined
    },
    findCustomer(id) {
      for (const [owner, books] of bySub) {
        const customer = books.customers.get(id)
        if (customer) return { owner, customer }
      }
      return undefined
    },
  }
}
