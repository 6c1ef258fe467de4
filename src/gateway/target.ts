/**
 * One canonical target (design.md, "What the browser may send"): the request target is read once, as the bytes that
 * came, and is refused where two readers could see two things in it. Nothing is repaired.
 *
 * Lower-case hex (`%c3`) passes as sent. It is equivalent to `%C3` (RFC 3986 §6.2.2.1), so it must not choose
 * another route: `match.ts` compares a form in which both are one.
 *
 * The query is data for the API and chooses nothing here. It has to be printable ASCII with whole escapes;
 * which bytes the escapes stand for is not looked at (`..`, `;`, `%2F`, `%00` are legal there).
 */
import { CoatcheckError } from '../errors.ts'
import { isHexDigit, isPathCharacter, isQueryCharacter, octetOfEscape } from './uri-characters.ts'

/** Longest request target in bytes. */
export const maxTargetBytes = 8192

export interface Target {
  /** Begins with one slash. */
  readonly path: string
  /** `''`, or the query with its question mark. */
  readonly query: string
  /** Holds `%2F`: only for a route that allows it. */
  readonly hasEncodedSlash: boolean
  /** Holds `;` or `%3B`: only for a route that allows it. */
  readonly hasSemicolon: boolean
}

/**
 * Reads a request target before its route is known. What only some routes take is recorded; the caller asks
 * `assertRouteTakes` after the match.
 *
 * @throws CoatcheckError `path_not_canonical`
 */
export function checkTarget(raw: string): Target {
  const length = raw.length
  // Origin-form alone (RFC 9112 §3.2.1); absolute-form, authority-form and `*` do not begin with a slash.
  if (length === 0 || length > maxTargetBytes || raw.charCodeAt(0) !== slash) throw notCanonical()

  let hasEncodedSlash = false
  let hasSemicolon = false
  let hasParameters = false
  let segmentStart = 1
  let at = 1
  for (; at < length; at++) {
    const code = raw.charCodeAt(at)
    if (code === questionMark) break
    if (code === slash) {
      if (!hasParameters) assertSegment(raw, segmentStart, at)
      hasParameters = false
      segmentStart = at + 1
    } else if (code === percent) {
      const octet = octetOfEscape(raw, at)
      if (octet >= 0x80) {
        at += lengthOfUtf8Escapes(raw, at, octet) - 1
        continue
      }
      if (isForbiddenOctet(octet)) throw notCanonical()
      if (octet === slash) {
        // A server that decodes it sees a boundary: neither reading may hold a dot segment or an empty one.
        hasEncodedSlash = true
        if (!hasParameters) assertSegment(raw, segmentStart, at)
        hasParameters = false
        segmentStart = at + 3
      } else if (octet === semicolon) {
        hasSemicolon = true
        if (!hasParameters) assertSegment(raw, segmentStart, at)
        hasParameters = true
      } else if (octet === space || octet === numberSign || octet === questionMark) {
        // A server that decodes, and then reads a URL, sees its end: `..%3Fx` is `..` to it, and so is `..%20`.
        if (!hasParameters && segmentStart < at) assertSegment(raw, segmentStart, at)
      }
      at += 2
    } else if (code === semicolon) {
      // Servers that cut off parameters see what is before them: `..;x` is `..` to them.
      hasSemicolon = true
      if (!hasParameters) assertSegment(raw, segmentStart, at)
      hasParameters = true
    } else if (!isPathCharacter(code)) {
      throw notCanonical()
    }
  }
  if (!hasParameters && segmentStart < at) assertSegment(raw, segmentStart, at)
  if (at === length) return { path: raw, query: '', hasEncodedSlash, hasSemicolon }
  assertQuery(raw, at + 1)
  return { path: raw.slice(0, at), query: raw.slice(at), hasEncodedSlash, hasSemicolon }
}

/** @throws CoatcheckError `path_not_canonical` if the target holds what this route does not take. */
export function assertRouteTakes(target: Target, route: { allowEncodedSlash: boolean; allowSemicolon: boolean }): void {
  if (target.hasEncodedSlash && !route.allowEncodedSlash) throw notCanonical()
  if (target.hasSemicolon && !route.allowSemicolon) throw notCanonical()
}

const space = 0x20
const numberSign = 0x23
const slash = 0x2f
const percent = 0x25
const dot = 0x2e
const semicolon = 0x3b
const backslash = 0x5c
const questionMark = 0x3f

function notCanonical(): CoatcheckError {
  return new CoatcheckError('path_not_canonical')
}

/** A segment that something follows: not empty (`//`), not `.`, not `..`. */
function assertSegment(raw: string, start: number, end: number): void {
  const length = end - start
  if (length > 2) return
  if (length === 0) throw notCanonical()
  if (raw.charCodeAt(start) === dot && (length === 1 || raw.charCodeAt(start + 1) === dot)) throw notCanonical()
}

/** Escapes that hide what is looked at, or that have a plain spelling (unreserved, RFC 3986 §6.2.2.2). */
function isForbiddenOctet(octet: number): boolean {
  if (octet <= 0x1f || octet === 0x7f || octet === percent || octet === backslash) return true
  return isUnreserved(octet)
}

function isUnreserved(code: number): boolean {
  if (code >= 0x61 && code <= 0x7a) return true
  if (code >= 0x41 && code <= 0x5a) return true
  if (code >= 0x30 && code <= 0x39) return true
  return code === 0x2d || code === dot || code === 0x5f || code === 0x7e
}

/**
 * How many characters the escapes of one UTF-8 sequence take. Refuses overlong forms, surrogates, what is beyond
 * U+10FFFF, what is cut off (RFC 3629 §4), and the C1 controls.
 */
function lengthOfUtf8Escapes(raw: string, at: number, first: number): number {
  let following: number
  let low = 0x80
  let high = 0xbf
  if (first >= 0xc2 && first <= 0xdf) {
    following = 1
    if (first === 0xc2) low = 0xa0
  } else if (first >= 0xe0 && first <= 0xef) {
    following = 2
    if (first === 0xe0) low = 0xa0
    if (first === 0xed) high = 0x9f
  } else if (first >= 0xf0 && first <= 0xf4) {
    following = 3
    if (first === 0xf0) low = 0x90
    if (first === 0xf4) high = 0x8f
  } else {
    throw notCanonical()
  }
  for (let index = 1; index <= following; index++) {
    const octet = octetOfEscape(raw, at + index * 3)
    if (octet < low || octet > high) throw notCanonical()
    low = 0x80
    high = 0xbf
  }
  return (following + 1) * 3
}

function assertQuery(raw: string, start: number): void {
  for (let at = start; at < raw.length; at++) {
    const code = raw.charCodeAt(at)
    if (code === percent) {
      if (!isHexDigit(raw.charCodeAt(at + 1)) || !isHexDigit(raw.charCodeAt(at + 2))) throw notCanonical()
      at += 2
    } else if (!isQueryCharacter(code)) {
      throw notCanonical()
    }
  }
}
