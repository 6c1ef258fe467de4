/** Reads a JSON body under a limit that holds for chunked bodies too. */
import type { Context } from 'hono'
import { ApiError } from './problem.ts'

const limitBytes = 64 * 1024

export async function readJson(c: Context): Promise<Record<string, unknown>> {
  const type = c.req.header('content-type')?.split(';')[0]?.trim().toLowerCase()
  if (type !== 'application/json') {
    throw new ApiError(415, 'unsupported_media_type', 'Send application/json', {
      headers: { Accept: 'application/json' },
    })
  }
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of c.req.raw.body ?? []) {
    size += chunk.byteLength
    if (size > limitBytes) throw new ApiError(413, 'too_large', `The body is larger than ${limitBytes} bytes`)
    chunks.push(chunk)
  }
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks)))
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  } catch {
    throw new ApiError(400, 'malformed', 'The body is not JSON')
  }
  throw new ApiError(400, 'malformed', 'The body is not a JSON object')
}
