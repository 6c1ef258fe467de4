/** What went wrong, in words, with the way out of it. */
import { ApiProblem, explain, stepUpOf } from '../api/problem.ts'

export function ProblemNotice({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  // Whoever asks for something that may need another sign-in has the button for it beside this.
  const isStepUp = stepUpOf(error) !== undefined
  return (
    <div className={`notice ${isStepUp ? 'warn' : 'bad'}`} role="alert">
      <p>
        {explain(error)}
        {isStepUp && ' Then you come back to this page.'}
        {error instanceof ApiProblem && !isStepUp && <span className="code"> {error.code}</span>}
      </p>
      {onRetry && (
        <button type="button" onClick={onRetry}>
          Try again
        </button>
      )}
    </div>
  )
}
