/** The orders, newest first: by status, page by page. Filter and page are in the address. */
import { type OrderPage, orderStatuses } from '../api/model.ts'
import { useLoad } from '../api/use-load.ts'
import { Loading } from '../components/loading.tsx'
import { OrdersTable } from '../components/orders-table.tsx'
import { Page } from '../components/page.tsx'
import { Pager } from '../components/pager.tsx'
import { Link, navigate, useLocation } from '../router.tsx'

export function OrdersPage() {
  const { query } = useLocation()
  const status = query.get('status') ?? ''
  const page = query.get('page') ?? '1'
  const orders = useLoad<OrderPage>(`/api/orders?${new URLSearchParams({ page, ...(status && { status }) })}`)

  return (
    <Page
      title="Orders"
      actions={
        <Link href="/orders/new" className="button primary">
          New order
        </Link>
      }
    >
      <div className="toolbar">
        <label htmlFor="status">Status</label>
        <select
          id="status"
          value={status}
          onChange={(event) => navigate(address(event.target.value, 1), { replace: true })}
        >
          <option value="">All</option>
          {orderStatuses.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
        <p role="status" className="count">
          {orders.data && `${orders.data.total} ${orders.data.total === 1 ? 'order' : 'orders'}`}
        </p>
      </div>
      <Loading of={orders}>
        {(list) => (
          <>
            {list.items.length > 0 ? (
              <OrdersTable orders={list.items} caption="Orders, newest first" />
            ) : (
              <p className="empty">No orders here. {status && <Link href="/orders">Show all</Link>}</p>
            )}
            <Pager page={list.page} pages={list.pages} href={(number) => address(status, number)} />
          </>
        )}
      </Loading>
    </Page>
  )
}

function address(status: string, page: number): string {
  const query = new URLSearchParams({ ...(status && { status }), ...(page > 1 && { page: String(page) }) })
  return query.size > 0 ? `/orders?${query}` : '/orders'
}
