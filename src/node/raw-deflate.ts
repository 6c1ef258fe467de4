/** Node's own DEFLATE, at once: the web's streams take ten times as long for a session's few kilobytes. */
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import type { RawDeflate } from '../runtime.ts'

export const nodeDeflate: RawDeflate = {
  deflate: (bytes) => deflateRawSync(bytes),
  inflate(bytes, mostBytes) {
    const { buffer, engine } = inflateRawSync(bytes, { maxOutputLength: mostBytes, info: true })
    // It says nothing of what follows the stream.
    if (engine.bytesWritten !== bytes.length) throw new RangeError('more follows the deflated stream')
    return new Uint8Array(buffer)
  },
}
