/** Node's own DEFLATE, at once: the web's streams take ten times as long for a session's few kilobytes. */
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import type { RawDeflate } from '../runtime.ts'

/** With `info`, of which Node's types say nothing. */
interface Inflated {
  readonly buffer: Uint8Array
  readonly engine: { readonly bytesWritten: number }
}

export const nodeDeflate: RawDeflate = {
  deflate: (bytes) => deflateRawSync(bytes),
  inflate(bytes, mostBytes) {
    const { buffer, engine } = inflateRawSync(bytes, { maxOutputLength: mostBytes, info: true }) as unknown as Inflated
    // It says nothing of what follows the stream.
    if (engine.bytesWritten !== bytes.length) throw new RangeError('more follows the deflated stream')
    return buffer
  },
}
