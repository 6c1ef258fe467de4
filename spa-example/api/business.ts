/** `/customers`, `/products` and `/reports/export`: what stands around the orders. */
import { Hono } from 'hono'
import { allow, guardedObject, ownerOf, requireScopes } from '../../src/resource-server/index.ts'
import type { BookStore, HeldCustomer } from './books.ts'
import { currency, products } from './catalogue.ts'
import { type ApiEnv, booksOf, wholeNumber } from './exchange.ts'
import { newId } from './model.ts'
import { readNewCustomer } from './order-input.ts'
import { aPerson, aSecondFactor } from './policies.ts'
import { ApiError, invalid } from './problem.ts'
import { readJson } from './read-json.ts'
import { exportCsv } from './report.ts'

const mostCustomers = 1000

export function businessRoutes(store: BookStore): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>()
  const mayRead = allow(requireScopes('orders:read'))
  const mayWrite = allow(requireScopes('orders:write'))
  const customerFor = guardedObject((id: string) => store.findCustomer(id), ownerOf<HeldCustomer>('owner'))

  routes.get('/products', mayRead, (c) => c.json({ items: products, currency }))

  routes.get('/customers', mayRead, (c) => c.json({ items: [...booksOf(c).customers.values()] }))

  routes.post('/customers', mayWrite, async (c) => {
    const books = booksOf(c)
    const customer = { id: newId('cus'), ...readNewCustomer(await readJson(c)) }
    if (books.customers.size >= mostCustomers)
      throw new ApiError(409, 'too_many', 'There is no room for more customers')
    books.customers.set(customer.id, customer)
    books.feed.publish('customer.created', customer)
    return c.json(customer, 201, { Location: `${new URL(c.req.url).pathname}/${customer.id}` })
  })

  routes.get('/customers/:id', mayRead, async (c) => {
    const { customer } = await customerFor(c.var.access, c.req.param('id'))
    return c.json(customer)
  })

  routes.get('/reports/export', allow(requireScopes('orders:read'), aPerson, aSecondFactor), (c) => {
    const books = booksOf(c)
    const megabytes = wholeNumber(c.req.query('megabytes'), 5, 1, 1000)
    if (megabytes === undefined) throw invalid([{ field: 'megabytes', message: 'A whole number, 1 to 1000' }])
    return c.body(exportCsv([...books.orders.values()], megabytes * 1024 * 1024), 200, {
      'Content-Type': 'text/csv; charset=utf-8',
      'Content-Disposition': 'attachment; filename="orders.csv"',
    })
  })

  return routes
}
