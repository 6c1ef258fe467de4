/** `/customers`, `/products` and `/reports/export`: what stands around the orders. */
import { Hono } from 'hono'
import { currency, products } from './catalogue.ts'
import { type ApiEnv, booksOf, wholeNumber } from './exchange.ts'
import { newId } from './model.ts'
import { readNewCustomer } from './order-input.ts'
import { ApiError, invalid, notFound } from './problem.ts'
import { readJson } from './read-json.ts'
import { exportCsv } from './report.ts'

const mostCustomers = 1000

export function businessRoutes(): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>()

  routes.get('/products', (c) => {
    booksOf(c, 'orders:read')
    return c.json({ items: products, currency })
  })

  routes.get('/customers', (c) => c.json({ items: [...booksOf(c, 'orders:read').customers.values()] }))

  routes.post('/customers', async (c) => {
    const books = booksOf(c, 'orders:write')
    const customer = { id: newId('cus'), ...readNewCustomer(await readJson(c)) }
    if (books.customers.size >= mostCustomers)
      throw new ApiError(409, 'too_many', 'There is no room for more customers')
    books.customers.set(customer.id, customer)
    books.feed.publish('customer.created', customer)
    return c.json(customer, 201, { Location: `${new URL(c.req.url).pathname}/${customer.id}` })
  })

  routes.get('/customers/:id', (c) => {
    const customer = booksOf(c, 'orders:read').customers.get(c.req.param('id'))
    if (!customer) throw notFound('customer')
    return c.json(customer)
  })

  routes.get('/reports/export', (c) => {
    const books = booksOf(c, 'orders:read')
    const megabytes = wholeNumber(c.req.query('megabytes'), 5, 1, 1000)
    if (megabytes === undefined) throw invalid([{ field: 'megabytes', message: 'A whole number, 1 to 1000' }])
    return c.body(exportCsv([...books.orders.values()], megabytes * 1024 * 1024), 200, {
      'Content-Type': 'text/csv; charset=utf-8',
      'Content-Disposition': 'attachment; filename="orders.csv"',
    })
  })

  return routes
}
