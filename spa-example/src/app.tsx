/** What is shown: a page by the address, within what the person's session allows. */
import type { ReactNode } from 'react'
import { Shell } from './components/shell.tsx'
import { AccountPage } from './pages/account.tsx'
import { BeansPage } from './pages/beans.tsx'
import { EditOrderPage } from './pages/edit-order.tsx'
import { ErrorsPage } from './pages/errors.tsx'
import { FilesPage } from './pages/files.tsx'
import { HomePage } from './pages/home.tsx'
import { LandingPage } from './pages/landing.tsx'
import { LivePage } from './pages/live.tsx'
import { NewOrderPage } from './pages/new-order.tsx'
import { NotFoundPage } from './pages/not-found.tsx'
import { OrderPage } from './pages/order.tsx'
import { OrdersPage } from './pages/orders.tsx'
import { WaitingPage } from './pages/waiting.tsx'
import { matchPath, useLocation } from './router.tsx'
import { ExpiredDialog, ExpiryWarning } from './session/expiry-dialogs.tsx'
import { PersonProvider } from './session/person.tsx'
import { usePhase } from './session/phase.ts'

const pages: readonly (readonly [pattern: string, page: (parameters: Record<string, string>) => ReactNode])[] = [
  ['/', () => <HomePage />],
  ['/orders', () => <OrdersPage />],
  ['/orders/new', () => <NewOrderPage />],
  ['/orders/:id', ({ id = '' }) => <OrderPage id={id} />],
  ['/orders/:id/edit', ({ id = '' }) => <EditOrderPage id={id} />],
  ['/beans', () => <BeansPage />],
  ['/files', () => <FilesPage />],
  ['/live', () => <LivePage />],
  ['/account', () => <AccountPage />],
  ['/errors', () => <ErrorsPage />],
]

export function App() {
  const phase = usePhase()
  const { path } = useLocation()
  const page = pageAt(path)

  switch (phase.kind) {
    case 'looking':
      return <WaitingPage text="Looking who you are…" />
    case 'unreachable':
      return <WaitingPage text="The server cannot be reached. Trying again…" isTrouble />
    case 'signing-out':
      return <WaitingPage text="Signing you out…" />
    case 'anonymous':
      return (
        <Shell>
          {page ? (
            <LandingPage isStart={path === '/'} isSignedOutElsewhere={phase.isSignedOutElsewhere} />
          ) : (
            <NotFoundPage />
          )}
        </Shell>
      )
    case 'signed-in':
    case 'expired':
      // Another person gets a page of their own: nothing of the last one's is left in it.
      return (
        <PersonProvider key={phase.session.claims.sub} session={phase.session}>
          <Shell>
            <div key={path}>{page ?? <NotFoundPage />}</div>
          </Shell>
          {phase.kind === 'expired' ? <ExpiredDialog onLeave={phase.leave} /> : <ExpiryWarning />}
        </PersonProvider>
      )
  }
}

function pageAt(path: string): ReactNode | undefined {
  for (const [pattern, page] of pages) {
    const parameters = matchPath(pattern, path)
    if (parameters) return page(parameters)
  }
  return undefined
}
