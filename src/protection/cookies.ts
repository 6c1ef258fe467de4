/** Our cookies on the wire: read by exact name, and written with the attributes that all of them have. */
import { serialize } from 'hono/utils/cookie'

export interface CookieOptions {
  readonly sameSite: 'Strict' | 'Lax'
  /** Without it the cookie ends with the browser's session. */
  readonly maxAgeSeconds?: number
}

/**
 * The values of those cookies of a `Cookie` field whose names are ours. Names are case-sensitive, values are taken
 * as they came (RFC 6265 §5.4).
 *
 * A name that occurs with two values is left out: a browser that enforces `__Host-` holds only one, so the other was
 * planted from a sibling domain or over plain HTTP, and which comes first proves nothing. Taking either would let
 * an attacker put a session of his own under the user; taking none signs the browser out until the planted cookie is gone.
 */
export function readCookies(
  header: string | undefined,
  isOurs: (name: string) => boolean,
): ReadonlyMap<string, string> {
  if (header === undefined || header === '') return noCookies
  let found: Map<string, string | undefined> | undefined
  let equals = -1
  for (let start = 0; start < header.length; ) {
    const semicolon = header.indexOf(';', start)
    const end = semicolon < 0 ? header.length : semicolon
    // Looked for once over the whole field, not once a cookie: a field of semicolons alone costs no more than its length.
    if (equals < start) equals = header.indexOf('=', start)
    if (equals < 0) break
    if (equals < end) {
      const name = withoutSpaceAround(header.slice(start, equals))
      if (isOurs(name)) {
        const value = withoutSpaceAround(header.slice(equals + 1, end))
        found ??= new Map()
        const isSecond = found.has(name) && found.get(name) !== value
        found.set(name, isSecond || !isCookieValue(value) ? undefined : value)
      }
    }
    start = end + 1
  }
  if (!found) return noCookies
  const cookies = new Map<string, string>()
  for (const [name, value] of found) if (value !== undefined) cookies.set(name, value)
  return cookies
}

/**
 * A `Set-Cookie` value: `Secure; HttpOnly; Path=/`, no `Domain`. The value is written as it is, since it is read so.
 *
 * @throws Error if the value would have to be encoded, or the cookie would outlive 400 days
 */
export function serializeCookie(name: string, value: string, options: CookieOptions): string {
  const { maxAgeSeconds } = options
  if (encodeURIComponent(value) !== value)
    throw new Error(`the value of the cookie ${name} has to be base64url or alike`)
  return serialize(name, value, {
    path: '/',
    secure: true,
    httpOnly: true,
    sameSite: options.sameSite,
    ...(maxAgeSeconds === undefined ? {} : { maxAge: Math.max(0, Math.floor(maxAgeSeconds)) }),
  })
}

const noCookies: ReadonlyMap<string, string> = new Map()

/** Spaces and tabs only (RFC 6265 §5.2): `trim` would take characters away that make the value none. */
function withoutSpaceAround(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && isSpace(text.charCodeAt(start))) start++
  while (end > start && isSpace(text.charCodeAt(end - 1))) end--
  return text.slice(start, end)
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09
}

/**
 * `cookie-octet`s (RFC 6265 §4.1.1); quotes, which we never write, are none. An expression, because it goes over the
 * three thousand characters of a session in a quarter of the time that a loop takes.
 */
const cookieOctets = /^[!#-+\--:<-[\]-~]*$/

function isCookieValue(value: string): boolean {
  return cookieOctets.test(value)
}
