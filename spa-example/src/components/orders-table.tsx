/** Orders as a table; the number leads to the order. */
import type { Order } from '../api/model.ts'
import { Link } from '../router.tsx'
import { formatCents, formatDay } from './format.ts'
import { StatusBadge } from './status-badge.tsx'

export function OrdersTable({ orders, caption }: { orders: readonly Order[]; caption: string }) {
  return (
    <div className="card table-card">
      <table>
        <caption className="visually-hidden">{caption}</caption>
        <thead>
          <tr>
            <th scope="col">Order</th>
            <th scope="col">Café</th>
            <th scope="col" className="wide-only">
              Placed
            </th>
            <th scope="col" className="wide-only">
              Status
            </th>
            <th scope="col" className="number">
              Total
            </th>
          </tr>
        </thead>
        <tbody>
          {orders.map((order) => (
            <tr key={order.id}>
              <th scope="row">
                <Link href={`/orders/${order.id}`} className="ticket-number">
                  {order.number}
                </Link>
              </th>
              <td>
                {order.customerName}
                <div className="narrow-only">
                  <StatusBadge status={order.status} />
                </div>
              </td>
              <td className="wide-only">{formatDay(order.createdAt)}</td>
              <td className="wide-only">
                <StatusBadge status={order.status} />
              </td>
              <td className="number">{formatCents(order.totalCents)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
