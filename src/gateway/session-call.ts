/** What every call with a session's token has in common, whether the gateway makes it or the operator's own code. */
import { CoatcheckError } from '../errors.ts'
import type { HeaderList, UpstreamResponse } from '../runtime.ts'
import type { KeepAlive, OpenSession, Sessions } from '../session/sessions.ts'

/** Coarse, before the upstream is troubled; the API decides the rest by its claims. */
export function requireScopes(required: readonly string[], granted: string): void {
  if (required.length === 0) return
  const scopes = new Set(granted.split(' '))
  const missing = required.filter((scope) => !scopes.has(scope))
  if (missing.length > 0) throw new CoatcheckError('insufficient_scope', { members: { scope: required.join(' ') } })
}

/** One replay after a 401, with a newer token, of what can be sent again (R11). */
export async function sendWithFreshToken(
  sessions: Sessions,
  open: OpenSession,
  send: () => Promise<UpstreamResponse>,
  { upstream, isReplayable, keepAlive }: { upstream: string; isReplayable: boolean; keepAlive: KeepAlive },
): Promise<UpstreamResponse> {
  const sent = open.session
  const answer = await send()
  if (answer.status !== 401 || !isAboutTheToken(answer.headers)) return answer
  let hasNewTokens = false
  try {
    hasNewTokens = await sessions.refreshAfterRejection(open, sent, upstream, keepAlive)
  } catch (error) {
    answer.body?.cancel()
    throw error
  }
  if (!hasNewTokens || !isReplayable) return answer
  answer.body?.cancel()
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
