/** Changes of header fields that a route's configuration asks for. */
import type { FieldRules } from '../config/types.ts'
import type { HeaderList } from '../runtime.ts'

/** Takes out, sets over what is there, adds beside it. */
export function applyFieldRules(headers: HeaderList, { set, add, remove }: FieldRules): HeaderList {
  if (set.length === 0 && add.length === 0 && remove.size === 0) return headers
  const replaced = new Set(set.map(([name]) => name))
  const kept = headers.filter(([name]) => !remove.has(name.toLowerCase()) && !replaced.has(name.toLowerCase()))
  return [...kept, ...set, ...add]
}
