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
 * The check at start knows asynchronous functions, and not those that give a promise without being one.
 *
 * @throws CoatcheckError `internal_error`
 */
export function refusePromise<Value>(
  hook: keyof Hooks,
  given: Value,
): asserts given is Exclude<Value, Promise<unknown>> {
  if (!(given instanceof Promise)) return
  // Nobody waits for it: what it fails with would end the process.
  given.catch(() => undefined)
  throw new CoatcheckError('internal_error', { cause: new Error(`hooks.${hook} gave a promise: it may not be async`) })
}

const fields = { onLogin: hook, claims: syncHook, onUpstreamRequest: syncHook, onSessionEnd: hook }

export function readHooks(input: unknown, path: string, issues: Issues): Hooks {
  if (input === undefined) return {}
  return (readObject(fields, input, path, issues).complete ?? {}) as Hooks
}
