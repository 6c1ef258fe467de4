/** What a failed request for or about a token means for the call that needed it. */
import * as client from 'openid-client'
import { CoatcheckError, tokenRefused } from '../errors.ts'

const trouble: ReadonlySet<string> = new Set(['invalid_client', 'server_error', 'temporarily_unavailable'])

/**
 * `token_refused` where the server decided, `provider_unavailable` where it did not: it is out, or does not take us for a
 * client, which says nothing about the token.
 */
export function tokenFailure(cause: unknown): CoatcheckError {
  if (cause instanceof CoatcheckError) return cause
  if (cause instanceof client.ResponseBodyError) {
    const isDecision = cause.status < 500 && cause.status !== 429 && !trouble.has(cause.error)
    return isDecision ? tokenRefused(cause) : unavailable(cause, cause.response)
  }
  return unavailable(cause, responseOf(cause))
}

export function unavailable(cause: unknown, response?: Response): CoatcheckError {
  const asked = response?.headers.get('retry-after') ?? ''
  const seconds = /^\d{1,5}$/.test(asked) ? asked : '5'
  return new CoatcheckError('provider_unavailable', { headers: { 'Retry-After': seconds }, cause })
}

/** The log shows codes, and no messages. */
export function coded(code: string): Error {
  return Object.assign(new Error(code), { code })
}

function responseOf(error: unknown): Response | undefined {
  if (error instanceof client.WWWAuthenticateChallengeError) return error.response
  return error instanceof client.ClientError && error.cause instanceof Response ? error.cause : undefined
}
