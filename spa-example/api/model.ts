/** The roastery's words: orders, their items, the cafés that order, and the books that hold them. */
import { randomUUID } from 'node:crypto'
import type { EventFeed } from './event-feed.ts'

export const orderStatuses = ['new', 'roasting', 'shipped', 'delivered', 'cancelled'] as const
export type OrderStatus = (typeof orderStatuses)[number]

/** Where an order may go from where it is. */
export const nextStatuses: Readonly<Record<OrderStatus, readonly OrderStatus[]>> = {
  new: ['roasting', 'cancelled'],
  roasting: ['shipped', 'cancelled'],
  shipped: ['delivered'],
  delivered: [],
  cancelled: [],
}

export interface Customer {
  readonly id: string
  readonly name: string
  readonly city: string
  readonly contact: string
  readonly email: string
}

export interface OrderItem {
  readonly sku: string
  readonly name: string
  readonly quantity: number
  readonly unitPriceCents: number
}

export interface Order {
  readonly id: string
  /** What people call it: `R-1042`. */
  readonly number: string
  readonly customerId: string
  readonly customerName: string
  readonly status: OrderStatus
  readonly items: readonly OrderItem[]
  readonly totalCents: number
  readonly currency: string
  readonly notes: string
  readonly createdAt: string
  readonly updatedAt: string
  /** Raised by each change; the ETag. */
  readonly version: number
}

export interface Books {
  /** Oldest first. */
  readonly orders: Map<string, Order>
  readonly customers: Map<string, Customer>
  readonly feed: EventFeed
  /** Answers that were given to an `Idempotency-Key`. */
  readonly idempotent: Map<string, { readonly fingerprint: string; readonly orderId: string }>
  nextNumber: number
}

export function newId(prefix: 'ord' | 'cus' | 'file'): string {
  return `${prefix}_${randomUUID().replaceAll('-', '').slice(0, 20)}`
}

export function totalOf(items: readonly OrderItem[]): number {
  return items.reduce((total, item) => total + item.quantity * item.unitPriceCents, 0)
}
