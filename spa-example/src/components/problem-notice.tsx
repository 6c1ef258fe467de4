/** What went wrong, in words, with the way out of it. */
import { ApiProblem, explain } from '../api/problem.ts'

export function ProblemNotice({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const isProblem = error instanceof ApiProblem
  return (
    <div className="notice bad" role="alert">
      <p>
        {explain(error)}
        {isProblem && <span className="code"> {error.code}</span>}
      </p>
      {onRetry && (
        <button type="button" onClick={onRetry}>
          Try again
        </button>
      )}
    </div>
  )
}
