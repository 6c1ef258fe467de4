/**
 * One request to an upstream and its answer, on undici's `dispatch`: the head is a promise, the body waits until
 * somebody takes it, and goes straight to a sink with backpressure, without web streams in between.
 */
import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'
import { CoatcheckError } from '../errors.ts'
import { mayHaveBody } from '../fetch-transport.ts'
import type { ClientSignal, HeaderList, LongLived, UpstreamRequest, UpstreamResponse } from '../runtime.ts'
import { bodyUsed } from './answer-mistakes.ts'
import { decodeFields } from './decode-fields.ts'
import { type BodySink, discard, type PipedBody, webStreamOf } from './piped-body.ts'
import { placesBusy } from './places.ts'
import type { Seat } from './seat.ts'

/** 1xx answers before the one that counts; nobody has a use for more than a few. */
const mostInformational = 16

/** What may wait here while the head is being decided; a small answer never stops the parser. */
const queueLimitBytes = 64 * 1024

export class Exchange implements Dispatcher.DispatchHandler, PipedBody, LongLived {
  readonly head: Promise<UpstreamResponse>
  /** Let go once its answer has begun: a stream that lasts for hours does not keep what it was asked with. */
  #request: UpstreamRequest | undefined
  readonly #signal: ClientSignal
  /** What the request's body threw, to be told apart from an error of the upstream. */
  readonly #bodyFailure: { error?: unknown }
  #resolve!: (response: UpstreamResponse) => void
  #reject!: (reason: unknown) => void
  #controller: Dispatcher.DispatchController | undefined
  readonly #seat: Seat
  #bodyTimer: NodeJS.Timeout | undefined
  /** 0: it may be silent for ever. */
  #bodyTimeoutMs = 0
  #abortReason: Error | undefined
  #queue: Uint8Array[] = []
  #queuedBytes = 0
  #sink: BodySink | undefined
  #outcome: 'open' | 'ended' | Error = 'open'
  #trailers: HeaderList = none
  #totalTimer: NodeJS.Timeout | undefined
  #informational = 0
  /** The first byte of an answer came: what was asked for may have been done. */
  hasAnswered = false
  /** It failed because a connection could not be made, or broke before there was an answer. */
  hasLostConnection = false
  #onOver: () => void = () => {}
  /** Where the body is read as a web stream: somebody may never do so. */
  #web: ReadableStream<Uint8Array> | undefined
  /** The client's, for which a web stream was made. */
  #isAnswerOver = false

