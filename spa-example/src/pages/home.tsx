/** What is going on: how many orders stand where, and the newest ones. */
import type { OrderPage, OrderStatus } from '../api/model.ts'
import { useLoad } from '../api/use-load.ts'
import { Loading } from '../components/loading.tsx'
import { OrdersTable } from '../components/orders-table.tsx'
import { Page } from '../components/page.tsx'
import { Link } from '../router.tsx'
import { nameOf, usePerson } from '../session/person.tsx'

const tiles: readonly (readonly [status: OrderStatus, text: string])[] = [
  ['new', 'to be roasted'],
  ['roasting', 'in the drum'],
  ['shipped', 'on their way'],
  ['delivered', 'delivered'],
]

export function HomePage() {
  const { claims } = usePerson()
  const newest = useLoad<OrderPage>('/api/orders?pageSize=5')
  const firstName = nameOf(claims).split(' ')[0]
  return (
    <Page
      title={`${greeting(new Date().getHours())}, ${firstName}`}
      lead="This is where the roastery’s orders stand."
      actions={
        <Link href="/orders/new" className="button primary">
          New order
        </Link>
      }
    >
      <ul className="tiles">
        {tiles.map(([status, text]) => (
          <li key={status}>
            <Tile status={status} text={text} />
          </li>
        ))}
      </ul>
      <section aria-labelledby="newest">
        <div className="section-head">
          <h2 id="newest">Newest orders</h2>
          <Link href="/orders">All orders</Link>
        </div>
        <Loading of={newest}>{({ items }) => <OrdersTable orders={items} caption="Newest orders" />}</Loading>
      </section>
    </Page>
  )
}

function Tile({ status, text }: { status: OrderStatus; text: string }) {
  const { data } = useLoad<OrderPage>(`/api/orders?status=${status}&pageSize=1`)
  return (
    <Link href={`/orders?status=${status}`} className={`tile ${status}`}>
      <strong>{data?.total ?? '–'}</strong> {text}
    </Link>
  )
}

function greeting(hour: number): string {
  if (hour >= 4 && hour < 12) return 'Good morning'
  return hour >= 12 && hour < 18 ? 'Good afternoon' : 'Good evening'
}
