/**
 * Where the browser goes after sign-in: a path on this origin, so that sign-in is no open redirector (RFC 9700 §4.11).
 */
import { CoatcheckError } from '../errors.ts'

export const maxReturnToBytes = 1024

/**
 * Takes the decoded `return_to` parameter and gives path, query and fragment as a browser would write them: printable
 * ASCII, beginning with exactly one slash. `/` if the parameter is not there.
 *
 * @param reserved whether a path belongs to our endpoints or to a proxied route: those are no pages. It is asked
 *   for the path as it is written and for what it decodes to, since routers differ in which they look at.
 * @throws CoatcheckError `invalid_return_to`
 */
export function parseReturnTo(value: string | undefined, reserved: (path: string) => boolean): string {
  if (value === undefined) return '/'
  // Before the URL parser, which strips tabs, line breaks and spaces, and takes a backslash for a slash.
  if (value.length > maxReturnToBytes || !value.startsWith('/') || value.startsWith('//')) throw invalid()
  if (!value.isWellFormed() || holdsRefusedCharacter(value)) throw invalid()
  const url = URL.parse(value, base)
  if (!url || url.origin !== base || url.username !== '' || url.password !== '') throw invalid()

  // `/.//host` and `/x/..//host` are one slash before normalization and two after it.
  const path = url.pathname
  if (path.startsWith('//')) throw invalid()
  const decoded = decodePath(path)
  // Encoded again, because routes are written so: `/caf%C3%A9%2Forders` is below `/caf%C3%A9` to who decodes.
  if (reserved(path) || (decoded !== path && reserved(encodeURI(decoded)))) throw invalid()

  const normalized = url.href.slice(base.length)
  if (normalized.length > maxReturnToBytes) throw invalid()
  return normalized
}

/** Stands for our origin, whatever it is: a path means the same on each. */
const base = 'https://return-to.invalid'

function invalid(): CoatcheckError {
  return new CoatcheckError('invalid_return_to')
}

/** Controls (C0, DEL, C1), line and paragraph separators, backslash. */
function holdsRefusedCharacter(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code < 0x20 || (code >= 0x7f && code <= 0x9f) || code === 0x5c || code === 0x2028 || code === 0x2029)
      return true
  }
  return false
}

/**
 * What a router that decodes sees. Refused if that is another place than what is written: a slash more at the front,
 * a dot segment, a control, a backslash, or no text at all.
 */
function decodePath(path: string): string {
  if (!path.includes('%')) return path
  let decoded: string
  try {
    decoded = decodeURIComponent(path)
  } catch {
    throw invalid()
  }
  if (decoded.startsWith('//') || holdsRefusedCharacter(decoded)) throw invalid()
  for (const segment of decoded.split('/')) {
    if (segment === '.' || segment === '..') throw invalid()
  }
  return decoded
}
