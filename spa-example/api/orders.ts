/** `/orders`: the list, one order, and what can be done with it. */
import { createHash } from 'node:crypto'
import { Hono } from 'hono'
import { allow, guardedObject, ownerOf, requireScopes } from '../../src/resource-server/index.ts'
import type { BookStore, HeldOrder } from './books.ts'
import { currency } from './catalogue.ts'
import { type ApiContext, type ApiEnv, booksOf, wholeNumber } from './exchange.ts'
import { type Books, newId, type Order, orderStatuses, totalOf } from './model.ts'
import { type NewOrder, readNewOrder, readOrderChange } from './order-input.ts'
import { aRecentSignIn } from './policies.ts'
import { ApiError, invalid } from './problem.ts'
import { readJson } from './read-json.ts'

const mostOrders = 2000
const keptIdempotencyKeys = 1000

export function orderRoutes(store: BookStore): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>()
  const mayRead = allow(requireScopes('orders:read'))
  const mayWrite = allow(requireScopes('orders:write'))
  const mayDelete = allow(requireScopes('orders:write'), aRecentSignIn)
  const orderFor = guardedObject((id: string) => store.findOrder(id), ownerOf<HeldOrder>('owner'))

  routes.get('/', mayRead, (c) => c.json(listOrders(booksOf(c), c.req.query())))

  routes.post('/', mayWrite, async (c) => {
    const books = booksOf(c)
    const body = await readJson(c)
    const input = readNewOrder(body, books)
    const { order, isReplay } = createOnce(c, books, body, input)
    if (!isReplay) books.feed.publish('order.created', order)
    const location = `${new URL(c.req.url).pathname.replace(/\/$/, '')}/${order.id}`
    return c.json(order, 201, {
      Location: location,
      ETag: etagOf(order),
      ...(isReplay && { 'Idempotent-Replayed': 'true' }),
    })
  })

  routes.get('/:id', mayRead, async (c) => {
    const { order } = await orderFor(c.var.access, c.req.param('id'))
    if (c.req.header('if-none-match') === etagOf(order)) return c.body(null, 304, { ETag: etagOf(order) })
    return c.json(order, 200, { ETag: etagOf(order) })
  })

  routes.patch('/:id', mayWrite, async (c) => {
    await orderFor(c.var.access, c.req.param('id'))
    const body = await readJson(c)
    // Read again: somebody may have changed it while the body came.
    const { order, books } = await orderFor(c.var.access, c.req.param('id'))
    checkPrecondition(c, order)
    const changed: Order = {
      ...order,
      ...readOrderChange(body, order),
      updatedAt: new Date().toISOString(),
      version: order.version + 1,
    }
    books.orders.set(order.id, changed)
    books.feed.publish('order.updated', changed)
    return c.json(changed, 200, { ETag: etagOf(changed) })
  })

  routes.delete('/:id', mayDelete, async (c) => {
    const { order, books } = await orderFor(c.var.access, c.req.param('id'))
    checkPrecondition(c, order)
    books.orders.delete(order.id)
    books.feed.publish('order.deleted', { id: order.id, number: order.number })
    return c.body(null, 204)
  })

  return routes
}

function listOrders(books: Books, query: Record<string, string>) {
  const page = wholeNumber(query.page, 1, 1, 10_000)
  const pageSize = wholeNumber(query.pageSize, 10, 1, 100)
  const status = orderStatuses.find((candidate) => candidate === query.status)
  const mistakes = [
    ...(page === undefined ? [{ field: 'page', message: 'A whole number from 1' }] : []),
    ...(pageSize === undefined ? [{ field: 'pageSize', message: 'A whole number, 1 to 100' }] : []),
    ...(query.status && !status ? [{ field: 'status', message: `One of ${orderStatuses.join(', ')}` }] : []),
  ]
  if (page === undefined || pageSize === undefined || mistakes.length > 0) throw invalid(mistakes)

  const matching = [...books.orders.values()].reverse().filter((order) => !status || order.status === status)
  return {
    items: matching.slice((page - 1) * pageSize, page * pageSize),
    page,
    pageSize,
    total: matching.length,
    pages: Math.max(1, Math.ceil(matching.length / pageSize)),
  }
}

/** Creates the order, or finds the one that this `Idempotency-Key` has made before. */
function createOnce(
  c: ApiContext,
  books: Books,
  body: Record<string, unknown>,
  input: NewOrder,
): { order: Order; isReplay: boolean } {
  const key = c.req.header('idempotency-key')
  if (key === undefined) return { order: addOrder(books, input), isReplay: false }
  if (key.length > 200) throw new ApiError(400, 'malformed', 'The Idempotency-Key is longer than 200 characters')

  const fingerprint = createHash('sha256').update(JSON.stringify(body)).digest('base64url')
  const before = books.idempotent.get(key)
  if (before && before.fingerprint !== fingerprint) {
    throw new ApiError(422, 'idempotency_key_reused', 'This Idempotency-Key was used for another order')
  }
  const existing = before && books.orders.get(before.orderId)
  if (existing) return { order: existing, isReplay: true }

  const order = addOrder(books, input)
  books.idempotent.set(key, { fingerprint, orderId: order.id })
  const [oldest] = books.idempotent.keys()
  if (books.idempotent.size > keptIdempotencyKeys && oldest !== undefined) books.idempotent.delete(oldest)
  return { order, isReplay: false }
}

function addOrder(books: Books, { customer, items, notes }: NewOrder): Order {
  if (books.orders.size >= mostOrders) throw new ApiError(409, 'too_many', 'There is no room for more orders')
  const now = new Date().toISOString()
  const order: Order = {
    id: newId('ord'),
    number: `R-${books.nextNumber}`,
    customerId: customer.id,
    customerName: customer.name,
    status: 'new',
    items,
    totalCents: totalOf(items),
    currency,
    notes,
    createdAt: now,
    updatedAt: now,
    version: 1,
  }
  books.nextNumber += 1
  books.orders.set(order.id, order)
  return order
}

function checkPrecondition(c: ApiContext, order: Order): void {
  const wanted = c.req.header('if-match')
  if (wanted === undefined || wanted === '*' || wanted === etagOf(order)) return
  throw new ApiError(412, 'changed_meanwhile', 'The order was changed meanwhile', { headers: { ETag: etagOf(order) } })
}

function etagOf(order: Order): string {
  return `"${order.version}"`
}
