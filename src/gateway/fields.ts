/** Header fields as text: what a token and a value may hold, and lists in them (RFC 9110 §5). */

/** A `token` (RFC 9110 §5.6.2). */
export function isToken(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code >= 128 || tokenCharacters[code] !== 1) return false
  }
  return text.length > 0
}

/** No control but a tab, and one byte a character: no line break, so no second field (RFC 9110 §5.5). */
export function isFieldValue(value: string): boolean {
  for (let at = 0; at < value.length; at++) {
    const code = value.charCodeAt(at)
    if ((code < 0x20 && code !== 0x09) || code === 0x7f || code > 0xff) return false
  }
  return true
}

/** `1*DIGIT` that is a safe integer. */
export function isPlainDecimal(value: string): boolean {
  if (value.length === 0 || value.length > 15) return false
  for (let at = 0; at < value.length; at++) {
    const code = value.charCodeAt(at)
    if (code < 0x30 || code > 0x39) return false
  }
  return true
}

/** Lower-case names that `Connection` lists (RFC 9110 §7.6.1); undefined for what nearly every message says. */
export function connectionOptions(connection: string | undefined): ReadonlySet<string> | undefined {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return undefined
  const options = new Set<string>()
  for (const option of connection.split(',')) options.add(option.trim().toLowerCase())
  return options
}

/** Cuts at a separator that is in neither a quoted string nor angle brackets; undefined if one of these is left open. */
export function splitOutsideQuotes(value: string, separator: ',' | ';'): string[] | undefined {
  const parts: string[] = []
  let start = 0
  let isQuoted = false
  let isBracketed = false
  for (let at = 0; at < value.length; at++) {
    const character = value[at]
    if (isQuoted) {
      if (character === '\\') at++
      else if (character === '"') isQuoted = false
    } else if (isBracketed) {
      if (character === '>') isBracketed = false
    } else if (character === '"') {
      isQuoted = true
    } else if (character === '<') {
      isBracketed = true
    } else if (character === separator) {
      parts.push(value.slice(start, at).trim())
      start = at + 1
    }
  }
  if (isQuoted || isBracketed) return undefined
  parts.push(value.slice(start).trim())
  return parts
}

const tokenCharacters = new Uint8Array(128)
for (const character of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
  tokenCharacters[character.charCodeAt(0)] = 1
}
