/**
 * An answer that a middleware made in the place of an API's. Hono gives it all fields of the one that was there before, and
 * what those say of a body is not true of this one: by the length of another body an answer runs over into the next.
 */
import { contentOf } from '../gateway/content.ts'
import type { HeaderList } from '../runtime.ts'
import { FieldHeaders } from './field-headers.ts'

/**
 * Of the API's body, of its age, and of the connection that it might have become (RFC 9110 §8, RFC 9111 §5, RFC 9530). What
 * the middleware said otherwise stays.
 */
const ofTheBody = [
  'age',
  'cdn-cache-control',
  'content-digest',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-location',
  'content-md5',
  'content-range',
  'digest',
  'etag',
  'expires',
  'last-modified',
  'repr-digest',
  'sec-websocket-accept',
  'sec-websocket-extensions',
  'sec-websocket-protocol',
  'surrogate-control',
] as const

/** @param theirs the fields of each answer of an API in this call, as the client would have got them */
export function ownAnswer(response: Response, theirs: readonly HeaderList[]): Response {
  const own = new Response(response.body, response)
  const { headers } = own
  // node-server writes the one that this body has.
  headers.delete('content-length')
  // RFC 9110 §15.4.5: it speaks of what the API would have sent.
  if (own.status === 304) return own
  const before = theirs.map((fields) => new FieldHeaders([...fields]))
  const isTheirs = (name: string, value: string) => before.some((fields) => fields.get(name) === value)
  const type = headers.get('content-type')
  // Of its type it may be the API's document, read and sent anew as an error: no page of ours.
  const isDocument = type !== null && isTheirs('content-type', type) && contentOf([type])?.isInert !== true
  for (const name of ofTheBody) {
    if (isDocument && name === 'content-disposition') continue
    const value = headers.get(name)
    if (value !== null && isTheirs(name, value)) headers.delete(name)
  }
  // An error of the middleware's is not to be kept for as long as the API's answer might have been.
  const caching = headers.get('cache-control')
  if (caching !== null && !caching.includes('no-store') && isTheirs('cache-control', caching)) {
    headers.set('cache-control', 'no-store')
  }
  return own
}
