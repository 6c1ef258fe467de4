/**
 * An upstream's body that goes straight to where it is written, with backpressure and without a web stream in between; and
 * the web stream of it, for those who want to read it.
 */
import type { HeaderList, UpstreamBody } from '../runtime.ts'

/** Where a body goes. */
export interface BodySink {
  /** False asks for a pause, until `resume()` of the body. */
  write(chunk: Uint8Array): boolean
  /** With the trailer fields of a chunked body; mostly none. */
  end(trailers: HeaderList): void
  /** The body broke off: what was written is not whole. */
  fail(error: Error): void
}

/** An upstream's body that can be sent without a web stream. It goes one way, once: each later one fails. */
export interface PipedBody extends UpstreamBody {
  /** All of it, where it is one chunk of at most so many bytes and here already, without trailers: nothing to pipe. */
  takeWhole(limitBytes: number): Uint8Array | undefined
  /** Even where there is a web stream, as long as nobody has begun to read that. */
  pipe(sink: BodySink): void
  resume(): void
}

export function isPipedBody(body: UpstreamBody | ReadableStream): body is PipedBody {
  return 'pipe' in body
}

/** For what nobody wants. */
export const discard: BodySink = {
  write: () => true,
  end() {},
  fail() {},
}

/** Takes nothing of the body before somebody reads, and then at most a chunk ahead. */
export function webStreamOf(body: Pick<PipedBody, 'pipe' | 'resume' | 'cancel'>): ReadableStream<Uint8Array> {
  let hasBegun = false
  const source: UnderlyingDefaultSource<Uint8Array> = {
    pull(controller) {
      if (hasBegun) return body.resume()
      hasBegun = true
      body.pipe({
        write(chunk) {
          controller.enqueue(chunk)
          return (controller.desiredSize ?? -1) >= 0
        },
        end: () => controller.close(),
        fail: (error) => controller.error(error),
      })
    },
    cancel: () => body.cancel(),
  }
  return new ReadableStream(source, { highWaterMark: 0 })
}
