/** Which characters a request target may hold, looked up by code. */

/**
 * A path's characters besides `/ ; % ?`: RFC 3986's `pchar`, and `[ ] |`, which browsers send as they are. Others
 * (`" < > ^ { }` and the backtick) are encoded by some URL parsers: what is checked would not be what is sent.
 */
export function isPathCharacter(code: number): boolean {
  return code < 128 && classes[code] === inPathAndQuery
}

/** A query's characters besides `%`: printable ASCII without `" # < >`. */
export function isQueryCharacter(code: number): boolean {
  return code < 128 && classes[code] !== nowhere
}

/** NaN, which `charCodeAt` gives beyond the end, is not one. */
export function isHexDigit(code: number): boolean {
  return hexValue(code) >= 0
}

/** The octet that the escape at this place stands for; -1 if there is no whole escape. */
export function octetOfEscape(raw: string, at: number): number {
  if (raw.charCodeAt(at) !== 0x25) return -1
  const high = hexValue(raw.charCodeAt(at + 1))
  const low = hexValue(raw.charCodeAt(at + 2))
  return high < 0 || low < 0 ? -1 : high * 16 + low
}

function hexValue(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  if (code >= 0x41 && code <= 0x46) return code - 0x37
  if (code >= 0x61 && code <= 0x66) return code - 0x57
  return -1
}

const nowhere = 0
const inQuery = 1
const inPathAndQuery = 2

const classes = new Uint8Array(128)
for (let code = 0x21; code <= 0x7e; code++) {
  const character = String.fromCharCode(code)
  if ('"#<>'.includes(character)) continue
  classes[code] = '^`{}\\%/;?'.includes(character) ? inQuery : inPathAndQuery
}
