/** A transport on `fetch`, for every runtime but Node's own server. */
import { CoatcheckError } from './errors.ts'
import type { HeaderList, LongLived, RequestBody, Transport, UpstreamBody, UpstreamRequest } from './runtime.ts'

export interface FetchTransportOptions {
  /** Default: the global `fetch`. */
  fetch?: (url: string, init: RequestInit) => Promise<Response>
  /**
   * What happens to a compressed answer between `fetch` and the `Response` that we give.
   *
   * `'decoded'` (default) is the Fetch standard (§4.7 HTTP-network fetch): a body that is read is decoded, and its
   * `Content-Encoding` stays behind. So the upstream is asked for `identity`, whose length, entity tag and ranges
   * are those of the bytes we send; an upstream that compresses all the same loses `Content-Encoding` and
   * `Content-Length`.
   *
   * `'kept'` is for Workers: there an untouched body goes through compressed, and one that was touched is
   * compressed again to fit its `Content-Encoding`. Nothing has to be changed (tried: gzip, brotli, wrapped bodies).
   */
  contentEncoding?: 'decoded' | 'kept'
}

export function fetchTransport(options: FetchTransportOptions = {}): Transport {
  const isDecoded = options.contentEncoding !== 'kept'
  return {
    async send(request) {
      const exchange = startExchange(request)
      try {
        const response = await send(request, options, isDecoded, exchange)
        if (response.status < 200 || response.status > 599) throw new Error(`status ${response.status}`)
        const headers = headersOf(response, isDecoded)
        const hasBody = response.body !== null && request.method !== 'HEAD' && mayHaveBody(response.status)
        if (!hasBody) discard(response.body)
        if (!hasBody) return { status: response.status, headers, body: null }
        const body = bodyOf(response, exchange.abort)
        if (!isEventStream(response)) return { status: response.status, headers, body }
        const stream = endableBody(body)
        return { status: response.status, headers, body: stream, stream }
      } catch (error) {
        throw exchange.reasonOf(error)
      } finally {
        exchange.headArrived()
      }
    },
  }
}

function send(request: UpstreamRequest, options: FetchTransportOptions, isDecoded: boolean, exchange: Exchange) {
  const headers = new Headers()
  for (const [name, value] of request.headers) headers.append(name, value)
  if (isDecoded) headers.set('accept-encoding', 'identity')
  const init: RequestInit & { duplex?: 'half' } = {
    method: request.method,
    headers,
    redirect: 'manual',
    signal: exchange.signal,
  }
  if (request.body !== null) {
    init.body = request.body instanceof Uint8Array ? request.body : toStream(request.body, exchange.bodyBroke)
    init.duplex = 'half'
  }
  const url = request.origin + request.target
  if (request.binding !== undefined) return request.binding.fetch(new Request(url, init))
  return (options.fetch ?? fetch)(url, init)
}

type Exchange = ReturnType<typeof startExchange>

/** One request under way: the client may leave, its body may break, the head may be late; told apart afterwards. */
function startExchange(request: UpstreamRequest) {
  const controller = new AbortController()
  let isLate = false
  let bodyError: unknown
  const abort = (reason?: unknown) => controller.abort(reason)
  const onClientAbort = () => abort(request.signal.reason)
  if (request.signal.aborted) onClientAbort()
  // Stays after the head, so that the client's leaving ends the body too.
  else request.signal.addEventListener('abort', onClientAbort)
  const timer = setTimeout(() => {
    isLate = true
    abort()
  }, request.headersTimeoutMs)
  return {
    signal: controller.signal,
    abort,
    headArrived: () => clearTimeout(timer),
    bodyBroke(error: unknown): void {
      bodyError = error
      abort(error)
    },
    reasonOf(error: unknown): unknown {
      if (request.signal.aborted) return request.signal.reason
      const own = ownError(bodyError ?? error)
      if (own !== undefined) return own
      if (bodyError !== undefined) return new CoatcheckError('invalid_request', { cause: bodyError })
      return new CoatcheckError(isLate ? 'upstream_timeout' : 'upstream_unreachable', { cause: error })
    },
  }
}

/** `fetch` hides what the request body's stream threw behind a TypeError. */
function ownError(error: unknown): CoatcheckError | undefined {
  if (error instanceof CoatcheckError) return error
  if (error instanceof Error && error.cause instanceof CoatcheckError) return error.cause
  return undefined
}

function headersOf(response: Response, isDecoded: boolean): HeaderList {
  const headers = [...response.headers]
  const wasDecoded = isDecoded && (response.headers.get('content-encoding') ?? 'identity') !== 'identity'
  return wasDecoded ? headers.filter(([name]) => name !== 'content-encoding' && name !== 'content-length') : headers
}

function bodyOf(response: Response, abort: () => void): UpstreamBody {
  return {
    stream: () => response.body as ReadableStream<Uint8Array>,
    cancel: () => {
      discard(response.body)
      abort()
    },
  }
}

export function isEventStream({ headers }: Response): boolean {
  return headers.get('content-type')?.toLowerCase().startsWith('text/event-stream') === true
}

/** A body that can be ended from here. Not by `pipeTo` and its signal: in workerd that waits for the next piece. */
function endableBody(body: UpstreamBody): UpstreamBody & LongLived {
  let onOver = () => {}
  let end = () => {}
  return {
    watch(listener) {
      onOver = listener
    },
    end: () => end(),
    cancel() {
      body.cancel()
      onOver()
    },
    stream() {
      const reader = body.stream().getReader()
      let isOver = false
      const finish = (how: () => void) => {
        if (isOver) return
        isOver = true
        how()
        // Broken or not, nobody reads it any more.
        reader.cancel().catch(() => undefined)
        body.cancel()
        onOver()
      }
      return new ReadableStream<Uint8Array>({
        start(controller) {
          end = () => finish(() => controller.close())
        },
        async pull(controller) {
          try {
            const { done, value } = await reader.read()
            if (isOver) return
            if (done) finish(() => controller.close())
            else controller.enqueue(value)
          } catch (error) {
            finish(() => controller.error(error))
          }
        },
        cancel: () => finish(() => undefined),
      })
    },
  }
}

function discard(body: ReadableStream | null): void {
  // The body is of no use any more, and neither is the word that it broke.
  body?.cancel().catch(() => undefined)
}

/**
 * A body that breaks aborts the request as well: workerd ends one whose stream has failed as if it were whole, and
 * the upstream would take the half for all of it.
 */
function toStream(
  body: Exclude<RequestBody, Uint8Array>,
  onBroken: (error: unknown) => void,
): ReadableStream<Uint8Array> {
  if (body instanceof ReadableStream) return body
  const iterator = body[Symbol.asyncIterator]()
  return new ReadableStream({
    async pull(controller) {
      try {
        const { done, value } = await iterator.next()
        if (done) controller.close()
        else controller.enqueue(value)
      } catch (error) {
        onBroken(error)
        throw error
      }
    },
    async cancel() {
      await iterator.return?.()
    },
  })
}

/** RFC 9110 §15.3.5, §15.3.6, §15.4.5: these have no content. */
export function mayHaveBody(status: number): boolean {
  return status !== 204 && status !== 205 && status !== 304
}
