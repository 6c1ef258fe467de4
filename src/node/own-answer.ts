/**
 * An answer that a middleware made in the place of an API's. Hono gives it all fields of the one that was there before, and
 * what those say of a body is not true of this one: by the length of another body an answer runs over into the next.
 */
import type { HeaderList } from '../runtime.ts'

/** Marks a response whose body is held (`respond.ts`); its value says which. Never leaves this process. */
export const marker = 'x-coatcheck-held'

/** Of the API's body and of its age (RFC 9110 §8, RFC 9111 §5, RFC 9530). What the middleware said anew stays. */
const ofTheBody: ReadonlySet<string> = new Set([
  'age',
  'content-digest',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-location',
  'content-range',
  'etag',
  'expires',
  'last-modified',
  'repr-digest',
])

/** @param theirs the fields of the API's answer, as the client would have got them */
export function ownAnswer(response: Response, theirs: HeaderList): Response {
  const own = new Response(response.body, response)
  const { headers } = own
  headers.delete(marker)
  // node-server writes the one that this body has.
  headers.delete('content-length')
  // RFC 9110 §15.4.5: it speaks of what the API would have sent.
  if (own.status === 304) return own
  for (const [name, value] of theirs) {
    if (headers.get(name) !== value) continue
    if (ofTheBody.has(name)) headers.delete(name)
    // An error of the middleware's is not to be kept for as long as the API's answer might have been.
    else if (name === 'cache-control' && !value.includes('no-store')) headers.set(name, 'no-store')
  }
  return own
}
