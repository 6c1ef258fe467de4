/** Functions of the operator's own. */
import * as v from 'valibot'
import { optional } from './fields.ts'
import { type Field, type Issues, readObject, wanted } from './read-object.ts'
import type { Hooks } from './types.ts'

type AnyFunction = (...parameters: never[]) => unknown

const hook: Field<AnyFunction | undefined> = optional(
  v.custom<AnyFunction>((value) => typeof value === 'function', wanted('a function')),
)

const fields = { onLogin: hook, claims: hook, onUpstreamRequest: hook, onSessionEnd: hook }

export function readHooks(input: unknown, path: string, issues: Issues): Hooks {
  if (input === undefined) return {}
  return (readObject(fields, input, path, issues).complete ?? {}) as Hooks
}
