/** Over a form: how many fields need another look, or why it could not be sent at all. */
import { ApiProblem, explain, isNetworkError } from '../api/problem.ts'

export function FormProblem({ error }: { error: unknown }) {
  if (error === undefined) return null
  const count = error instanceof ApiProblem ? error.fieldErrors.length : 0
  return (
    <p className="notice bad" role="alert" tabIndex={-1}>
      {count > 0 && `${count === 1 ? 'One field needs' : `${count} fields need`} another look.`}
      {count === 0 && explain(error)}
      {isNetworkError(error) && ' Nothing is lost: what you typed is kept, and you can send it again.'}
    </p>
  )
}
