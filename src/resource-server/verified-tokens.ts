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

/** Of the longest tokens that are taken by default they are 80 MB for each issuer: a Worker has 128 MB in all. */
const mostEver = 10_000

/** Of 1 KB they are 1 MB, and 8 MB of the longest. */
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
  const entries = new Map<string, Entry>()
  const ring = emptyRing()

  function forget(entry: Entry): void {
    unlink(entry)
    entries.delete(endOf(entry.token))
  }

  return {
    has: (token) => entries.get(endOf(token))?.token === token,
    add(token) {
      const end = endOf(token)
      const known = entries.get(end)
      if (known?.token === token) {
        unlink(known)
        linkLast(known, ring)
        return
      }
      // Another token with the same end, which takes its place.
      if (known) forget(known)
      if (entries.size >= maxTokens) forget(ring.after)
      const entry = { token, before: ring, after: ring }
      linkLast(entry, ring)
      entries.set(end, entry)
    },
  }
}

/**
 * What a token is looked up by: its last 43 characters, which are 256 bits of its signature. To hash a key a map reads all of
 * it, and a token is a new string in each call. That they are there says nothing yet: the whole is compared.
 */
function endOf(token: string): string {
  return token.slice(-43)
}

/**
 * In the ring in the order of their last use: after its head comes the one that was not used for longest, before it the last.
 * A map has an order, too, but its first entry is found by walking over what was deleted before it.
 */
interface Entry {
  readonly token: string
  before: Entry
  after: Entry
}

function emptyRing(): Entry {
  const head = { token: '' } as Entry
  head.before = head
  head.after = head
  return head
}

function unlink({ before, after }: Entry): void {
  before.after = after
  after.before = before
}

function linkLast(entry: Entry, ring: Entry): void {
  entry.before = ring.before
  entry.after = ring
  ring.before.after = entry
  ring.before = entry
}
