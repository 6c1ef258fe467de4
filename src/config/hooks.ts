/** Functions of the operator's own. */
import * as v from 'valibot'
import { CoatcheckError } from '../errors.ts'
import { optional } from './fields.ts'
import { type Field, type Issues, mistake, readObject, wanted } from './read-object.ts'
import type { Hooks } from './user-config.ts'

type AnyFunction = (...parameters: never[]) => unknown

const isFunction = v.custom<AnyFunction>((value) => typeof value === 'function', wanted('a function'))

const hook: Field<AnyFunction | undefined> = optional(isFunction)
const syncHook: Field<AnyFunction | undefined> = optional(
  v.pipe(
    isFunction,
    v.check(
      (value) => value.constructor.name !== 'AsyncFunction',
      mistake('is async, and nobody waits for it', 'give what it gives at once, or do the work in onLogin'),
    ),
  ),
)

/**
 * Calls one that nobody waits for.
 *
 * @throws CoatcheckError that the hook threw; `internal_error` for whatever else, and for a promise
 */
export function callHook<Given>(hook: keyof Hooks, call: () => Given): Exclude<Given, Promise<unknown>> {
  let given: Given
  try {
    given = call()
  } catch (error) {
    throw error instanceof CoatcheckError ? error : hookFailure(hook, 'threw', error)
  }
  refusePromise(hook, given)
  return given
}

/** @param problem goes to the log: names of the operator's own, and nothing that came with a request */
export function hookFailure(hook: keyof Hooks, problem: string, cause?: unknown): CoatcheckError {
  return new CoatcheckError('internal_error', { reason: `hooks.${hook} ${problem}`, cause })
}

/** The check at start knows asynchronous functions, and not those that give a promise without being one. */
function refusePromise<Value>(hook: keyof Hooks, given: Value): asserts given is Exclude<Value, Promise<unknown>> {
  if (!(given instanceof Promise)) return
  // What it fails with would end the process.
  given.catch(() => undefined)
  throw hookFailure(hook, 'gave a promise, and nobody waits for it')
}

const fields = { onLogin: hook, claims: syncHook, onUpstreamRequest: syncHook, onSessionEnd: hook }

export function readHooks(input: unknown, path: string, issues: Issues): Hooks {
  if (input === undefined) return {}
  return (readObject(fields, input, path, issues).complete ?? {}) as Hooks
}
