/** One look at the session in flight at a time, and at most one waiting behind it. */

export interface LookRequest {
  /** Extend the session's idle time. */
  readonly slide: boolean
  /** Other tabs know already; they are not told what this look finds. */
  readonly isQuiet: boolean
}

export type LookQueue = (request: LookRequest & { isFresh: boolean }) => Promise<void>

interface Look {
  request: LookRequest
  readonly done: Promise<void>
}

/**
 * `isFresh`: something has happened just now, and a look that is under way may have been answered before it; so
 * another one follows. `run` never rejects.
 */
export function createLookQueue(run: (request: LookRequest) => Promise<void>): LookQueue {
  let running: Look | undefined
  let waiting: Look | undefined

  const start = (request: LookRequest): Promise<void> => {
    const done = run(request).finally(() => {
      running = undefined
    })
    running = { request, done }
    return done
  }

  return ({ slide, isQuiet, isFresh }) => {
    if (running === undefined) return start({ slide, isQuiet })
    if (!isFresh && (running.request.slide || !slide)) return running.done
    if (waiting !== undefined) {
      waiting.request = { slide: slide || waiting.request.slide, isQuiet: isQuiet && waiting.request.isQuiet }
      return waiting.done
    }
    const next: Look = {
      request: { slide, isQuiet },
      done: running.done.then(() => {
        waiting = undefined
        return start(next.request)
      }),
    }
    waiting = next
    return next.done
  }
}
