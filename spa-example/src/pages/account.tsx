/** Who the app takes the person for, until when, and what a script in this page could find out: nothing. */
import { useSession } from 'coatcheck/react'
import { useEffect, useState } from 'react'
import type { Claims } from '../client.ts'
import { formatDayAndTime, formatDuration } from '../components/format.ts'
import { notify } from '../components/notice-board.ts'
import { OwnSessions } from '../components/own-sessions.tsx'
import { Page } from '../components/page.tsx'
import { usePerson } from '../session/person.tsx'

const claimNames: Readonly<Record<string, string>> = {
  name: 'Name',
  preferred_username: 'Username',
  email: 'E-mail',
  sub: 'Subject',
}

export function AccountPage() {
  const session = usePerson()
  return (
    <Page title="Account" lead="What this app knows of you and of your session.">
      <div className="columns">
        <section className="card" aria-labelledby="claims">
          <h2 id="claims">You</h2>
          <dl className="facts">
            {Object.entries(session.claims satisfies Claims).map(([name, value]) => (
              <div key={name}>
                <dt>{claimNames[name] ?? name}</dt>
                <dd>{String(value)}</dd>
              </div>
            ))}
          </dl>
          <p className="fine">These claims, and no others, are shown to the page by the server’s configuration.</p>
        </section>
        <section className="card" aria-labelledby="session">
          <h2 id="session">Your session</h2>
          <dl className="facts">
            <div>
              <dt>Signed in</dt>
              <dd>{formatDayAndTime(session.createdAt * 1000)}</dd>
            </div>
            <div>
              <dt>Ends, if nothing is done</dt>
              <dd>
                <TimeLeft />
              </dd>
            </div>
            <div>
              <dt>Ends in any case</dt>
              <dd>{formatDayAndTime(session.expiresAt * 1000)}</dd>
            </div>
          </dl>
          <ExtendButton />
        </section>
        <TokenCheck />
      </div>
      <OwnSessions />
    </Page>
  )
}

function TimeLeft() {
  const { secondsLeft } = useSession()
  const [left, setLeft] = useState(secondsLeft)
  useEffect(() => {
    setLeft(secondsLeft())
    const timer = setInterval(() => setLeft(secondsLeft()), 1000)
    return () => clearInterval(timer)
  }, [secondsLeft])
  return <>{left === undefined ? 'It has ended' : `in ${formatDuration(left)}`}</>
}

function ExtendButton() {
  const { extend } = useSession()
  const run = async () => {
    const { isOffline, session } = await extend()
    notify(session !== undefined && !isOffline ? 'Your session is extended' : 'The session could not be extended')
  }
  return (
    <button type="button" onClick={() => void run()}>
      Extend session
    </button>
  )
}

/** Looks where tokens usually lie in a browser. */
function TokenCheck() {
  const places: readonly (readonly [name: string, content: string])[] = [
    ['Cookies that a script can read', document.cookie],
    ['Local storage', Object.values({ ...localStorage }).join('\n')],
    ['Session storage', Object.values({ ...sessionStorage }).join('\n')],
  ]
  return (
    <section className="card no-token" aria-labelledby="tokens">
      <h2 id="tokens">No token is here</h2>
      <p>Your access and refresh tokens stay on the server. A script in this page, good or bad, finds:</p>
      <dl className="facts">
        {places.map(([name, content]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{describe(content)}</dd>
          </div>
        ))}
      </dl>
    </section>
  )
}

function describe(content: string): string {
  if (content === '') return 'Nothing'
  // A JWT is three parts of base64url, of which the first is a JSON object.
  return /eyJ[\w-]+\.[\w-]+\./.test(content) ? 'A token. This must not be.' : 'No token'
}
