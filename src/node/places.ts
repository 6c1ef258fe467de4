/** Places that are taken and given back, and an orderly, bounded queue for them. */
import { CoatcheckError } from '../errors.ts'
import type { ClientSignal } from '../runtime.ts'

export interface Places {
  /** What gives the place back, if one is free: most calls wait for nothing, not even a promise. */
  takeFree(): (() => void) | undefined
  /**
   * Resolves with what gives the place back, to be called once.
   *
   * @throws CoatcheckError `upstream_busy` when too many wait, `upstream_timeout` after `timeoutMs`; the signal's reason
   */
  take(signal: ClientSignal, timeoutMs: number): Promise<() => void>
}

/** Places of which some calls get one only when none of the others waits. */
export interface PlacesWithTwoLines extends Places {
  /** The same places, for who waits until nobody is in the first line. */
  readonly second: Places
}

/** Who waits and goes away leaves nothing behind: neither a place in the queue nor a request that is kept for it. */
export function places(count: number, maxWaiting: number, maxInSecondLine = 0): PlacesWithTwoLines {
  let free = count
  const first = new Set<() => void>()
  const second = new Set<() => void>()

  function give(): void {
    const next = nextOf(first) ?? nextOf(second)
    if (next === undefined) free++
    else next()
  }

  function takeFree(): (() => void) | undefined {
    if (free === 0) return undefined
    free--
    return give
  }

  const line = (waiting: Set<() => void>, most: number): Places => ({
    takeFree,
    async take(signal, timeoutMs) {
      if (signal.aborted) throw signal.reason
      const freePlace = takeFree()
      if (freePlace !== undefined) return freePlace
      if (waiting.size >= most) throw placesBusy()
      return new Promise((resolve, reject) => {
        const leave = () => {
          waiting.delete(enter)
          clearTimeout(timer)
          signal.removeEventListener('abort', onAbort)
        }
        const enter = () => {
          leave()
          resolve(give)
        }
        const onAbort = () => {
          leave()
          reject(signal.reason)
        }
        const timer = setTimeout(() => {
          leave()
          reject(new CoatcheckError('upstream_timeout', { cause: 'no free connection' }))
        }, timeoutMs)
        signal.addEventListener('abort', onAbort)
        waiting.add(enter)
      })
    },
  })
  return { ...line(first, maxWaiting), second: line(second, maxInSecondLine) }
}

function nextOf(waiting: ReadonlySet<() => void>): (() => void) | undefined {
  if (waiting.size === 0) return undefined
  const [next] = waiting
  return next
}

export function placesBusy(): CoatcheckError {
  return new CoatcheckError('upstream_busy', { headers: { 'Retry-After': '1' } })
}
