/** For who is not signed in: what this is, why the last sign-in failed if it did, and the way in. */
import { useSession } from 'coatcheck/react'
import { Page } from '../components/page.tsx'
import { loginErrorText } from '../session/login-errors.ts'

export interface LandingPageProps {
  /** The address is `/`; else somebody wants a certain page, and comes back to it. */
  isStart: boolean
  isSignedOutElsewhere: boolean
}

export function LandingPage({ isStart, isSignedOutElsewhere }: LandingPageProps) {
  const { login, loginError, dismissLoginError } = useSession()
  return (
    <div className="landing">
      <section className="hero">
        {loginError !== undefined && (
          <div className="notice bad" role="alert">
            <p>You are not signed in. {loginErrorText(loginError)}</p>
            <button type="button" onClick={dismissLoginError}>
              Dismiss
            </button>
          </div>
        )}
        {isSignedOutElsewhere && (
          <p className="notice info" role="status">
            You have signed out in another tab. This page holds nothing of yours any more.
          </p>
        )}
        <Page
          title={isStart ? 'Good coffee, on its way.' : 'Sign in to continue'}
          lead={
            isStart
              ? 'The wholesale desk of a small roastery: take orders from cafés, follow them from the drum to the door, and keep the papers together.'
              : 'This page is for people of the roastery. You come back to it once you have signed in.'
          }
        />
        <p>
          <button type="button" className="primary large" onClick={() => login()}>
            Sign in
          </button>
        </p>
        <p className="fine">You sign in with Northgate ID. This app never sees your password.</p>
      </section>
      <aside className="claim-ticket" aria-label="How it works">
        <p className="ticket-title">Keep this ticket</p>
        <ol>
          <li>
            <strong>You hand in your coat.</strong> You sign in with your provider, and its tokens are taken in at the
            counter.
          </li>
          <li>
            <strong>You carry a ticket.</strong> The browser holds one sealed cookie that no script can read.
          </li>
          <li>
            <strong>The coat stays inside.</strong> Each call to the API gets its token behind the counter, fresh when
            it has to be.
          </li>
        </ol>
        <p className="ticket-foot">No token is on this page. Ever.</p>
      </aside>
    </div>
  )
}
