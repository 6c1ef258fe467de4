/** Session secrets: 32 random bytes each, as `coatcheck keygen` prints them. No message shows one. */
import * as v from 'valibot'
import { type Field, mistake, wanted } from './read-object.ts'

/** 43 characters are 258 bits: the last one holds four bits of the secret and two zeros. */
const thirtyTwoBytes = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/

const cure = 'take what `coatcheck keygen` prints'

export function sessionSecret(): Field<string> {
  return v.pipe(
    v.string(wanted('a string', cure)),
    v.rawCheck(({ dataset, addIssue }) => {
      if (!dataset.typed) return
      if (!thirtyTwoBytes.test(dataset.value)) {
        addIssue({ message: mistake('is not 32 bytes of base64url (43 characters)', cure) })
      } else if (!looksRandom(decode(dataset.value))) {
        addIssue({ message: mistake('is not random', `${cure}; a phrase or a pattern can be guessed`) })
      }
    }),
  )
}

/**
 * False for zeros, repetitions, sequences and text. Of random secrets it refuses fewer than one in 10^13.
 */
function looksRandom(bytes: Uint8Array): boolean {
  if (new Set(bytes).size < 16) return false
  if (bytes.every((byte) => byte >= 0x20 && byte <= 0x7e)) return false
  const steps = new Set(bytes.subarray(1).map((byte, index) => byte - (bytes[index] ?? 0)))
  return steps.size > 2
}

function decode(secret: string): Uint8Array {
  const binary = atob(secret.replaceAll('-', '+').replaceAll('_', '/'))
  return Uint8Array.from(binary, (character) => character.charCodeAt(0))
}
