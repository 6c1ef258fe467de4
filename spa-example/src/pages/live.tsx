/** What happens in the roastery now: the drum, second by second, and the orders as they change. */
import { useState } from 'react'
import { type FeedItem, useFeed } from '../api/use-feed.ts'
import { formatClock } from '../components/format.ts'
import { Page } from '../components/page.tsx'
import { Sparkline } from '../components/sparkline.tsx'
import { Link } from '../router.tsx'

const stateTexts = {
  connecting: 'Connecting…',
  open: 'Connected',
  waiting: 'Reconnecting…',
  closed: 'Disconnected',
  paused: 'Paused',
} as const

export function LivePage() {
  const [isPaused, setPaused] = useState(false)
  const { state, drum, items, reconnect } = useFeed({ isPaused })
  const shownState = isPaused ? 'paused' : state
  const now = drum.at(-1)

  return (
    <Page
      title="Live"
      lead="Straight from the roastery, as it happens."
      actions={
        <>
          <p className={`connection ${shownState}`} role="status">
            {stateTexts[shownState]}
          </p>
          {shownState === 'closed' ? (
            <button type="button" onClick={reconnect}>
              Connect
            </button>
          ) : (
            <button type="button" onClick={() => setPaused(!isPaused)}>
              {isPaused ? 'Resume' : 'Pause'}
            </button>
          )}
        </>
      }
    >
      <section className="card drum" aria-labelledby="drum">
        <h2 id="drum">The drum</h2>
        <p className="reading">
          <strong>{now ? now.temperature.toFixed(1) : '–'}</strong> °C
          {now && <span className={`badge phase ${now.phase}`}>{now.phase}</span>}
        </p>
        <Sparkline values={drum.map(({ temperature }) => temperature)} label="Temperature of the last minute" />
      </section>
      <section aria-labelledby="happened">
        <h2 id="happened">Orders</h2>
        <p className="hint">
          Open a second tab and <Link href="/orders/new">take an order</Link>: it shows up here.
        </p>
        <div role="log" aria-labelledby="happened">
          <ul className="card feed">
            {items.map((item) => (
              <li key={item.key}>
                <time dateTime={new Date(item.at).toISOString()}>{formatClock(item.at)}</time>
                <FeedText item={item} />
              </li>
            ))}
          </ul>
        </div>
        {items.length === 0 && <p className="empty">Nothing has happened since you came.</p>}
      </section>
    </Page>
  )
}

const happenings: Readonly<Record<string, string>> = {
  'order.created': 'was taken',
  'order.updated': 'was changed',
  'order.deleted': 'was deleted',
}

function FeedText({ item: { type, order } }: { item: FeedItem }) {
  const happening = Object.hasOwn(happenings, type) ? happenings[type] : type
  if (order === undefined) return <span>{happening}</span>
  const name = type === 'order.deleted' ? order.number : <Link href={`/orders/${order.id}`}>{order.number}</Link>
  return (
    <span>
      Order {name} {happening}
      {order.customerName && ` for ${order.customerName}`}
      {order.status && `, ${order.status}`}
    </span>
  )
}
