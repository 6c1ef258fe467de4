/** A believable start for somebody's books: six cafés and a few weeks of orders. */
import { currency, products } from './catalogue.ts'
import { type Books, newId, type OrderItem, type OrderStatus, totalOf } from './model.ts'

const cafes: readonly (readonly [name: string, city: string, contact: string, email: string])[] = [
  ['Café Marguerite', 'Lyon', 'Inès Faure', 'orders@marguerite.example'],
  ['The Tin Kettle', 'Bristol', 'Owen Pryce', 'owen@tinkettle.example'],
  ['Kaffeehaus Lindner', 'Leipzig', 'Anja Lindner', 'einkauf@lindner.example'],
  ['Bar Nocciola', 'Turin', 'Paolo Ferrero', 'paolo@nocciola.example'],
  ['Studio Nord', 'Copenhagen', 'Mette Holm', 'mette@studionord.example'],
  ['Casa Berta', 'Porto', 'Berta Rocha', 'casa@berta.example'],
]

const notes: readonly string[] = [
  '',
  'Ring the bell at the side door.',
  '',
  'Grind half of it for filter, please.',
  '',
  'Invoice to head office.',
  'Deliver before 9 a.m.',
]

const orderCount = 27
const hour = 60 * 60 * 1000

export function fillBooks(books: Books): void {
  const customers = cafes.map(([name, city, contact, email]) => ({ id: newId('cus'), name, city, contact, email }))
  for (const customer of customers) books.customers.set(customer.id, customer)

  const now = Date.now()
  for (let index = 0; index < orderCount; index += 1) {
    const customer = pick(customers, index * 5 + 1)
    const createdAt = new Date(now - (orderCount - index) * 19 * hour)
    const updatedAt = new Date(createdAt.getTime() + 3 * hour)
    const items = itemsFor(index)
    const id = newId('ord')
    books.orders.set(id, {
      id,
      number: `R-${books.nextNumber}`,
      customerId: customer.id,
      customerName: customer.name,
      status: statusFor(index),
      items,
      totalCents: totalOf(items),
      currency,
      notes: pick(notes, index),
      createdAt: createdAt.toISOString(),
      updatedAt: updatedAt.toISOString(),
      version: 1,
    })
    books.nextNumber += 1
  }
}

function itemsFor(index: number): OrderItem[] {
  const count = 1 + (index % 3)
  return Array.from({ length: count }, (_, position) => {
    const { sku, name, priceCents } = pick(products, index * 2 + position * 3)
    return { sku, name, quantity: 2 + ((index * 7 + position * 5) % 11), unitPriceCents: priceCents }
  })
}

/** Old ones are delivered, the newest are new. */
function statusFor(index: number): OrderStatus {
  if (index % 9 === 4) return 'cancelled'
  if (index < 16) return 'delivered'
  if (index < 20) return 'shipped'
  return index < 23 ? 'roasting' : 'new'
}

function pick<T>(list: readonly T[], index: number): T {
  return list[index % list.length] as T
}