  /**
   * @param seat the place that the request has; left when it is over
   * @param totalMs how long all of it may take, event streams aside
   */
  constructor(
    request: UpstreamRequest,
    bodyFailure: { error?: unknown },
    seat: Seat,
    totalMs = Number.POSITIVE_INFINITY,
  ) {
    this.#request = request
    this.#signal = request.signal
    this.#bodyFailure = bodyFailure
    this.#seat = seat
    this.head = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    if (totalMs !== Number.POSITIVE_INFINITY) {
      const late = () => this.#abort(new CoatcheckError('upstream_timeout', { cause: 'all of it took too long' }))
      this.#totalTimer = setTimeout(late, totalMs)
    }
    if (request.signal.aborted) this.#onClientAbort()
    else request.signal.addEventListener('abort', this.#onClientAbort)
  }

  /** Some of it may have reached the upstream. */
  get wasSent(): boolean {
    return this.#controller !== undefined
  }

  // --- What undici calls ------------------------------------------------------------------------------

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#abortReason !== undefined) controller.abort(this.#abortReason)
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, fields: IncomingHttpHeaders): void {
    this.hasAnswered = true
    if (status < 200) {
      // Each of them begins undici's wait for the head anew.
      if (++this.#informational > mostInformational) throw new Error('The upstream sends one 1xx after another')
      // The others are not for us (RFC 9110 §15.2 lets a proxy drop those that it did not ask for).
      if (status === 103) this.#request?.onEarlyHints?.(decodeFields(fields))
      return
    }
    // undici fails the request with what is thrown here.
    if (status > 599) throw new Error(`The upstream answered with status ${status}`)
    const { method, bodyTimeoutMs } = this.#request as UpstreamRequest
    this.#request = undefined
    const hasBody = method !== 'HEAD' && mayHaveBody(status)
    const headers = decodeFields(fields)
    const isStream = hasBody && isEventStream(headers)
    if (isStream && !this.#seat.moveToStreams()) throw placesBusy()
    if (isStream) clearTimeout(this.#totalTimer)
    else if (hasBody) this.#bodyTimeoutMs = bodyTimeoutMs
    this.#resolve({ status, headers, body: hasBody ? this : null, ...(isStream && { stream: this }) })
    if (!hasBody) this.#sink = discard
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bodyTimer?.refresh()
    if (this.#sink !== undefined) {
      if (!this.#sink.write(chunk)) controller.pause()
      return
    }
    this.#queue.push(chunk)
    this.#queuedBytes += chunk.byteLength
    if (this.#queuedBytes > queueLimitBytes) controller.pause()
  }

  onResponseStarted(): void {
    this.hasAnswered = true
  }

  onResponseEnd(_controller: Dispatcher.DispatchController, trailers: IncomingHttpHeaders): void {
    this.#trailers = decodeFields(trailers)
    this.#close('ended')
    this.#sink?.end(this.#trailers)
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#close(error)
    const reason = this.#reasonOf(error)
    this.hasLostConnection =
      !this.hasAnswered && reason instanceof CoatcheckError && reason.code === 'upstream_unreachable'
    this.#reject(reason)
    this.#sink?.fail(error)
  }

  // --- What the one who answers calls -----------------------------------------------------------------

  takeWhole(limitBytes: number): Uint8Array | undefined {
    const [chunk] = this.#queue
    if (this.#outcome !== 'ended' || chunk === undefined || this.#queue.length > 1) return undefined
    if (chunk.byteLength > limitBytes || this.#trailers.length > 0) return undefined
    this.#queue = []
    this.#sink = discard
    return chunk
  }

  pipe(sink: BodySink): void {
    if (this.#web !== undefined) {
      this.#web = undefined
      this.#signal.removeEventListener('close', this.#onAnswerOver)
    }
    this.#begin(sink)
  }

  #begin(sink: BodySink): void {
    if (this.#sink !== undefined) {
      sink.fail(bodyUsed())
      return
    }
    this.#sink = sink
    let isWanted = true
    for (const chunk of this.#queue) isWanted = sink.write(chunk)
    this.#queue = []
    if (this.#outcome === 'ended') sink.end(this.#trailers)
    else if (this.#outcome !== 'open') sink.fail(this.#outcome)
    else {
      // Only now does somebody wait; a small answer is whole by then, and needs no timer.
      this.#expectBody(this.#bodyTimeoutMs)
      if (isWanted) this.resume()
      else this.#controller?.pause()
    }
  }

  resume(): void {
    this.#controller?.resume()
  }

  /** One that nobody has begun to read is let go when the answer is over that it was asked for, or with the body's time. */
  stream(): ReadableStream<Uint8Array> {
    const web = webStreamOf({
      pipe: (sink) => this.#begin(sink),
      resume: () => this.resume(),
      // It is nothing to the body any more where that has gone straight through.
      cancel: () => this.#web === web && this.cancel(),
    })
    // It has gone already: who reads is told.
    if (this.#sink !== undefined) return web
    this.#web = web
    if (this.#outcome === 'open') {
      this.#signal.addEventListener('close', this.#onAnswerOver)
      this.#expectBody(this.#bodyTimeoutMs)
    }
    return web
  }

  cancel(): void {
    const sink = this.#sink
    this.#sink = discard
    this.#queue = []
    // Called at the end of every answer, and an error with its stack is a twentieth of the call.
    if (this.#outcome !== 'open') return
    const reason = new DOMException('The answer is not wanted any more', 'AbortError')
    this.#abort(reason)
    sink?.fail(reason)
  }

  watch(onOver: () => void): void {
    if (this.#outcome === 'open') this.#onOver = onOver
    else onOver()
  }

  end(): void {
    const sink = this.#sink
    this.#sink = discard
    this.cancel()
    sink?.end([])
  }

  // --- Endings ----------------------------------------------------------------------------------------

  readonly #onClientAbort = (): void => this.#abort(this.#signal.reason as Error)

  readonly #onAnswerOver = (): void => {
    this.#isAnswerOver = true
    if (this.#isUnread) this.#dropUnread()
  }

  #dropUnread(): void {
    this.#abort(new DOMException('Nobody reads the answer', 'AbortError'))
  }

  get #isUnread(): boolean {
    return this.#web !== undefined && !this.#web.locked
  }

  #abort(reason: Error): void {
    if (this.#outcome !== 'open' || this.#abortReason !== undefined) return
    this.#abortReason = reason
    this.#reject(reason)
    // Without one it has not begun, and is aborted as soon as it does.
    this.#controller?.abort(reason)
  }

  /** A body that is silent for so long while somebody waits for it is broken off. */
  #expectBody(timeoutMs: number): void {
    if (timeoutMs === 0) return
    clearTimeout(this.#bodyTimer)
    this.#bodyTimer = setTimeout(() => {
      // Nobody waits while the client takes nothing, unless nobody ever will.
      if (this.#controller?.paused && (this.#isUnread || this.#isAnswerOver)) this.#dropUnread()
      else if (this.#controller?.paused) this.#bodyTimer?.refresh()
      else this.#controller?.abort(new CoatcheckError('upstream_timeout', { cause: 'the body stands still' }))
    }, timeoutMs)
  }

  #close(outcome: 'ended' | Error): void {
    // Once: the place is given back.
    if (this.#outcome !== 'open') return
    this.#outcome = outcome
    clearTimeout(this.#bodyTimer)
    clearTimeout(this.#totalTimer)
    this.#seat.leave()
    this.#onOver()
    this.#signal.removeEventListener('abort', this.#onClientAbort)
    if (this.#web !== undefined) this.#signal.removeEventListener('close', this.#onAnswerOver)
  }

  #reasonOf(error: Error): unknown {
    if (this.#abortReason !== undefined) return this.#abortReason
    if (error instanceof CoatcheckError) return error
    if (error === this.#bodyFailure.error) return new DOMException('The client broke off its request', 'AbortError')
    const code = 'code' in error ? error.code : undefined
    if (code === 'UND_ERR_HEADERS_TIMEOUT') return new CoatcheckError('upstream_timeout', { cause: error })
    // A field that undici refuses to write: ours to have prevented, and no fault of the upstream.
    if (code === 'UND_ERR_INVALID_ARG') return new CoatcheckError('internal_error', { cause: error })
    return new CoatcheckError('upstream_unreachable', { cause: error })
  }
}

function isEventStream(headers: HeaderList): boolean {
  const type = headers.find(([name]) => name === 'content-type')?.[1]
  return type?.trimStart().toLowerCase().startsWith('text/event-stream') ?? false
}

const none: HeaderList = []
