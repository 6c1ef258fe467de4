/** What the hook `onUpstreamRequest` gives: fields for the upstream, as far as they may be set. */
import { isNeverForwarded, isPlainName } from '../config/header-names.ts'
import { callHook, hookFailure } from '../config/hooks.ts'
import type { Hooks } from '../config/user-config.ts'
import type { HeaderList } from '../runtime.ts'
import { isFieldValue } from './fields.ts'

type Hook = NonNullable<Hooks['onUpstreamRequest']>

/** @throws CoatcheckError `internal_error`, whose reason names the hook, what is wrong, and the field's name if it has one */
export function hookFields(hook: Hook, event: Parameters<Hook>[0]): HeaderList {
  // Nothing holds an operator who writes JavaScript to the types.
  const given: unknown = callHook('onUpstreamRequest', () => hook(event))
  if (given === undefined) return []
  if (typeof given !== 'object' || given === null) throw hookFailure('onUpstreamRequest', 'gave no object of fields')
  return Object.entries(given).map(([name, value]: [string, unknown]) => checkedField(name.toLowerCase(), value))
}

function checkedField(name: string, value: unknown): readonly [string, string] {
  if (!isPlainName(name))
    throw hookFailure('onUpstreamRequest', 'gave a name that is no field name of letters, digits and hyphens')
  if (isNeverForwarded(name)) throw hookFailure('onUpstreamRequest', `may not set ${shown(name)}`)
  if (typeof value !== 'string') throw hookFailure('onUpstreamRequest', `gave ${shown(name)} no string`)
  if (!isFieldValue(value)) throw hookFailure('onUpstreamRequest', `gave ${shown(name)} what no field value may hold`)
  return [name, value]
}

/** The name is the operator's own, and a log has room for so much. */
function shown(name: string): string {
  return name.length > 64 ? `${name.slice(0, 64)}…` : name
}
