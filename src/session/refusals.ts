/** What a caller is told when a session cannot serve it now, or at all (protocol.md R7). */
import { CoatcheckError } from '../errors.ts'
import type { Session } from './session.ts'

/** `silent`: a sign-in with `prompt=none` may do, because the server did not refuse the person. */
export function loginRequired(isSilentPossible: boolean): CoatcheckError {
  return new CoatcheckError('login_required', isSilentPossible ? { members: { silent: true } } : {})
}

/** After a refresh that cannot be had any more, for whatever reason. */
export function refreshImpossible(session: Session): CoatcheckError {
  return loginRequired(session.isRefreshLost || session.tokens.refreshToken === undefined)
}

/** An old seal whose successor's tokens are not kept any more: its own refresh token is spent, and never sent (R9). */
export function successorUnknown(): CoatcheckError {
  return loginRequired(true)
}

/** The session stands: come back when the authorization server may be well. */
export function comeBack(delayMs: number, cause: unknown): CoatcheckError {
  return new CoatcheckError('provider_unavailable', {
    headers: { 'Retry-After': String(Math.max(1, Math.ceil(delayMs / 1000))) },
    cause,
  })
}

/** The session stands: come back when the store may be well. */
export function storeUnavailable(cause: unknown): CoatcheckError {
  return new CoatcheckError('store_unavailable', { headers: { 'Retry-After': '2' }, cause })
}
