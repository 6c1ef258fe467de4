/**
 * Calls that were refused (API-12), by their kind: the first at once, and those that follow within ten seconds together,
 * with how many there were. A line for each would let whoever is refused write as much into the log as they like.
 */
import type { CoatcheckError } from '../errors.ts'
import type { Runtime } from '../runtime.ts'
import type { CoatcheckEvent, Report } from './events.ts'

export interface RefusedCall {
  readonly method: string
  /** The path of its route; undefined where it got to none, or goes to an endpoint of ours. */
  readonly route: string | undefined
}

export type TellRefused = (error: CoatcheckError, call: RefusedCall) => void

const togetherMs = 10_000
/** There are not many more: codes, their reasons, routes, methods. */
const mostKinds = 1000

interface Kind {
  readonly event: Omit<Extract<CoatcheckEvent, { event: 'calls_refused' }>, 'count'>
  /** Not told yet. */
  count: number
  toldAt: number
}

export function refusedCalls(
  runtime: Pick<Runtime, 'clock' | 'every' | 'hasSharedTimers'>,
  report: Report,
): TellRefused {
  const { clock } = runtime
  const kinds = new Map<string, Kind>()
  let stopTimer: (() => void) | undefined

  function tell(kind: Kind): void {
    report({ ...kind.event, count: kind.count })
    kind.count = 0
    kind.toldAt = clock.now()
  }

  /** Either way: a clock may be set back. */
  const isDue = ({ toldAt }: Kind) => Math.abs(clock.now() - toldAt) >= togetherMs

  function tellWaiting(): void {
    for (const [key, kind] of kinds) {
      if (!isDue(kind)) continue
      if (kind.count > 0) tell(kind)
      else kinds.delete(key)
    }
    if (kinds.size > 0) return
    stopTimer?.()
    stopTimer = undefined
  }

  function makeRoom(): void {
    const [oldest] = kinds
    if (kinds.size < mostKinds || oldest === undefined) return
    const [key, kind] = oldest
    if (kind.count > 0) tell(kind)
    kinds.delete(key)
  }

  return (error, call) => {
    const event = eventOf(error, call)
    const key = JSON.stringify(event)
    const known = kinds.get(key)
    if (known) {
      known.count += 1
      if (isDue(known)) tell(known)
      return
    }
    makeRoom()
    const kind = { event, count: 1, toldAt: 0 }
    kinds.set(key, kind)
    tell(kind)
    // Where there are no such timers the rest is told with the next call that is refused alike.
    if (runtime.hasSharedTimers) stopTimer ??= runtime.every(togetherMs, tellWaiting)
  }
}

function eventOf({ code, status, reason }: CoatcheckError, { method, route }: RefusedCall): Kind['event'] {
  return {
    event: 'calls_refused',
    code,
    status,
    ...(reason !== undefined && { reason }),
    ...(route !== undefined && { route }),
    method: usualMethods.has(method) ? method : 'other',
  }
}

/** Every other one is whatever the caller wrote. */
const usualMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
