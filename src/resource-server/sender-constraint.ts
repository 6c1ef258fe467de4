/** That who presents a token is whom it is bound to: DPoP (RFC 9449 §7) and mutual TLS (RFC 8705 §3). */
import type { Call } from './call.ts'
import type { Access, AccessTokenClaims } from './claims.ts'
import type { Credentials } from './credentials.ts'
import { type ProofChecker, sha256 } from './dpop.ts'
import { GuardError } from './guard-error.ts'

/**
 * Gives the certificate that the client has shown in this connection: its bytes in DER, or the base64url of their
 * SHA-256; undefined if it has shown none. A header field will do only if whoever sets it removes what callers send.
 *
 * @example
 * ```ts
 * const clientCertificate: ClientCertificate = (call) => (call.native as TlsRequest).socket.getPeerCertificate().raw
 * ```
 */
export type ClientCertificate = (
  call: Call,
) => Uint8Array | string | undefined | Promise<Uint8Array | string | undefined>

export interface SenderConstraintParts {
  readonly proofs: ProofChecker | undefined
  readonly clientCertificate: ClientCertificate | undefined
}

/** Gives what the token is bound to and was checked against. A binding that cannot be checked here is refused. */
export async function checkSender(
  call: Call,
  credentials: Credentials,
  claims: AccessTokenClaims,
  parts: SenderConstraintParts,
): Promise<Access['boundTo']> {
  const { scheme, token } = credentials
  const confirmation = readConfirmation(claims.cnf, scheme)
  const { jkt, 'x5t#S256': certificateHash } = confirmation
  const boundTo: ('dpop' | 'mtls')[] = []

  // A bound token as Bearer is a stolen one's way around the proof (RFC 9449 §7.2); a plain one by DPoP is no better.
  if ((jkt !== undefined) !== (scheme === 'DPoP')) throw invalidToken('scheme', scheme)
  if (jkt === undefined && parts.proofs?.isRequired) throw invalidToken('not_bound', scheme)
  if (jkt !== undefined) {
    if (!parts.proofs) throw invalidToken('dpop_not_configured', scheme)
    const { method, url } = call
    await parts.proofs.check({ proof: call.headers.get('dpop'), method, url, token, jkt })
    boundTo.push('dpop')
  }
  if (certificateHash !== undefined) {
    const shown = await parts.clientCertificate?.(call)
    const hash = typeof shown === 'string' ? shown : shown && (await sha256(new Uint8Array(shown)))
    if (hash !== certificateHash) throw invalidToken('certificate', scheme)
    boundTo.push('mtls')
  }
  return boundTo
}

function readConfirmation(cnf: unknown, scheme: Credentials['scheme']): { jkt?: string; 'x5t#S256'?: string } {
  if (cnf === undefined) return {}
  if (typeof cnf !== 'object' || cnf === null || Array.isArray(cnf)) throw invalidToken('cnf', scheme)
  const members = Object.entries(cnf)
  const isKnown = members.every(([name, value]) => isKnownMember(name) && typeof value === 'string' && value !== '')
  if (!isKnown || members.length === 0) throw invalidToken('cnf', scheme)
  return cnf
}

function isKnownMember(name: string): boolean {
  return name === 'jkt' || name === 'x5t#S256'
}

function invalidToken(reason: string, scheme: Credentials['scheme']): GuardError {
  return new GuardError('invalid_token', { reason, scheme })
}
