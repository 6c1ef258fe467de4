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

/** Who waits and goes away leaves nothing behind: neither a place in the queue nor a request that is kept for it. */
export function places(count: number, maxWaiting: number): Places {
  let free = count
  const waiting = new Set<() => void>()

  function give(): void {
    const [next] = waiting
    if (next === undefined) free++
    else next()
  }

  function takeFree(): (() => void) | undefined {
    if (free === 0) return undefined
    free--
    return give
  }

  return {
    takeFree,
    async take(signal, timeoutMs) {
      if (signal.aborted) throw signal.reason
      const freePlace = takeFree()
      if (freePlace !== undefined) return freePlace
      if (waiting.size >= maxWaiting) {
        throw new CoatcheckError('upstream_busy', { headers: { 'Retry-After': '1' } })
      }
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
  }
}
