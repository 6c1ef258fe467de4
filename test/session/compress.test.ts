/** Both ways to deflate a session: they read each other, and nothing but what they made. */
import { deflateRawSync } from 'node:zlib'
import { base64url } from 'jose'
import { describe, expect, it } from 'vitest'
import { nodeDeflate } from '../../src/node/raw-deflate.ts'
import { compression, webDeflate } from '../../src/session/compress.ts'

const ways = [
  ['Node', compression(nodeDeflate), compression(webDeflate)],
  ['the web', compression(webDeflate), compression(nodeDeflate)],
] as const

/** As `deflate` pads, whatever is in it. */
function padded(bytes: Uint8Array, length = bytes.length): string {
  const all = new Uint8Array(Math.ceil((bytes.length + 4) / 48) * 48)
  new DataView(all.buffer).setUint32(0, length)
  all.set(bytes, 4)
  return base64url.encode(all)
}

describe.each(ways)('the way of %s', (_name, own, other) => {
  it.each(['', 'a session', 'é€😀'.repeat(500), 'x'.repeat(128 * 1024)])(
    'is read by itself and by the other',
    async (text) => {
      const deflated = await own.deflate(text)
      expect(await own.inflate(deflated)).toBe(text)
      expect(await other.inflate(deflated)).toBe(text)
    },
  )

  it('makes a length that is a multiple of 64 characters (C4)', async () => {
    expect((await own.deflate('a session')).length % 64).toBe(0)
  })

  it('refuses to make what it would not read', async () => {
    await expect(own.deflate('x'.repeat(128 * 1024 + 1))).rejects.toMatchObject({ code: 'session_too_large' })
  })

  const good = deflateRawSync('a session')
  it.each([
    ['nothing', ''],
    ['noise', base64url.encode(crypto.getRandomValues(new Uint8Array(96)))],
    ['what is no base64url', '*'.repeat(64)],
    ['a length beyond its end', padded(good, 4000)],
    ['a stream that is cut off', padded(good.subarray(0, -2))],
    ['a stream that something follows', padded(Buffer.concat([good, Buffer.from('more')]))],
    ['two streams', padded(Buffer.concat([good, good]))],
    ['what is no text', padded(deflateRawSync(Buffer.from([0xc3, 0x28])))],
    ['a bomb', padded(deflateRawSync(Buffer.alloc(128 * 1024 + 1)))],
    ['a large bomb', padded(deflateRawSync(Buffer.alloc(50 * 1024 * 1024)))],
  ])('takes %s for nothing', async (_what, encoded) => {
    expect(await own.inflate(encoded)).toBeUndefined()
  })
})
