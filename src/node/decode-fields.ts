/** Header fields as undici and Node give them. */
import type { HeaderList } from '../runtime.ts'

/** With names in lower case already, and values that hold one byte a character, which is what Node writes them as. */
export function decodeFields(fields: Readonly<Record<string, string | string[] | undefined>>): HeaderList {
  const headers: [string, string][] = []
  for (const name in fields) {
    const value = fields[name]
    // Of HTTP/2 (RFC 9113 §8.3).
    if (value === undefined || name.startsWith(':')) continue
    if (typeof value === 'string') headers.push([name, value])
    else for (const one of value) headers.push([name, one])
  }
  return headers
}
