/** The query of a route that has rules for it: which parameters it may have, which are taken out, which are ours. */
import type { QueryRules } from '../config/types.ts'
import { CoatcheckError } from '../errors.ts'

/**
 * What is not touched stays byte for byte. Names are compared as a server reads them, escapes and `+` decoded; those that
 * are taken out without regard to case.
 *
 * @param query `''`, or with its question mark
 * @throws CoatcheckError `query_refused`
 */
export function rewriteQuery(query: string, rules: QueryRules | undefined): string {
  if (rules === undefined) return query
  const kept: string[] = []
  for (const pair of query.slice(1).split('&')) {
    if (pair === '') continue
    // Some servers end a parameter there, and would see one more that nobody looked at.
    if (pair.includes(';')) throw new CoatcheckError('query_refused')
    const name = nameOf(pair)
    if (rules.remove.has(name.toLowerCase())) continue
    if (rules.allow !== undefined && !rules.allow.has(name)) throw new CoatcheckError('query_refused')
    kept.push(pair)
  }
  if (rules.set !== '') kept.push(rules.set)
  return kept.length === 0 ? '' : `?${kept.join('&')}`
}

/** @throws CoatcheckError `query_refused` for a name that is no text */
function nameOf(pair: string): string {
  const [name = ''] = pair.split('=', 1)
  try {
    return decodeURIComponent(name.replaceAll('+', ' '))
  } catch (cause) {
    throw new CoatcheckError('query_refused', { cause })
  }
}
