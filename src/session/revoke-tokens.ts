/** Revocation of a session's tokens at the authorization server (RFC 7009). */
import type { Report } from '../observability/events.ts'
import type { Grant } from './refresh-run.ts'
import { type Session, shortId } from './session.ts'

/** Never rejects: the session is over whatever the server says, and what it did not take is reported (E1). */
export async function revokeTokens(
  { grant, report }: { grant: Pick<Grant, 'revoke'>; report: Report },
  session: Pick<Session, 'id' | 'tokens'>,
): Promise<void> {
  try {
    await grant.revoke(session.tokens)
  } catch (cause) {
    report({ event: 'revocation_failed', session: shortId(session), cause })
  }
}
