/** The body of a request to an endpoint of ours: all of them are short. */
import { CoatcheckError } from '../errors.ts'
import type { RequestBody } from '../runtime.ts'

const longestBodyBytes = 16 * 1024

/** @throws CoatcheckError `payload_too_large` */
export async function readText(body: RequestBody | null): Promise<string> {
  if (body === null) return ''
  const chunks: AsyncIterable<Uint8Array> | Uint8Array[] = body instanceof Uint8Array ? [body] : body
  const decoder = new TextDecoder()
  let text = ''
  let size = 0
  for await (const chunk of chunks) {
    size += chunk.byteLength
    if (size > longestBodyBytes) throw new CoatcheckError('payload_too_large')
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}
