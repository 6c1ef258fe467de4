/** The roastery's page: who is signed in, the orders, and what happens in the roastery now. */
import { useClient, useSession } from 'coatcheck/react'
import { useEffect, useState } from 'react'

interface Claims {
  name?: string
  email?: string
}

export function App() {
  const { status, claims, login, logout, extend, expiresSoon, canExtend, isOffline, loginError } = useSession<Claims>()
  return (
    <>
      <header>
        <strong>Roastery orders</strong>
        {status === 'authenticated' && (
          <p>
            {claims?.name}{' '}
            <button type="button" onClick={() => void logout()}>
              Sign out
            </button>
          </p>
        )}
      </header>
      <main>
        {isOffline && <p role="status">You are offline. What you see may be old.</p>}
        {expiresSoon && (
          <p role="alert">
            Your session is about to end.{' '}
            {canExtend && (
              <button type="button" onClick={() => void extend()}>
                Stay signed in
              </button>
            )}
          </p>
        )}
        {loginError && <p role="alert">You are not signed in: {loginErrorText(loginError)}</p>}
        {status === 'loading' && <p role="status">Loading…</p>}
        {status === 'unavailable' && <p role="alert">The server cannot be reached. Trying again…</p>}
        {status === 'anonymous' && (
          <section>
            <h1>Sign in to see your orders</h1>
            <button type="button" onClick={() => login()}>
              Sign in
            </button>
          </section>
        )}
        {status === 'authenticated' && (
          <>
            <Orders />
            <Feed />
          </>
        )}
      </main>
    </>
  )
}

function loginErrorText(code: string): string {
  if (code === 'access_denied') return 'you did not give your consent.'
  if (code === 'login_expired') return 'the sign-in took too long. Please try again.'
  if (code === 'temporarily_unavailable') return 'the sign-in service cannot be reached. Please try again later.'
  return 'something went wrong. Please try again.'
}

interface Order {
  id: string
  status: string
}

function Orders() {
  const client = useClient()
  const [orders, setOrders] = useState<Order[]>()
  const [problem, setProblem] = useState<string>()

  useEffect(() => {
    const abort = new AbortController()
    client
      .fetch('/api/orders', { signal: abort.signal })
      .then(async (answer) => {
        if (!answer.ok) throw new Error(`The orders could not be loaded (${answer.status}).`)
        setOrders(((await answer.json()) as { items: Order[] }).items)
      })
      .catch((error: Error) => {
        if (!abort.signal.aborted) setProblem(error.message)
      })
    return () => abort.abort()
  }, [client])

  return (
    <section aria-labelledby="orders">
      <h1 id="orders">Orders</h1>
      {problem && <p role="alert">{problem}</p>}
      {!orders && !problem && <p role="status">Loading…</p>}
      <ul>
        {orders?.map((order) => (
          <li key={order.id}>
            <span>{order.id}</span> <span className="status">{order.status}</span>
          </li>
        ))}
      </ul>
    </section>
  )
}

const shownEvents = 5

function Feed() {
  const client = useClient()
  const [lines, setLines] = useState<string[]>([])

  useEffect(() => {
    const abort = new AbortController()
    client.events('/api/events', {
      signal: abort.signal,
      onEvent: (event) => setLines((known) => [`${event.type}: ${event.data}`, ...known].slice(0, shownEvents)),
    })
    return () => abort.abort()
  }, [client])

  return (
    <section aria-labelledby="feed">
      <h2 id="feed">In the roastery now</h2>
      <ul>
        {lines.map((line, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the newest line is always the first
          <li key={index}>{line}</li>
        ))}
      </ul>
    </section>
  )
}
