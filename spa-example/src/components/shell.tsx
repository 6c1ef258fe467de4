/** What stands around every page: brand, navigation, who is signed in, and what everybody has to know. */
import { useSession } from 'coatcheck/react'
import { type ReactNode, useState } from 'react'
import { Link, useLocation } from '../router.tsx'
import { initialsOf, nameOf, useOptionalPerson } from '../session/person.tsx'
import { Brand, Icon, type IconName } from './icons.tsx'
import { Notices } from './notices.tsx'

const links: readonly (readonly [href: string, name: string, icon: IconName])[] = [
  ['/orders', 'Orders', 'orders'],
  ['/beans', 'Beans', 'beans'],
  ['/files', 'Files', 'files'],
  ['/live', 'Live', 'live'],
  ['/account', 'Account', 'account'],
  ['/errors', 'Errors', 'errors'],
]

export function Shell({ children }: { children: ReactNode }) {
  const person = useOptionalPerson()
  return (
    <div className={person ? 'shell' : 'shell signed-out'}>
      <a className="skip-link" href="#main">
        Skip to content
      </a>
      <header>
        <Link href="/" className="brand">
          <Brand />
          <span>
            Coatcheck <strong>Roastery</strong>
          </span>
        </Link>
        {person && (
          <div className="person">
            <span className="avatar" aria-hidden="true">
              {initialsOf(person.claims)}
            </span>
            <span className="person-name">{nameOf(person.claims)}</span>
            <SignOutButton />
          </div>
        )}
      </header>
      {person && <Navigation />}
      <main id="main" tabIndex={-1}>
        <Notices />
        {children}
      </main>
    </div>
  )
}

function Navigation() {
  const { path } = useLocation()
  return (
    <nav aria-label="Main">
      <ul>
        {links.map(([href, name, icon]) => (
          <li key={href}>
            <Link href={href} aria-current={path === href ? 'page' : path.startsWith(`${href}/`) ? 'true' : undefined}>
              <Icon name={icon} />
              {name}
            </Link>
          </li>
        ))}
      </ul>
    </nav>
  )
}

function SignOutButton() {
  const { logout } = useSession()
  const [hasFailed, setFailed] = useState(false)
  return (
    <>
      <button type="button" className="quiet" onClick={() => void logout().catch(() => setFailed(true))}>
        Sign out
      </button>
      {hasFailed && (
        <span className="mistake" role="alert">
          That did not work. You are still signed in.
        </span>
      )}
    </>
  )
}
