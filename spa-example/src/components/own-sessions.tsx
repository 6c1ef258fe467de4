/** The person's sessions on every browser: which they are, and an end to those that are not wanted. */
import { CoatcheckProblem, type OwnSession } from 'coatcheck/client'
import { useOwnSessions, useSession } from 'coatcheck/react'
import { formatDayAndTime } from './format.ts'
import { notify } from './notice-board.ts'

export function OwnSessions() {
  const { list, problem, end, endOthers } = useOwnSessions()
  const { login } = useSession()
  const maxAge = problem instanceof CoatcheckProblem ? problem.maxAge : undefined

  const run = async (work: () => Promise<boolean>, done: string) => {
    if (await work()) notify(done)
  }
  return (
    <section className="card own-sessions" aria-labelledby="own-sessions">
      <div className="section-head">
        <h2 id="own-sessions">Where you are signed in</h2>
        {list !== undefined && list.sessions.length > 1 && (
          <button type="button" onClick={() => void run(endOthers, 'All other sessions are ended')}>
            End all others
          </button>
        )}
      </div>
      {problem !== undefined && (
        <div className="notice bad" role="alert">
          {maxAge === undefined ? (
            <p>Your sessions cannot be shown or ended at the moment.</p>
          ) : (
            <>
              <p>To end other sessions, show once more that it is you.</p>
              <button type="button" className="primary" onClick={() => login({ maxAge })}>
                Sign in again
              </button>
            </>
          )}
        </div>
      )}
      <ul>
        {list?.sessions.map((session) => (
          <SessionRow
            key={session.id}
            session={session}
            onEnd={() => void run(() => end(session.id), 'The session is ended')}
          />
        ))}
      </ul>
      {list?.hasMore && <p className="fine">There are more. These are the newest.</p>}
    </section>
  )
}

function SessionRow({ session, onEnd }: { session: OwnSession; onEnd: () => void }) {
  const device = session.device || 'An unknown browser'
  return (
    <li>
      <div>
        <p className="device">
          {device}
          {session.isCurrent && <span className="badge phase">This one</span>}
        </p>
        <p className="fine">
          Signed in {formatDayAndTime(session.createdAt * 1000)}, last seen{' '}
          {formatDayAndTime(session.lastSeenAt * 1000)}
        </p>
      </div>
      {!session.isCurrent && (
        <button type="button" aria-label={`End the session in ${device}`} onClick={onEnd}>
          End
        </button>
      )}
    </li>
  )
}
