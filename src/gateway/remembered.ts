/** What a function of a text gives, for the few texts that come with every call. */

/** Of more texts, and of long ones, nobody is helped; nothing worse. */
const mostTexts = 1000
const longestText = 64

/** @param lookUp gives the same for the same text, always */
export function remembered<Result extends string | boolean | object | null>(
  lookUp: (text: string) => Result,
): (text: string) => Result {
  const known = new Map<string, Result>()
  return (text) => {
    const before = known.get(text)
    if (before !== undefined) return before
    const result = lookUp(text)
    if (text.length > longestText) return result
    if (known.size >= mostTexts) known.clear()
    known.set(text, result)
    return result
  }
}
