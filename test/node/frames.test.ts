import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { closeFrame, FrameError, FrameReader } from '../../src/node/frames.ts'

/** A frame as RFC 6455 §5.2 has it, by another hand than the reader's. */
function frame(payloadBytes: number, isMasked: boolean, opcode = 2): Buffer {
  const mask = isMasked ? 0x80 : 0
  const head =
    payloadBytes < 126
      ? Buffer.from([0x80 | opcode, mask | payloadBytes])
      : payloadBytes < 65_536
        ? Buffer.from([0x80 | opcode, mask | 126, payloadBytes >> 8, payloadBytes & 255])
        : Buffer.from([
            0x80 | opcode,
            mask | 127,
            0,
            0,
            0,
            0,
            ...new Uint8Array(Buffer.from(Uint32Array.of(payloadBytes).buffer)).toReversed(),
          ])
  return Buffer.concat([head, Buffer.alloc(isMasked ? 4 : 0, 0xaa), Buffer.alloc(payloadBytes, 0x55)])
}

const sizes = fc.array(fc.oneof(fc.nat(130), fc.constantFrom(0, 125, 126, 127, 65_535, 65_536, 70_000)), {
  maxLength: 6,
})

describe('frame boundaries', () => {
  it('are found however the bytes are cut', () => {
    fc.assert(
      fc.property(sizes, fc.array(fc.nat(9000), { minLength: 1 }), fc.boolean(), (payloads, cuts, isMasked) => {
        const frames = payloads.map((size) => frame(size, isMasked))
        const ends = new Set([0])
        for (const one of frames) ends.add(Math.max(...ends) + one.length)
        const bytes = Buffer.concat(frames)
        const reader = new FrameReader(isMasked)
        let at = 0
        for (let index = 0; at < bytes.length; index++) {
          const piece = bytes.subarray(at, at + 1 + (cuts[index % cuts.length] ?? 0))
          expect(reader.read(piece)).toBe(piece.length)
          at += piece.length
          expect(reader.isBetweenFrames).toBe(ends.has(at))
        }
      }),
    )
  })

  it('are where a reader stops that is told to', () => {
    fc.assert(
      fc.property(fc.nat(70_000), fc.nat(70_000), fc.boolean(), (size, cut, isMasked) => {
        const first = frame(size, isMasked)
        const reader = new FrameReader(isMasked)
        const at = Math.min(1 + cut, first.length - 1)
        reader.read(first.subarray(0, at))
        expect(reader.read(Buffer.concat([first.subarray(at), frame(5, isMasked)]), true)).toBe(first.length - at)
        expect(reader.isBetweenFrames).toBe(true)
      }),
    )
  })
})

describe('what is no frame of this direction', () => {
  it.each([
    ['a frame of a client without a mask', true, frame(3, false)],
    ['a frame of a server with one', false, frame(3, true)],
    ['a length with its highest bit', false, Buffer.from([0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 1])],
    ['a request line', true, Buffer.from('GET / HTTP/1.1\r\n')],
  ])('%s is refused', (_name, isMasked, bytes) => {
    expect(() => new FrameReader(isMasked).read(bytes)).toThrow(FrameError)
  })
})

describe('a close frame', () => {
  it.each([true, false])('is one whole frame (masked: %s)', (isMasked) => {
    const bytes = closeFrame(4401, 'session_ended', isMasked)
    const reader = new FrameReader(isMasked)
    expect(reader.read(bytes)).toBe(bytes.length)
    expect(reader.isBetweenFrames).toBe(true)
    expect(bytes.subarray(-15)).toEqual(Buffer.from([0x11, 0x31, ...Buffer.from('session_ended')]))
  })
})
