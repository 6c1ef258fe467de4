/** Says that a form was filled with what the person had typed before. */
import type { Draft } from '../session/drafts.ts'

export function DraftNotice<Value>({ draft }: { draft: Draft<Value> }) {
  if (!draft.isRestored) return null
  return (
    <div className="notice info" role="status">
      <p>What you had typed before is back.</p>
      <button type="button" onClick={draft.discard}>
        Start anew
      </button>
    </div>
  )
}
