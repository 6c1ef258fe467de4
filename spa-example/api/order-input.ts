/** Checks what a client sends for an order or a customer; every mistake is named at once. */
import { findProduct } from './catalogue.ts'
import {
  type Books,
  type Customer,
  nextStatuses,
  type Order,
  type OrderItem,
  type OrderStatus,
  orderStatuses,
} from './model.ts'
import { type FieldError, invalid } from './problem.ts'

const mostItems = 50
const mostQuantity = 500
const longestNotes = 2000

export interface NewOrder {
  readonly customer: Customer
  readonly items: readonly OrderItem[]
  readonly notes: string
}

export function readNewOrder(body: Record<string, unknown>, books: Books): NewOrder {
  const mistakes: FieldError[] = []
  const customer = typeof body.customerId === 'string' ? books.customers.get(body.customerId) : undefined
  if (!customer) mistakes.push({ field: 'customerId', message: 'Choose one of your customers' })
  const items = readItems(body.items, mistakes)
  const notes = readNotes(body.notes ?? '', mistakes)
  if (mistakes.length > 0 || !customer) throw invalid(mistakes)
  return { customer, items, notes }
}

export interface OrderChange {
  readonly status?: OrderStatus
  readonly notes?: string
}

export function readOrderChange(body: Record<string, unknown>, order: Order): OrderChange {
  const mistakes: FieldError[] = []
  const unknown = Object.keys(body).filter((name) => name !== 'status' && name !== 'notes')
  for (const field of unknown.slice(0, 10)) mistakes.push({ field, message: 'Only status and notes can be changed' })
  const change = {
    ...(body.status !== undefined && { status: readStatus(body.status, order, mistakes) }),
    ...(body.notes !== undefined && { notes: readNotes(body.notes, mistakes) }),
  }
  if (unknown.length === 0 && Object.keys(change).length === 0) {
    mistakes.push({ field: 'status', message: 'Send status, notes or both' })
  }
  if (mistakes.length > 0) throw invalid(mistakes)
  return change
}

export function readNewCustomer(body: Record<string, unknown>): Omit<Customer, 'id'> {
  const mistakes: FieldError[] = []
  const text = (field: string, longest: number): string => {
    const value = typeof body[field] === 'string' ? body[field].trim() : ''
    if (value === '' || value.length > longest) mistakes.push({ field, message: `1 to ${longest} characters` })
    return value
  }
  const customer = {
    name: text('name', 100),
    city: text('city', 100),
    contact: text('contact', 100),
    email: text('email', 200),
  }
  if (customer.email !== '' && !/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(customer.email)) {
    mistakes.push({ field: 'email', message: 'This is not an email address' })
  }
  if (mistakes.length > 0) throw invalid(mistakes)
  return customer
}

function readItems(value: unknown, mistakes: FieldError[]): OrderItem[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > mostItems) {
    mistakes.push({ field: 'items', message: `1 to ${mostItems} items` })
    return []
  }
  return value.flatMap((item: unknown, index) => {
    const { sku, quantity } = (typeof item === 'object' && item !== null ? item : {}) as Record<string, unknown>
    const product = typeof sku === 'string' ? findProduct(sku) : undefined
    if (!product) mistakes.push({ field: `items[${index}].sku`, message: 'There is no such product' })
    const isQuantity = Number.isInteger(quantity) && Number(quantity) >= 1 && Number(quantity) <= mostQuantity
    if (!isQuantity)
      mistakes.push({ field: `items[${index}].quantity`, message: `A whole number, 1 to ${mostQuantity}` })
    if (!product || !isQuantity) return []
    return [{ sku: product.sku, name: product.name, quantity: Number(quantity), unitPriceCents: product.priceCents }]
  })
}

function readNotes(value: unknown, mistakes: FieldError[]): string {
  if (typeof value === 'string' && value.length <= longestNotes) return value
  mistakes.push({ field: 'notes', message: `Text of at most ${longestNotes} characters` })
  return ''
}

function readStatus(value: unknown, order: Order, mistakes: FieldError[]): OrderStatus {
  const status = orderStatuses.find((candidate) => candidate === value)
  if (status === undefined) mistakes.push({ field: 'status', message: `One of ${orderStatuses.join(', ')}` })
  else if (status !== order.status && !nextStatuses[order.status].includes(status)) {
    mistakes.push({ field: 'status', message: `An order that is ${order.status} cannot become ${status}` })
  }
  return status ?? order.status
}
