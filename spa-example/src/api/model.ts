/** What the roastery's API speaks of. Money is in cents, times are ISO 8601. */

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
  readonly notes: string
  readonly createdAt: string
  readonly updatedAt: string
  /** Raised by each change; goes out as `If-Match`. */
  readonly version: number
}

export interface OrderPage {
  readonly items: readonly Order[]
  readonly page: number
  readonly pageSize: number
  readonly total: number
  readonly pages: number
}

export interface Customer {
  readonly id: string
  readonly name: string
  readonly city: string
}

export interface Product {
  readonly sku: string
  readonly name: string
  readonly origin: string
  readonly roast: 'light' | 'medium' | 'dark'
  readonly grams: number
  readonly priceCents: number
}

export interface StoredFile {
  readonly id: string
  readonly name: string
  readonly type: string
  readonly size: number
  readonly sha256: string
  readonly uploadedAt: string
}

export interface List<Item> {
  readonly items: readonly Item[]
}
