/**
 * Deflates before sealing, so that a session fits in a cookie, and pads, so that the length says little (C4).
 * Nothing that a request brought is ever compressed beside a token: that would be a compression oracle.
 */
import * as base64url from 'jose/base64url'
import { CoatcheckError } from '../errors.ts'
import type { RawDeflate } from '../runtime.ts'

export interface Compression {
  /** @throws CoatcheckError `session_too_large` for what `inflate` would not take back */
  deflate(text: string): Promise<string>
  /** Undefined for what `deflate` did not make. */
  inflate(encoded: string): Promise<string | undefined>
}

/** 48 bytes are 64 characters of base64url. */
const paddingBytes = 48
const maxInflatedBytes = 128 * 1024

export function compression(raw: RawDeflate): Compression {
  return {
    async deflate(text) {
      const bytes = new TextEncoder().encode(text)
      if (bytes.length > maxInflatedBytes) throw new CoatcheckError('session_too_large')
      const deflated = await raw.deflate(bytes)
      const padded = new Uint8Array(Math.ceil((deflated.length + 4) / paddingBytes) * paddingBytes)
      new DataView(padded.buffer).setUint32(0, deflated.length)
      padded.set(deflated, 4)
      return base64url.encode(padded)
    },

    async inflate(encoded) {
      try {
        const padded = base64url.decode(encoded)
        const length = new DataView(padded.buffer, padded.byteOffset, padded.byteLength).getUint32(0)
        if (length > padded.length - 4) return undefined
        const bytes = await raw.inflate(padded.slice(4, 4 + length), maxInflatedBytes)
        return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
      } catch {
        // Not base64url, too short, cut off, followed by more, too long, or not text.
        return undefined
      }
    },
  }
}

/** What every runtime has. */
export const webDeflate: RawDeflate = {
  deflate: (bytes) => readAll(new Blob([bytes]).stream().pipeThrough(new CompressionStream('deflate-raw')), Infinity),
  inflate: (bytes, mostBytes) =>
    readAll(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate-raw')), mostBytes),
}

async function readAll(stream: ReadableStream<Uint8Array>, mostBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let total = 0
  for await (const chunk of stream) {
    total += chunk.length
    if (total > mostBytes) throw new RangeError('inflates to too much')
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
