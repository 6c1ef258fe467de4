/** Writes an upstream's body to a Node response: with backpressure, and cut, never ended, when it breaks off. */
import type { ServerResponse } from 'node:http'
import type { ResponseHead } from '../runtime.ts'
import { type BodySink, isPipedBody, type PipedBody } from './piped-body.ts'

/** A body that goes straight through, or what somebody has made of one. */
export type Content = PipedBody | ReadableStream<Uint8Array>

/**
 * Takes the body over; the head has to be written already. A client that takes nothing is cut off by the server
 * (`slow-readers.ts`), so that it cannot hold an upstream's connection for ever.
 */
export function sendBody(outgoing: ServerResponse, body: Content, trailers?: ResponseHead['trailers']): void {
  // Most answers are small and whole by now: nothing has to be listened for.
  const whole = isPipedBody(body) ? body.takeWhole(outgoing.writableHighWaterMark) : undefined
  if (whole !== undefined) {
    endWith(outgoing, whole)
    return
  }
  let hasWritten = false
  const sink: BodySink = {
    write(chunk) {
      hasWritten = true
      // The server has ended an event stream to shut down.
      if (outgoing.writableEnded) return false
      return outgoing.write(chunk)
    },
    end: (fields) => {
      const passed = fields.length > 0 ? trailers?.pick(fields) : undefined
      // Node writes them after the last chunk, and none where the body is not chunked.
      if (passed?.length) outgoing.addTrailers(passed as [string, string][])
      outgoing.end()
    },
    // A clean end would make a part look like the whole.
    fail: () => outgoing.destroy(),
  }
  const source = isPipedBody(body) ? body : pumped(body)
  outgoing.on('drain', () => source.resume())
  outgoing.once('close', () => source.cancel())
  source.pipe(sink)
  // Nothing there yet, as with an event stream: the head goes ahead.
  if (!hasWritten && !outgoing.writableEnded) outgoing.flushHeaders()
}

export function cancelContent(content: Content | null): void {
  if (content === null) return
  if (isPipedBody(content)) content.cancel()
  // Broken or not, nobody reads it.
  else content.cancel().catch(() => undefined)
}

/** Node copies a text of up to 16 KiB, head and all, to its stack to write it, and a longer one to memory that it has to get. */
const textLimitBytes = 12 * 1024

/** Node writes head and body as one text where both are text, and gathers them from two places where one is bytes: 4 % of a call. */
function endWith(outgoing: ServerResponse, whole: Uint8Array): void {
  if (whole.byteLength > textLimitBytes) outgoing.end(whole)
  // Latin-1 has a character for every byte, and no other.
  else outgoing.end(Buffer.from(whole.buffer, whole.byteOffset, whole.byteLength).toString('latin1'), 'latin1')
}

/** The same for a web stream. */
function pumped(body: ReadableStream<Uint8Array>) {
  const reader = body.getReader()
  let resume = () => {}
  const run = async (sink: BodySink): Promise<void> => {
    try {
      for (;;) {
        const { done, value } = await reader.read()
        if (done) return sink.end([])
        if (!sink.write(value)) await new Promise<void>((resolve) => (resume = resolve))
      }
    } catch (error) {
      sink.fail(error as Error)
    }
  }
  return {
    pipe: (sink: BodySink) => void run(sink),
    resume: () => resume(),
    cancel: () => {
      // Broken or not, nobody reads it any more.
      reader.cancel().catch(() => undefined)
      resume()
    },
  }
}
