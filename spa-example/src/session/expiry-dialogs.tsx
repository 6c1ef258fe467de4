/** Warns before the session ends, and asks to sign in again when it has. */
import { useSession } from 'coatcheck/react'
import { useEffect, useState } from 'react'
import { Dialog } from '../components/dialog.tsx'
import { formatDuration } from '../components/format.ts'

/** Shown while the session is about to end. */
export function ExpiryWarning() {
  const { expiresSoon, canExtend, isOffline, extend, logout, login } = useSession()
  const [isDismissed, setDismissed] = useState(false)
  const [hasFailed, setFailed] = useState(false)

  useEffect(() => {
    if (!expiresSoon) setDismissed(false)
  }, [expiresSoon])
  if (!expiresSoon || isDismissed) return null

  const stay = async () => setFailed((await extend()).isOffline)
  const signOut = () => logout().catch(() => setFailed(true))
  return (
    <Dialog
      title="Your session is about to end"
      onCancel={() => (canExtend ? void stay() : setDismissed(true))}
      actions={
        <>
          <button type="button" onClick={() => void signOut()}>
            Sign out
          </button>
          {canExtend ? (
            <button type="button" className="primary" data-first-focus onClick={() => void stay()}>
              Stay signed in
            </button>
          ) : (
            <button type="button" className="primary" data-first-focus onClick={() => login({ prompt: 'login' })}>
              Sign in again
            </button>
          )}
        </>
      }
    >
      <Countdown />
      <p>
        {canExtend
          ? 'Nothing was called for a while. What you have typed is kept.'
          : 'It has reached its longest time and cannot be extended. What you have typed is kept over a new sign-in.'}
      </p>
      {(hasFailed || isOffline) && (
        <p className="mistake" role="alert">
          The server cannot be reached. Try again when you are online.
        </p>
      )}
    </Dialog>
  )
}

/** Shown over the page whose session has ended. */
export function ExpiredDialog({ onLeave }: { onLeave: () => void }) {
  const { login } = useSession()
  return (
    <Dialog
      title="Your session has ended"
      actions={
        <>
          <button type="button" onClick={onLeave}>
            Leave this page
          </button>
          <button type="button" className="primary" data-first-focus onClick={() => login()}>
            Sign in again
          </button>
        </>
      }
    >
      <p>Sign in again to go on where you are. What you have typed is kept for you.</p>
    </Dialog>
  )
}

/** Seconds for the eye; for the ear only now and then. */
function Countdown() {
  const { secondsLeft } = useSession()
  const [left, setLeft] = useState(() => secondsLeft() ?? 0)
  useEffect(() => {
    const timer = setInterval(() => setLeft(secondsLeft() ?? 0), 1000)
    return () => clearInterval(timer)
  }, [secondsLeft])

  const spoken = left > 30 ? Math.ceil(left / 30) * 30 : Math.ceil(left / 10) * 10
  return (
    <>
      <p className="countdown" aria-hidden="true">
        {String(Math.floor(left / 60)).padStart(1, '0')}:{String(left % 60).padStart(2, '0')}
      </p>
      <p className="visually-hidden" role="status">
        {left > 0 ? `Less than ${formatDuration(spoken)} left` : 'The session ends now'}
      </p>
    </>
  )
}
