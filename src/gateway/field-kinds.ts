/** Which routes a field of an upstream's answer may pass on, by its name alone. */
import {
  isAboutOurOrigin,
  isChallenge,
  isForPagesOnly,
  isHopByHop,
  isRateLimitField,
} from '../config/response-header-names.ts'
import { isToken } from './fields.ts'
import { remembered } from './remembered.ts'

/**
 * - `usual` passes on every route, `never` on none.
 * - `page` says something about a document, and passes on routes of `content: 'page'`.
 * - `challenge` speaks of the access token, and passes on open routes.
 * - `rate-limit` passes where the route has no limits of its own.
 */
export type FieldKind = 'usual' | 'never' | 'page' | 'challenge' | 'rate-limit'

/** @param name in lower case; any other is no name of a `HeaderList`, and never passes */
export const kindOf: (name: string) => FieldKind = remembered((name) => {
  if (!isToken(name) || name !== name.toLowerCase()) return 'never'
  if (isHopByHop(name) || isAboutOurOrigin(name)) return 'never'
  if (isChallenge(name)) return 'challenge'
  if (isForPagesOnly(name)) return 'page'
  return isRateLimitField(name) ? 'rate-limit' : 'usual'
})
