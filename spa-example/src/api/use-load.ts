/** Loads something for a page, and loads it again when that may help. */
import { useSession } from 'coatcheck/react'
import { useCallback, useEffect, useState } from 'react'
import { isAborted, isNetworkError } from './problem.ts'
import { request } from './request.ts'

export interface Loaded<Data> {
  /** Stays while a newer one is on its way. */
  readonly data: Data | undefined
  readonly error: unknown
  readonly isLoading: boolean
  reload(): void
}

interface Answer<Data> {
  readonly path: string
  readonly data?: Data
  readonly error?: unknown
}

/** GETs a path; `undefined` for nothing to load. What the network took is asked for again once it is back. */
export function useLoad<Data>(path: string | undefined): Loaded<Data> {
  const { session, isOffline } = useSession()
  const [answer, setAnswer] = useState<Answer<Data>>()
  const [isLoading, setLoading] = useState(path !== undefined)
  const [attempt, setAttempt] = useState(0)
  const reload = useCallback(() => setAttempt((count) => count + 1), [])

  // A new session (a sign-in in another tab, say) may succeed where the old one did not.
  const sessionRef = session?.ref
  // biome-ignore lint/correctness/useExhaustiveDependencies: `attempt` and `sessionRef` ask for the same once more
  useEffect(() => {
    if (path === undefined) return
    const leaving = new AbortController()
    setLoading(true)
    request<Data>(path, { signal: leaving.signal })
      .then((data) => setAnswer({ path, data }))
      .catch((error: unknown) => {
        if (isAborted(error)) return
        setAnswer((known) => ({ ...(known?.path === path ? known : {}), path, error }))
      })
      .finally(() => {
        if (!leaving.signal.aborted) setLoading(false)
      })
    return () => leaving.abort()
  }, [path, attempt, sessionRef])

  const error = answer?.path === path ? answer?.error : undefined
  const isWaitingForNetwork = isNetworkError(error)
  useEffect(() => {
    if (isWaitingForNetwork && !isOffline) reload()
  }, [isWaitingForNetwork, isOffline, reload])

  return { data: answer?.data, error, isLoading, reload }
}
