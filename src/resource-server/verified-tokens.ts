/**
 * Which tokens had a valid signature by the keys of one fetch. A client sends the same token with each call for minutes,
 * and its signature is most of what a call costs. Nothing else about a token is remembered, and no failure.
 */

export interface VerifiedTokens {
  /** Whether this very token was added: it is compared whole, head, payload and signature. */
  has(token: string): boolean
  /** Adds it, or makes it the one that was used last. In a full memory the one that was not used for longest goes. */
  add(token: string): void
}

/** More would be slow: who is to go is found by walking over what has gone before. */
const mostEver = 10_000

/** Of 1 KB they are 1 MB for each issuer, and 8 MB of the longest that are taken by default: a Worker has 128 MB in all. */
const defaultMost = 1000

/** @throws TypeError */
export function readMaxVerifiedTokens(value: number = defaultMost): number {
  if (Number.isInteger(value) && value >= 0 && value <= mostEver) return value
  throw new TypeError(`\`keys.maxVerifiedTokens\` is not a whole number from 0 to ${mostEver}: ${value}`)
}

/** For tokens that are not to be remembered. */
export const nothingVerified: VerifiedTokens = { has: () => false, add: () => undefined }

export function verifiedTokens(maxTokens: number): VerifiedTokens {
  if (maxTokens === 0) return nothingVerified
  /** In the order of their last use. */
  const tokens = new Set<string>()
  return {
    has: (token) => tokens.has(token),
    add(token) {
      if (!tokens.delete(token) && tokens.size >= maxTokens) deleteFirst(tokens)
      tokens.add(token)
    },
  }
}

/** With an iterator of its own each time: one that is kept keeps all that the set ever held. */
function deleteFirst(tokens: Set<string>): void {
  for (const first of tokens) {
    tokens.delete(first)
    return
  }
}
