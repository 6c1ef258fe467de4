/** What every call with a session's token has in common, whether the gateway makes it or the operator's own code. */
import { CoatcheckError } from '../errors.ts'
import type { HeaderList, UpstreamResponse } from '../runtime.ts'
import type { Session } from '../session/session.ts'
import type { KeepAlive, OpenSession, Sessions } from '../session/sessions.ts'

/** Coarse, before the upstream is troubled; the API decides the rest by its claims. */
export function requireScopes(required: readonly string[], granted: string): void {
  if (required.length === 0) return
  const scopes = new Set(granted.split(' '))
  const missing = required.filter((scope) => !scopes.has(scope))
  if (missing.length > 0) throw new CoatcheckError('insufficient_scope', { members: { scope: required.join(' ') } })
}

export interface RejectedCall {
  /** The 401. */
  readonly rejected: UpstreamResponse
  /** The session as it was when the call was sent: its token was rejected. */
  readonly sentWith: Session
  readonly upstream: string
  readonly isReplayable: boolean
  readonly keepAlive: KeepAlive
}

/**
 * After a 401: one replay with a newer token, of what can be sent again (R11).
 *
 * @param send sends with the token that there is by then
 */
export async function resendWithNewToken(
  sessions: Sessions,
  open: OpenSession,
  send: () => Promise<UpstreamResponse>,
  { rejected, sentWith, upstream, isReplayable, keepAlive }: RejectedCall,
): Promise<UpstreamResponse> {
  if (!isAboutTheToken(rejected.headers)) return rejected
  let hasNewTokens = false
  try {
    hasNewTokens = await sessions.refreshAfterRejection(open, sentWith, upstream, keepAlive)
  } catch (error) {
    rejected.body?.cancel()
    throw error
  }
  if (!hasNewTokens || !isReplayable) return rejected
  rejected.body?.cancel()
  return send()
}

/** RFC 6750 §3.1: another error than `invalid_token` is not mended by another token. */
function isAboutTheToken(headers: HeaderList): boolean {
  const challenges = headers.filter(([name]) => name === 'www-authenticate').map(([, value]) => value)
  const errors = challenges.flatMap((challenge) =>
    [...challenge.matchAll(/\berror="?([\w-]+)/g)].map((match) => match[1]),
  )
  return errors.length === 0 || errors.includes('invalid_token')
}
