/**
 * Deflates before sealing, so that a session fits in a cookie, and pads, so that the length says little (C4).
 * Nothing that a request brought is ever compressed beside a token: that would be a compression oracle.
 */
import { base64url } from 'jose'
import { CoatcheckError } from '../errors.ts'

/** 48 bytes are 64 characters of base64url. */
const paddingBytes = 48
const maxInflatedBytes = 128 * 1024

/** @throws CoatcheckError `session_too_large` for what `inflate` would not take back */
export async function deflate(text: string): Promise<string> {
  const blob = new Blob([text])
  if (blob.size > maxInflatedBytes) throw new CoatcheckError('session_too_large')
  const deflated = await readAll(blob.stream().pipeThrough(new CompressionStream('deflate-raw')))
  const padded = new Uint8Array(Math.ceil((deflated.length + 4) / paddingBytes) * paddingBytes)
  new DataView(padded.buffer).setUint32(0, deflated.length)
  padded.set(deflated, 4)
  return base64url.encode(padded)
}

/** Undefined for what `deflate` did not make. */
export async function inflate(encoded: string): Promise<string | undefined> {
  try {
    const padded = base64url.decode(encoded)
    const length = new DataView(padded.buffer, padded.byteOffset, padded.byteLength).getUint32(0)
    if (length > padded.length - 4) return undefined
    const deflated = new Blob([padded.slice(4, 4 + length)])
    const text = await readAll(deflated.stream().pipeThrough(new DecompressionStream('deflate-raw')))
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(text)
  } catch {
    // Not base64url, too short, cut off, followed by more, too long, or not text.
    return undefined
  }
}

async function readAll(stream: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let total = 0
  for await (const chunk of stream) {
    total += chunk.length
    if (total > maxInflatedBytes) throw new RangeError('more than a session can hold')
    chunks.push(chunk)
  }
  const all = new Uint8Array(total)
  let offset = 0
  for (const chunk of chunks) {
    all.set(chunk, offset)
    offset += chunk.length
  }
  return all
}
