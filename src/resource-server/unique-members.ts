/** Members of JSON, counted as they are written and as they were understood: `JSON.parse` keeps the last of two alike. */

const quote = 0x22
const colon = 0x3a
const backslash = 0x5c

/** @param text valid JSON: every member of it has one colon outside of strings */
export function countWritten(text: string): number {
  let count = 0
  let isInString = false
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code === quote) isInString = !isInString
    else if (code === colon) count += isInString ? 0 : 1
    else if (code === backslash) index++
  }
  return count
}

/** @param value what `JSON.parse` gave */
export function countParsed(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  let count = 0
  if (Array.isArray(value)) {
    for (const item of value) count += countParsed(item)
    return count
  }
  for (const name of Object.keys(value)) count += 1 + countParsed((value as Record<string, unknown>)[name])
  return count
}
