/** Changes of header fields that a route's configuration asks for. */
import { ConfigError } from '../config/config-error.ts'
import type { FieldRules, Route } from '../config/types.ts'
import type { HeaderList } from '../runtime.ts'
import { isAboutOurOrigin, isHopByHop } from './origin-fields.ts'

/** Takes out, sets over what is there, adds beside it. */
export function applyFieldRules(headers: HeaderList, { set, add, remove }: FieldRules): HeaderList {
  if (set.length === 0 && add.length === 0 && remove.size === 0) return headers
  const replaced = new Set(set.map(([name]) => name))
  const kept = headers.filter(([name]) => !remove.has(name.toLowerCase()) && !replaced.has(name.toLowerCase()))
  return [...kept, ...set, ...add]
}

/**
 * What a route sets for the browser passes the same filter as what its upstream sends; here a field that would be lost in
 * it is named at start.
 *
 * @throws {ConfigError}
 */
export function checkResponseRules(routes: readonly Route[]): void {
  const issues = routes.flatMap(({ path, headers: { response } }) =>
    [...response.set, ...response.add]
      .filter(([name]) => isAboutOurOrigin(name) || isHopByHop(name) || written.has(name))
      .map(([name]) => ({
        path: `routes (${path}).headers.response`,
        problem: `sets ${name}, which no route may`,
        cure: 'leave it out: it speaks to the browser about our whole origin, or is written by us',
      })),
  )
  if (issues.length > 0) throw new ConfigError(issues)
}

const written: ReadonlySet<string> = new Set(['content-length', 'content-location', 'location', 'pragma'])
