/**
 * Keys from the operator's secrets. iron-session does not bind a seal to a purpose and stretches its
 * password with one PBKDF2 round only, so each purpose, front end and provider gets a password of its own,
 * derived from a secret of full entropy (HKDF, RFC 5869).
 */
import * as base64url from 'jose/base64url'

/** Everything that is sealed or signed, one name each. A new use gets a new name. */
export type Purpose =
  | 'session'
  | 'login'
  | 'logout'
  | 'marker'
  | 'ledger'
  | 'result'
  | 'ticket'
  | 'ticket-session'
  | 'about'
  | 'revocation'
  | 'subject-index'
  | 'sid-index'
  | 'listed-id'
  | 'logout-mark'
  | 'split'

/** What a key is bound to besides its purpose. */
export interface KeyContext {
  readonly origin: string
  readonly issuer: string
  readonly clientId: string
}

export interface Passwords {
  /** Numbers by which a seal names the secret it was made with: the same wherever the secret is the same. */
  readonly currentId: string
  readonly byId: Readonly<Record<string, string>>
}

/**
 * @param secrets 32 bytes of base64url each; the first seals, all open
 * @param salt a key that the server does not keep: then neither it nor a secret opens anything without the other (S1)
 */
export async function derivePasswords(
  secrets: readonly string[],
  purpose: Purpose,
  context: KeyContext,
  salt = '',
): Promise<Passwords> {
  const entries = await Promise.all(secrets.map((secret) => derivePassword(secret, purpose, context, salt)))
  const [current] = entries
  if (!current) throw new TypeError('no session secret')
  return { currentId: current.id, byId: Object.fromEntries(entries.map(({ id, password }) => [id, password])) }
}

async function derivePassword(secret: string, purpose: Purpose, context: KeyContext, salt: string) {
  const material = await crypto.subtle.importKey('raw', new Uint8Array(base64url.decode(secret)), 'HKDF', false, [
    'deriveBits',
  ])
  const info = JSON.stringify(['coatcheck/1', purpose, context.origin, context.issuer, context.clientId])
  const bits = new Uint8Array(
    await crypto.subtle.deriveBits(
      { name: 'HKDF', hash: 'SHA-256', salt: new TextEncoder().encode(salt), info: new TextEncoder().encode(info) },
      material,
      36 * 8,
    ),
  )
  // iron-session names passwords by number.
  const id = String(new DataView(bits.buffer).getUint32(32))
  return { id, password: base64url.encode(bits.subarray(0, 32)) }
}
