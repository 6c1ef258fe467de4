/** Where WebSocket frames begin and end (RFC 6455 §5.2), and the close frame. What is in a frame is nobody's business here. */

/** Bytes that are no frames of the direction that they came in. */
export class FrameError extends Error {
  override readonly name = 'FrameError'
}

const longestHeaderBytes = 14

export class FrameReader {
  /** A client masks every frame, a server none (§5.1): in the other direction the bytes are no WebSocket's. */
  readonly #isMasked: boolean
  readonly #header = new DataView(new ArrayBuffer(longestHeaderBytes))
  #headerBytes = 0
  #payloadBytesLeft = 0

  constructor(isMasked: boolean) {
    this.#isMasked = isMasked
  }

  /** True where a frame of ours can be put in. */
  get isBetweenFrames(): boolean {
    return this.#headerBytes === 0 && this.#payloadBytesLeft === 0
  }

  /**
   * Goes over the next bytes, and gives how many of them it went over: all, or with `stopsAtEnd` those up to the end of
   * the frame under way.
   *
   * @throws FrameError
   */
  read(chunk: Uint8Array, stopsAtEnd = false): number {
    let at = 0
    while (at < chunk.length) {
      if (stopsAtEnd && this.isBetweenFrames) return at
      if (this.#payloadBytesLeft > 0) {
        const taken = Math.min(this.#payloadBytesLeft, chunk.length - at)
        this.#payloadBytesLeft -= taken
        at += taken
      } else {
        this.#takeHeaderByte(chunk[at] as number)
        at += 1
      }
    }
    return at
  }

  #takeHeaderByte(byte: number): void {
    this.#header.setUint8(this.#headerBytes, byte)
    this.#headerBytes += 1
    if (this.#headerBytes < 2) return
    const second = this.#header.getUint8(1)
    if (this.#headerBytes === 2 && second >= 0x80 !== this.#isMasked) throw new FrameError('the mask is wrong')
    const shortLength = second & 0x7f
    const lengthBytes = shortLength === 127 ? 8 : shortLength === 126 ? 2 : 0
    if (this.#headerBytes < 2 + lengthBytes + (this.#isMasked ? 4 : 0)) return
    this.#headerBytes = 0
    this.#payloadBytesLeft = this.#length(shortLength)
  }

  #length(shortLength: number): number {
    if (shortLength < 126) return shortLength
    if (shortLength === 126) return this.#header.getUint16(2)
    const length = this.#header.getBigUint64(2)
    if (length > BigInt(Number.MAX_SAFE_INTEGER)) throw new FrameError('the length is out of bounds')
    return Number(length)
  }
}

/** A whole close frame (§5.5.1). Towards a server it is masked, with zeros: there is nothing in it to hide. */
export function closeFrame(code: number, reason: string, isMasked: boolean): Buffer {
  const payload = Buffer.concat([Buffer.from([code >> 8, code & 0xff]), Buffer.from(reason)])
  const mask = isMasked ? Buffer.alloc(4) : Buffer.alloc(0)
  return Buffer.concat([Buffer.from([0x88, payload.length | (isMasked ? 0x80 : 0)]), mask, payload])
}
