/** Calls that could not be answered as they were asked: failures of ours each by itself, and refusals by their kind. */
import type { Route } from '../config/types.ts'
import type { CoatcheckError } from '../errors.ts'
import type { Runtime } from '../runtime.ts'
import type { Report } from './events.ts'
import { refusedCalls } from './refused-calls.ts'

export interface FailedCall {
  readonly method: string
  /** Undefined where it got to none, or goes to an endpoint of ours. */
  readonly route: Pick<Route, 'path' | 'upstream'> | undefined
}

export type TellFailure = (error: CoatcheckError, call: FailedCall) => void

export function failedCalls(
  runtime: Pick<Runtime, 'clock' | 'every' | 'hasSharedTimers'>,
  report: Report,
): TellFailure {
  const tellRefused = refusedCalls(runtime, report)
  return (error, { method, route }) => {
    const { code, status, reason, cause } = error
    if (status < 500) return tellRefused(error, { method, route: route?.path })
    report({
      event: 'request_failed',
      code,
      ...(reason !== undefined && { reason }),
      ...(route && { route: route.path, upstream: route.upstream.binding ? 'service binding' : route.upstream.origin }),
      ...(cause !== undefined && { cause }),
    })
  }
}
