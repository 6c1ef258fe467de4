/** The fields that an API's answer goes out with, after middleware had its turn: its own, or those of what was made of it. */
import type { HeaderList } from '../runtime.ts'
import { applyFields } from '../web-runtime.ts'
import { FieldHeaders } from './field-headers.ts'

/** With ours, which are no field of the response: whoever keeps that keeps no cookie of this client's. */
export function fieldsOfHeld({ headers }: Response, added: HeaderList): HeaderList {
  const fields = headers instanceof FieldHeaders ? headers.fields : [...headers]
  if (added.length === 0) return fields
  const all = new FieldHeaders([...fields])
  applyFields(all, added)
  return all.fields
}

export interface CopiedAnswer {
  /** The fields of the API's answer that it is made of. */
  readonly theirs: HeaderList
  /** Those of other answers in the same call. */
  readonly others: readonly HeaderList[]
  /** Whether its body is the API's, byte for byte. */
  readonly isWhole: boolean
  readonly hasBody: boolean
}

/** Of another `Response`, with the API's body or what a middleware made of that. */
export function fieldsOfCopy({ headers }: Response, added: HeaderList, copied: CopiedAnswer): HeaderList {
  const fields = new FieldHeaders([...headers])
  const theirs = new FieldHeaders([...copied.theirs])
  if (copied.hasBody) {
    for (const other of copied.others) restore(fields, theirs, new FieldHeaders([...other]))
    // By the length of another body an answer runs over into the next. Without one it goes in chunks.
    const isLength = copied.isWhole && fields.get('content-length') === theirs.get('content-length')
    if (!isLength) fields.delete('content-length')
    // As node-server has it for every `Response`; without one a browser would guess.
    if (!fields.has('content-type')) fields.set('content-type', 'text/plain; charset=UTF-8')
  }
  applyFields(fields, added)
  return fields.fields
}

/** Hono gives what takes an answer's place the fields of that, in the place of its own: what they say is of another body. */
function restore(fields: FieldHeaders, theirs: FieldHeaders, other: FieldHeaders): void {
  for (const [name, value] of other) {
    if (name === 'set-cookie' || fields.get(name) !== value) continue
    const own = theirs.get(name)
    if (own === null) fields.delete(name)
    else fields.set(name, own)
  }
}
