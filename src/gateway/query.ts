/** The query of a route that has rules for it: which parameters it may have, which are taken out, which are ours. */
import { withUnderscores } from '../config/message-rules.ts'
import type { QueryRules } from '../config/types.ts'
import { CoatcheckError } from '../errors.ts'

/**
 * What is not touched stays byte for byte. Names are compared as a server reads them, escapes and `+` decoded; those that
 * are taken out also as lenient servers read them (`readingsOf`).
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
    if (readingsOf(name).some((reading) => rules.remove.has(reading))) continue
    if (rules.allow !== undefined && !rules.allow.has(name)) throw new CoatcheckError('query_refused')
    kept.push(pair)
  }
  if (rules.set !== '') kept.push(rules.set)
  return kept.length === 0 ? '' : `?${kept.join('&')}`
}

/**
 * What servers may make of a name, in lower case. Case and white space around it may not count; `name[x]`, `[name]` and
 * `name.x` are parts of `name` (qs, Rack, Spring); PHP writes `_` for a space, a dot, and a bracket that is never closed.
 */
function readingsOf(name: string): readonly string[] {
  const whole = name.trim().toLowerCase()
  if (!/[\s.[\]]/.test(whole)) return [whole]
  const inner = whole.replace(/^[\s[]+/, '')
  const root = upTo(inner, /[[\]]/)
  return [whole, upTo(inner, /[[\].]/).trim(), withUnderscores(root), withUnderscores(whole)]
}

function upTo(text: string, end: RegExp): string {
  const at = text.search(end)
  return at < 0 ? text : text.slice(0, at)
}

/** @throws CoatcheckError `query_refused` for a name that is no text, or has a NUL in it, where some servers end it */
function nameOf(pair: string): string {
  const [name = ''] = pair.split('=', 1)
  let decoded: string
  try {
    decoded = decodeURIComponent(name.replaceAll('+', ' '))
  } catch (cause) {
    throw new CoatcheckError('query_refused', { cause })
  }
  if (decoded.includes('\0')) throw new CoatcheckError('query_refused')
  return decoded
}
