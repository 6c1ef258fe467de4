/**
 * What a JWT must look like before anything of it is believed. jose decodes base64url loosely where the runtime does
 * (padding, white space, left-over bits), and JSON takes the last of two members with one name; here a token has one
 * spelling and one meaning, so that two parsers cannot understand it differently.
 */
import { countParsed, countWritten } from './unique-members.ts'

/** A compact JWS in its canonical spelling. Nothing of it is verified. */
export interface UnverifiedJwt {
  readonly header: JsonObject
  /** In base64url, as it came. */
  readonly payloadPart: string
}

export type JsonObject = Readonly<Record<string, unknown>>

const threeParts = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/

/** The headers that were met: an issuer's tokens differ in the payload only. Cleared when strangers fill it. */
const knownHeaders = new Map<string, JsonObject>()
const mostKnownHeaders = 64

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Gives undefined for what is no JWT in its one canonical spelling: JWE, unsigned and detached ones included. */
export function readJwt(token: string, maxBytes: number): UnverifiedJwt | undefined {
  if (token.length > maxBytes || !threeParts.test(token)) return undefined
  const headerEnd = token.indexOf('.')
  const payloadEnd = token.indexOf('.', headerEnd + 1)
  const isSpeltOut =
    isCanonical(token, 0, headerEnd) &&
    isCanonical(token, headerEnd + 1, payloadEnd) &&
    isCanonical(token, payloadEnd + 1, token.length)
  if (!isSpeltOut) return undefined
  const header = readHeader(token.slice(0, headerEnd))
  return header && { header, payloadPart: token.slice(headerEnd + 1, payloadEnd) }
}

/** The object that the payload is, if it is one: for what has to be known before it is verified. */
export function readPayload({ payloadPart }: UnverifiedJwt): JsonObject | undefined {
  return readObject(decode(payloadPart))
}

/** The object that these bytes are, as `readObject` says. A byte order mark is none of JSON: some decoders drop it, some do not. */
export function readObjectOf(bytes: Uint8Array): JsonObject | undefined {
  try {
    return readObject(utf8.decode(bytes))
  } catch {
    // Not UTF-8.
    return undefined
  }
}

/** The object that this text is, if it is one, and no member of it is there twice. */
export function readObject(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text)
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    return isObject && hasUniqueMembers(text, value) ? (value as JsonObject) : undefined
  } catch {
    // Not JSON, which is all that is asked here.
    return undefined
  }
}

/**
 * RFC 7515 §4, RFC 7519 §4: names are unique.
 *
 * @param text valid JSON, and `value` what was made of it
 */
function hasUniqueMembers(text: string, value: unknown): boolean {
  return countWritten(text) === countParsed(value)
}

function readHeader(part: string): JsonObject | undefined {
  const known = knownHeaders.get(part)
  if (known) return known
  const header = readObject(decode(part))
  if (!header) return undefined
  if (knownHeaders.size >= mostKnownHeaders) knownHeaders.clear()
  knownHeaders.set(part, Object.freeze(header))
  return header
}

/**
 * One character for each byte. What structures JSON is ASCII, and in UTF-8 no byte of another character looks like it, so
 * that members can be found in this text, and those compared that are ASCII.
 */
function decode(part: string): string {
  return atob(part.replaceAll('-', '+').replaceAll('_', '/'))
}

/** A length that base64url has, and the bits of the last character that stand for nothing are zero (RFC 4648 §3.5). */
function isCanonical(token: string, start: number, end: number): boolean {
  const rest = (end - start) % 4
  if (rest === 0) return true
  const last = token.charAt(end - 1)
  return rest === 2 ? 'AQgw'.includes(last) : rest === 3 && 'AEIMQUYcgkosw048'.includes(last)
}
