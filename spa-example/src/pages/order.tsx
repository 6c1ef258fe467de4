/** One order, and what can be done with it. */
import { useState } from 'react'
import { nextStatuses, type Order } from '../api/model.ts'
import { request } from '../api/request.ts'
import { useLoad } from '../api/use-load.ts'
import { ConfirmDialog } from '../components/confirm-dialog.tsx'
import { formatCents, formatDayAndTime } from '../components/format.ts'
import { Loading } from '../components/loading.tsx'
import { notify } from '../components/notice-board.ts'
import { Page } from '../components/page.tsx'
import { StatusBadge } from '../components/status-badge.tsx'
import { Link, navigate, useLocation } from '../router.tsx'

export function OrderPage({ id }: { id: string }) {
  const order = useLoad<Order>(`/api/orders/${id}`)
  const [isCancelling, setCancelling] = useState(false)
  // In the address, so that a sign-in in between comes back to it.
  const isDeleting = useLocation().query.has('delete')
  const setDeleting = (asks: boolean) => navigate(`/orders/${id}${asks ? '?delete' : ''}`, { replace: true })
  const canCancel = order.data && nextStatuses[order.data.status].includes('cancelled')

  const cancel = async ({ version, number }: Order) => {
    await request(`/api/orders/${id}`, {
      method: 'PATCH',
      headers: { 'If-Match': `"${version}"` },
      body: { status: 'cancelled' },
    })
    setCancelling(false)
    notify(`Order ${number} is cancelled`)
    order.reload()
  }

  const remove = async ({ version, number }: Order) => {
    await request(`/api/orders/${id}`, { method: 'DELETE', headers: { 'If-Match': `"${version}"` } })
    notify(`Order ${number} is deleted`)
    navigate('/orders', { replace: true })
  }

  return (
    <Page
      title={order.data ? `Order ${order.data.number}` : 'Order'}
      lead={<Link href="/orders">All orders</Link>}
      actions={
        order.data && (
          <>
            {canCancel && (
              <button type="button" className="danger" onClick={() => setCancelling(true)}>
                Cancel order
              </button>
            )}
            <button type="button" className="danger" onClick={() => setDeleting(true)}>
              Delete order
            </button>
            <Link href={`/orders/${id}/edit`} className="button">
              Edit
            </Link>
          </>
        )
      }
    >
      <Loading of={order}>
        {(shown) => (
          <>
            <OrderDetails order={shown} />
            {isCancelling && (
              <ConfirmDialog
                title={`Cancel order ${shown.number}?`}
                confirm="Cancel order"
                keep="Keep it"
                onConfirm={() => cancel(shown)}
                onClose={() => setCancelling(false)}
              >
                <p>{shown.customerName} will not get this delivery. A cancelled order cannot be taken up again.</p>
              </ConfirmDialog>
            )}
            {isDeleting && (
              <ConfirmDialog
                title={`Delete order ${shown.number}?`}
                confirm="Delete order"
                keep="Keep it"
                onConfirm={() => remove(shown)}
                onClose={() => setDeleting(false)}
              >
                <p>It disappears from your books, and cannot be brought back.</p>
              </ConfirmDialog>
            )}
          </>
        )}
      </Loading>
    </Page>
  )
}

function OrderDetails({ order }: { order: Order }) {
  return (
    <div className="order-details">
      <dl className="card facts">
        <div>
          <dt>Café</dt>
          <dd>{order.customerName}</dd>
        </div>
        <div>
          <dt>Status</dt>
          <dd>
            <StatusBadge status={order.status} />
          </dd>
        </div>
        <div>
          <dt>Placed</dt>
          <dd>{formatDayAndTime(order.createdAt)}</dd>
        </div>
        <div>
          <dt>Last change</dt>
          <dd>{formatDayAndTime(order.updatedAt)}</dd>
        </div>
        <div>
          <dt>Notes</dt>
          <dd className="notes">{order.notes || 'None'}</dd>
        </div>
      </dl>
      <div className="card table-card">
        <table>
          <caption className="visually-hidden">Items</caption>
          <thead>
            <tr>
              <th scope="col">Coffee</th>
              <th scope="col" className="number">
                Bags
              </th>
              <th scope="col" className="number wide-only">
                Each
              </th>
              <th scope="col" className="number">
                Sum
              </th>
            </tr>
          </thead>
          <tbody>
            {order.items.map((item, index) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: an order's items never move, and may name a coffee twice
              <tr key={index}>
                <th scope="row">
                  {item.name} <span className="code">{item.sku}</span>
                </th>
                <td className="number">{item.quantity}</td>
                <td className="number wide-only">{formatCents(item.unitPriceCents)}</td>
                <td className="number">{formatCents(item.quantity * item.unitPriceCents)}</td>
              </tr>
            ))}
          </tbody>
          <tfoot>
            <tr>
              <th scope="row" colSpan={2}>
                Total
              </th>
              <td className="wide-only" />
              <td className="number">{formatCents(order.totalCents)}</td>
            </tr>
          </tfoot>
        </table>
      </div>
    </div>
  )
}
