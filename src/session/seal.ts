/** Seals: encrypted, authenticated, bound to one purpose. */
import { sealData, unsealData } from 'iron-session'
import { CoatcheckError } from '../errors.ts'
import { derivePasswords, type KeyContext, type Passwords, type Purpose } from './keys.ts'

export interface Sealer {
  /** @throws CoatcheckError `session_too_large` for what `open` would not look at */
  seal(text: string): Promise<string>
  /** Undefined for whatever does not open: garbage, cut, foreign, of another purpose, of an unknown secret. */
  open(seal: string): Promise<string | undefined>
}

/** Longer than any seal we make: what is longer is not looked at. */
const maxSealLength = 256 * 1024

/**
 * A seal as iron-session writes it, to the letter: prefix, number of the secret, salt, vector, content, no expiry, salt,
 * digest. Its own reading is lenient with what the digest does not cover (the unused bits of the digest's last character,
 * all that follows the tilde), so one seal would open under many spellings.
 */
const sealForm = /^Fe26\.2\*\d{1,10}\*[0-9a-f]{64}\*[\w-]{22}\*[\w-]+\*\*[0-9a-f]{64}\*[\w-]{42}[AEIMQUYcgkosw048]~2$/

/** @param salt see `derivePasswords`. Keys are derived at the first use, because Workers have no crypto at start. Expiry is the content's business. */
export function sealer(secrets: readonly string[], purpose: Purpose, context: KeyContext, salt?: string): Sealer {
  let derived: Promise<Passwords> | undefined
  const passwords = () => {
    derived ??= derivePasswords(secrets, purpose, context, salt)
    return derived
  }
  return {
    async seal(text) {
      const { currentId, byId } = await passwords()
      // One entry only: iron-session would take the highest number, not the first secret.
      const seal = await sealData(text, { password: { [currentId]: byId[currentId] as string }, ttl: 0 })
      if (seal.length > maxSealLength) throw new CoatcheckError('session_too_large')
      return seal
    },
    async open(seal) {
      if (seal.length > maxSealLength || !sealForm.test(seal)) return undefined
      const { byId } = await passwords()
      const content: unknown = await unsealData(seal, { password: { ...byId }, ttl: 0 })
      return typeof content === 'string' ? content : undefined
    },
  }
}
