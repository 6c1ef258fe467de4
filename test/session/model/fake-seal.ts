/** Seals that name their key and purpose and hide nothing: sealing for real would take the machine's own time. */
import type { KeyedHash } from '../../../src/session/keyed-hash.ts'
import type { Sealer } from '../../../src/session/seal.ts'

export function sealer(secrets: readonly string[], purpose: string, _context: unknown, key = ''): Sealer {
  return {
    seal: async (text) => `${secrets[0]}|${purpose} ${key}|${text}`,
    async open(seal) {
      const [secret = '', sealedFor, ...text] = seal.split('|')
      return secrets.includes(secret) && sealedFor === `${purpose} ${key}` ? text.join('|') : undefined
    },
  }
}

export function keyedHash(secrets: readonly string[], purpose: string): KeyedHash {
  const hash = (secret: string | undefined, parts: readonly string[]) => JSON.stringify([secret, purpose, ...parts])
  return {
    current: async (parts) => hash(secrets[0], parts),
    all: async (parts) => secrets.map((secret) => hash(secret, parts)),
  }
}

const asItIs = async (text: string): Promise<string> => text
export const webDeflate = undefined
export const compression = () => ({ deflate: asItIs, inflate: asItIs })

/** What a session cookie of the model says. A ticket says nothing of versions, and the idle clock is the store's. */
export function inspect(cookie: string | undefined): { id: string; version: number; seenAt: number } | undefined {
  const text = textIn(cookie)
  if (!text) return undefined
  if (text.startsWith('[')) {
    const [id, , createdAt] = JSON.parse(text) as [string, string, number]
    return { id, version: 0, seenAt: createdAt }
  }
  const separator = text.indexOf(' ')
  const { i: id, n: version } = JSON.parse(text.slice(separator + 1)) as { i: string; n: number }
  return { id, version, seenAt: Number(text.slice(0, separator)) }
}

/** The id of the session that a marker names. */
export const inspectMarker = (cookie: string | undefined): string | undefined => textIn(cookie)

/** Which session an id of the person's own list means. */
export const inspectListed = (listedId: string): string => (JSON.parse(listedId) as string[])[2] ?? ''

function textIn(cookie: string | undefined): string | undefined {
  return cookie?.split('|').slice(2).join('|')
}
