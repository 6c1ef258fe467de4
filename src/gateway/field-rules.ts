/** Changes of header fields that a route's configuration asks for. */
import { isUsualInAnswers } from '../config/response-header-names.ts'
import type { FieldRules, ResponseFieldRules } from '../config/types.ts'
import type { HeaderList } from '../runtime.ts'

/** Takes out, sets over what is there, adds beside it. */
export function applyFieldRules(headers: HeaderList, { set, add, remove }: FieldRules): HeaderList {
  if (set.length === 0 && add.length === 0 && remove.size === 0) return headers
  const replaced = new Set(set.map(([name]) => name))
  const kept = headers.filter(([name]) => !remove.has(name) && !replaced.has(name))
  return [...kept, ...set, ...add]
}

/**
 * The same of an answer, of which only what may pass is left before.
 *
 * @param dropped lower-case names that `Connection` lists: the API's own fields, and none that is set here
 */
export function applyResponseRules(
  headers: HeaderList,
  rules: ResponseFieldRules,
  dropped: ReadonlySet<string> | undefined,
): HeaderList {
  const { allow } = rules
  if (allow === undefined && dropped === undefined) return applyFieldRules(headers, rules)
  const left = headers.filter(([name]) => !dropped?.has(name) && mayPass(name, allow))
  return applyFieldRules(left, rules)
}

/** @param allow the names that the route has, besides the usual ones */
export function mayPass(name: string, allow: ReadonlySet<string> | undefined): boolean {
  return allow === undefined || allow.has(name) || isUsualInAnswers(name)
}
