/** Functions of the operator's own. */
import * as v from 'valibot'
import { optional } from './fields.ts'
import { type Field, type Issues, mistake, readObject, wanted } from './read-object.ts'
import type { Hooks } from './types.ts'

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

const fields = { onLogin: hook, claims: syncHook, onUpstreamRequest: syncHook, onSessionEnd: hook }

export function readHooks(input: unknown, path: string, issues: Issues): Hooks {
  if (input === undefined) return {}
  return (readObject(fields, input, path, issues).complete ?? {}) as Hooks
}
