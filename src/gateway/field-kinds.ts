/** Which routes a field of an upstream's answer may pass on, by its name alone. */
import {
  isAboutOurOrigin,
  isChallenge,
  isForPagesOnly,
  isHopByHop,
  isRateLimitField,
} from '../config/response-header-names.ts'
import { isToken } from './fields.ts'

/**
 * - `usual` passes on every route, `never` on none.
 * - `page` says something about a document, and passes on routes of `content: 'page'`.
 * - `challenge` speaks of the access token, and passes on open routes.
 * - `rate-limit` passes where the route has no limits of its own.
 */
export type FieldKind = 'usual' | 'never' | 'page' | 'challenge' | 'rate-limit'

/** An API sends the same few names with every answer; to look one up in all the lists takes longer than to know it again. */
const known = new Map<string, FieldKind>()
/** Whoever sends ever new names, or long ones, is only not helped. */
const mostKnown = 1000
const longestKnown = 64

/** @param name in lower case; any other is no name of a `HeaderList`, and never passes */
export function kindOf(name: string): FieldKind {
  const before = known.get(name)
  if (before !== undefined) return before
  const kind = lookUp(name)
  if (name.length > longestKnown) return kind
  if (known.size >= mostKnown) known.clear()
  known.set(name, kind)
  return kind
}

function lookUp(name: string): FieldKind {
  if (!isToken(name) || name !== name.toLowerCase()) return 'never'
  if (isHopByHop(name) || isAboutOurOrigin(name)) return 'never'
  if (isChallenge(name)) return 'challenge'
  if (isForPagesOnly(name)) return 'page'
  return isRateLimitField(name) ? 'rate-limit' : 'usual'
}
