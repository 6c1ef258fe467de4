/** Hashes that only this server can make: names for what the store, or the page, is not to learn (S1). */
import * as base64url from 'jose/base64url'
import { derivePasswords, type KeyContext, type Purpose } from './keys.ts'

export interface KeyedHash {
  current(parts: readonly string[]): Promise<string>
  /** By every secret, the current one first: while secrets are replaced, processes have different ones as the first. */
  all(parts: readonly string[]): Promise<string[]>
}

export function keyedHash(secrets: readonly string[], purpose: Purpose, context: KeyContext): KeyedHash {
  let derived: Promise<CryptoKey[]> | undefined
  const keys = () => {
    derived ??= hashKeys(secrets, purpose, context)
    return derived
  }
  const hash = async (key: CryptoKey, parts: readonly string[]) =>
    base64url.encode(
      new Uint8Array(await crypto.subtle.sign('HMAC', key, new TextEncoder().encode(JSON.stringify(parts)))),
    )
  const all = async (parts: readonly string[]) => Promise.all((await keys()).map((key) => hash(key, parts)))
  return { all, current: async (parts) => (await all(parts))[0] as string }
}

async function hashKeys(secrets: readonly string[], purpose: Purpose, context: KeyContext): Promise<CryptoKey[]> {
  return Promise.all(
    secrets.map(async (secret) => {
      const { currentId, byId } = await derivePasswords([secret], purpose, context)
      const bytes = new TextEncoder().encode(byId[currentId])
      return crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])
    }),
  )
}
