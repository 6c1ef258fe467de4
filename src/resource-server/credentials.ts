/** The access token of a request: from the Authorization field alone (RFC 6750 §2.1), never from a query or a form. */
import { GuardError } from './guard-error.ts'

export interface Credentials {
  readonly scheme: 'Bearer' | 'DPoP'
  readonly token: string
}

/** @returns undefined if there are none of a scheme that is known here */
export function readCredentials(authorization: string | null): Credentials | undefined {
  if (authorization === null) return undefined
  const nameEnd = authorization.indexOf(' ')
  const name = (nameEnd < 0 ? authorization : authorization.slice(0, nameEnd)).toLowerCase()
  if (name !== 'bearer' && name !== 'dpop') return undefined
  const scheme = name === 'dpop' ? 'DPoP' : 'Bearer'
  // What is no token68 is no JWT either, and refused as that.
  const token = nameEnd < 0 ? '' : authorization.slice(nameEnd).trim()
  // A repeated field arrives joined by commas, and no token has one (RFC 6750 §3.1, RFC 9110 §5.3).
  if (token.includes(',')) throw new GuardError('invalid_request', { reason: 'repeated_authorization', scheme })
  return { scheme, token }
}
