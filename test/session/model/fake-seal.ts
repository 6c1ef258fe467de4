/** Seals that name their key and purpose and hide nothing: sealing for real would take the machine's own time. */
import type { Sealer } from '../../../src/session/seal.ts'

export function sealer(secrets: readonly string[], purpose: string): Sealer {
  return {
    seal: async (text) => `${secrets[0]}|${purpose}|${text}`,
    async open(seal) {
      const [secret, sealedFor, ...text] = seal.split('|')
      return secret !== undefined && secrets.includes(secret) && sealedFor === purpose ? text.join('|') : undefined
    },
  }
}

export const deflate = async (text: string): Promise<string> => text
export const inflate = async (text: string): Promise<string> => text

/** What a session cookie of the model says. */
export function inspect(cookie: string | undefined): { id: string; version: number; seenAt: number } | undefined {
  const text = cookie?.split('|').slice(2).join('|')
  if (!text) return undefined
  const separator = text.indexOf(' ')
  const { i: id, n: version } = JSON.parse(text.slice(separator + 1)) as { i: string; n: number }
  return { id, version, seenAt: Number(text.slice(0, separator)) }
}
