/** The one way in which a token may come: `Authorization: Bearer` (RFC 6750 §2.1), never a form, a query or a cookie. */
import type { IncomingHeaders } from '../runtime.ts'

/** Of our challenges: a Bearer challenge has one parameter at least (RFC 6750 §3). */
export const bearerRealm = 'coatcheck'

export type BearerCredential =
  | { readonly kind: 'none' }
  /** Something that is no bearer token: another scheme, a cookie. */
  | { readonly kind: 'other' }
  /** A bearer token that cannot be one, as it is too long or not of the characters that tokens have. */
  | { readonly kind: 'malformed' }
  | { readonly kind: 'token'; readonly token: string }

/** RFC 6750 §2.1 `b64token`. Two fields, which runtimes join by a comma, are none. */
const form = /^bearer +([A-Za-z0-9\-._~+/]+=*)$/i

export function bearerOf(headers: IncomingHeaders, maxLength: number): BearerCredential {
  const { authorization } = headers
  if (authorization === undefined) return { kind: headers.cookie === undefined ? 'none' : 'other' }
  if (!/^bearer(?: |$)/i.test(authorization)) return { kind: 'other' }
  // Before it is looked at: the scheme and a space are seven.
  if (authorization.length > maxLength + 7) return { kind: 'malformed' }
  const token = form.exec(authorization)?.[1]
  return token === undefined ? { kind: 'malformed' } : { kind: 'token', token }
}

/** Whether somebody brings an access token. A browser may bring a name and password, for a proxy in front of us. */
export function isTokenScheme(authorization: string | undefined): boolean {
  return authorization !== undefined && /^(?:bearer|dpop)(?: |$)/i.test(authorization)
}

/**
 * Whether a token is one that its holder could read: three to five parts, the first of them a JSON object (RFC 7519 §3), in
 * whatever form a lenient reader would take: padded, in base64's other alphabet, with space before the object, or with
 * disclosures behind it (RFC 9901 §4).
 */
export function looksLikeJwt(token: string): boolean {
  const dot = token.indexOf('.')
  if (dot < 1 || !startsObject(token, dot)) return false
  let dots = 0
  for (let at = dot; at < token.length; at++) {
    const code = token.charCodeAt(at)
    if (code === tilde) break
    if (code === fullStop) dots++
  }
  return dots >= 2 && dots <= 4
}

const [tilde, fullStop, openingBrace] = [0x7e, 0x2e, 0x7b]
/** RFC 8259 §2, and the bytes of a byte order mark, which many decoders leave out. */
const beforeObject: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d, 0xef, 0xbb, 0xbf])

/** Decodes up to the first character that tells, mostly the first of all. */
function startsObject(token: string, end: number): boolean {
  let [bits, count] = [0, 0]
  for (let at = 0; at < end; at++) {
    const value = sextetOf(token.charCodeAt(at))
    if (value < 0) return false
    bits = ((bits << 6) | value) & 0xffff
    count += 6
    if (count < 8) continue
    count -= 8
    const byte = (bits >> count) & 0xff
    if (byte === openingBrace) return true
    if (!beforeObject.has(byte)) return false
  }
  return false
}

/** Of a character of base64 or base64url (RFC 4648 §4, §5); -1 for others. */
function sextetOf(code: number): number {
  if (code >= 0x41 && code <= 0x5a) return code - 0x41
  if (code >= 0x61 && code <= 0x7a) return code - 0x61 + 26
  if (code >= 0x30 && code <= 0x39) return code - 0x30 + 52
  if (code === 0x2b || code === 0x2d) return 62
  return code === 0x2f || code === 0x5f ? 63 : -1
}
