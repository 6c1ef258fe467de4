/** What stands over every page: no network, somebody else's session, and what has just been done. */
import { useSession } from 'coatcheck/react'
import { clearBoard, useBoard } from './notice-board.ts'

export function Notices() {
  const { isOffline } = useSession()
  const { done, newPerson } = useBoard()
  // The regions are always there: a screen reader tells of what comes into them.
  return (
    <div className="notices">
      <div role="status">
        {isOffline && (
          <p className="notice warn">
            You are offline. What you see may be old; what you type is kept, and the page goes on by itself.
          </p>
        )}
      </div>
      <div role="status">
        {newPerson !== undefined && (
          <div className="notice info">
            <p>
              You are now signed in as <strong>{newPerson}</strong> in this browser. What was shown before is gone from
              this page.
            </p>
            <button type="button" onClick={clearBoard}>
              Got it
            </button>
          </div>
        )}
      </div>
      <div role="status" className="toast">
        {done !== undefined && <p className="notice good">{done}</p>}
      </div>
    </div>
  )
}
