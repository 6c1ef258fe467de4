/** Data that is loaded: what there is, that it comes, or why not. */
import type { ReactNode } from 'react'
import { isNetworkError } from '../api/problem.ts'
import type { Loaded } from '../api/use-load.ts'
import { ProblemNotice } from './problem-notice.tsx'

export function Loading<Data>({ of, children }: { of: Loaded<Data>; children: (data: Data) => ReactNode }) {
  const { data, error, isLoading, reload } = of
  // The banner says that the network is away, and what is shown may be old; nothing to add to it.
  const isQuiet = data !== undefined && isNetworkError(error)
  return (
    <>
      {error !== undefined && !isQuiet && <ProblemNotice error={error} onRetry={reload} />}
      {data === undefined && isLoading && (
        <p className="waiting" role="status">
          Loading…
        </p>
      )}
      {data !== undefined && children(data)}
    </>
  )
}
