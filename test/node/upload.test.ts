/** With a stream in the place of the client's request, and clocks that stand still: what is tried is time. */
import type { IncomingMessage } from 'node:http'
import { PassThrough } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Upload } from '../../src/node/upload.ts'

const stallTimeoutMs = 1000
const piece = Buffer.alloc(64 * 1024)

let client: PassThrough
let upload: Upload
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  client = new PassThrough()
  upload = new Upload(client as unknown as IncomingMessage, stallTimeoutMs)
})
afterEach(() => {
  vi.useRealTimers()
})

/** Reads all that comes; gives how many bytes have come. */
function readAll(): () => number {
  let bytes = 0
  upload.on('data', (chunk: Buffer) => {
    bytes += chunk.byteLength
  })
  return () => bytes
}

/** Until streams have handed on what they have. */
const turn = () => new Promise((resolve) => setImmediate(resolve))

describe('a client’s body', () => {
  it('is not asked for before somebody reads it', async () => {
    client.write(piece)
    await turn()
    expect(client.readableFlowing).toBe(null)
    expect(vi.getTimerCount()).toBe(0)
    const read = readAll()
    await turn()
    expect(read()).toBe(piece.byteLength)
  })

  it('may take longer than the limit, as long as no piece does', async () => {
    const read = readAll()
    for (let count = 0; count < 20; count++) {
      await turn()
      vi.advanceTimersByTime(stallTimeoutMs - 1)
      client.write(piece)
    }
    client.end()
    await turn()
    expect(read()).toBe(20 * piece.byteLength)
    expect(upload.readableEnded).toBe(true)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('that stands still is cut off, at its limit and not before', async () => {
    readAll()
    await turn()
    vi.advanceTimersByTime(stallTimeoutMs / 2)
    client.write(piece)
    await turn()
    vi.advanceTimersByTime(stallTimeoutMs - 1)
    await turn()
    expect(client.destroyed).toBe(false)
    vi.advanceTimersByTime(1)
    await turn()
    expect(client.destroyed).toBe(true)
    expect(upload.clientError?.message).toBe('The client stopped sending')
  })

  it('in ever so small pieces is cut off once it has kept us waiting for longer than its bytes are worth', async () => {
    readAll()
    let sent = 0
    for (; sent < 100 && !client.destroyed; sent++) {
      await turn()
      vi.advanceTimersByTime(stallTimeoutMs / 10)
      client.write('x')
      await turn()
    }
    expect(sent).toBe(11)
  })

  it('may wait for as long as the upstream takes nothing', async () => {
    const read = readAll()
    await turn()
    upload.pause()
    for (let count = 0; count < 10; count++) client.write(piece)
    await turn()
    vi.advanceTimersByTime(60 * 60 * 1000)
    await turn()
    expect(client.destroyed).toBe(false)
    upload.resume()
    client.end()
    await turn()
    await turn()
    expect(read()).toBe(10 * piece.byteLength)
  })

  it('that is not wanted any more is left where it is, for the server to drain', async () => {
    upload.once('data', () => upload.destroy())
    client.write(piece)
    await turn()
    client.write('the rest')
    await turn()
    expect(client.destroyed).toBe(false)
    expect(client.isPaused()).toBe(true)
    expect(vi.getTimerCount()).toBe(0)
    expect(String(client.read())).toContain('the rest')
    expect(upload.clientError).toBeUndefined()
  })

  it('that breaks off says that it was the client', async () => {
    readAll()
    await turn()
    const gone = new Error('reset')
    client.destroy(gone)
    await turn()
    expect(upload.clientError).toBe(gone)
    expect(upload.destroyed).toBe(true)
  })
})
