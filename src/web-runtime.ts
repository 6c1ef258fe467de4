/**
 * The runtime for a server that speaks web standards (Workers, Deno, Bun, a Hono app in a test): `fetch` to the
 * upstream, a streaming `Response` to the client. Node has one of its own, `node/runtime.ts`.
 */
import type { Context } from 'hono'
import { refuseNodeOnly } from './config/node-only.ts'
import { CoatcheckError } from './errors.ts'
import { reportToConsole } from './observability/events.ts'
import type {
  Clock,
  HeaderList,
  LongLived,
  RequestBody,
  ResponseHead,
  Runtime,
  Transport,
  UpstreamBody,
  UpstreamRequest,
} from './runtime.ts'

export interface WebRuntimeOptions {
  /** Default: the system's clock. */
  clock?: Clock
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
  /** Where this server finds the address of the client's end of the connection. Default: nowhere. */
  peerAddress?: (c: Context) => string | undefined
}

export function webRuntime(options: WebRuntimeOptions = {}): Runtime {
  return {
    clock: options.clock ?? { now: () => Date.now() },
    transport: fetchTransport(options),
    prepare: refuseNodeOnly,
    // `fetch` shows none.
    earlyHints() {},
    requestTarget: (c) => targetOf(c.req.url),
    requestHeaders: (c) => Object.fromEntries(c.req.raw.headers),
    requestBody: (c) => {
      if (c.req.raw.bodyUsed) throw bodyWasRead()
      return c.req.raw.body
    },
    peerAddress: (c) => options.peerAddress?.(c),
    clientSignal: (c) => c.req.raw.signal,
    respond: respondWithStream,
    waitUntil: (c, work) => {
      const settled = work.catch((cause: unknown) => {
        reportToConsole({ event: 'request_failed', code: 'internal_error', cause })
      })
      executionContext(c)?.waitUntil(settled)
    },
    // On Workers; elsewhere it costs a timer for each open stream.
    hasSharedTimers: false,
    every(ms, work) {
      const timer = setInterval(work, ms)
      return () => clearInterval(timer)
    },
  }
}

/** Answers with a web stream. Also what Node does under a server that is not ours. */
export async function respondWithStream(
  _c: Context,
  head: ResponseHead,
  body: UpstreamBody | null,
  finish: () => HeaderList | Promise<HeaderList>,
): Promise<Response> {
  try {
    const headers = new Headers()
    for (const [name, value] of head.headers) headers.append(name, value)
    applyFields(headers, await finish())
    if (body === null || !mayHaveBody(head.status)) {
      body?.cancel()
      return new Response(null, { status: head.status, headers })
    }
    return new Response(body.stream(), { status: head.status, headers })
  } catch (error) {
    body?.cancel()
    throw error
  }
}

/** Cookies are added to those that are there; every other field replaces. */
export function applyFields(headers: Headers, fields: HeaderList): void {
  for (const [name, value] of fields) {
    if (name.toLowerCase() === 'set-cookie') headers.append(name, value)
    else headers.set(name, value)
  }
}

/** RFC 9110 §15.3.5, §15.3.6, §15.4.5: these have no content. */
export function mayHaveBody(status: number): boolean {
  return status !== 204 && status !== 205 && status !== 304
}

/** Path and query as they stand in the URL: what comes after the authority, not normalized a second time. */
export function targetOf(url: string): string {
  const authority = url.indexOf('//') + 2
  const path = url.slice(authority).search(/[/?#]/)
  if (path === -1) return '/'
  const target = url.slice(authority + path).replace(/#.*$/, '')
  return target.startsWith('/') ? target : `/${target}`
}

/** A middleware that read the body before us has left nothing to forward; better loud than a call that hangs. */
export function bodyWasRead(): CoatcheckError {
  return new CoatcheckError('internal_error', {
    cause: new Error('The request body was read before the gateway got it'),
  })
}

function fetchTransport(options: WebRuntimeOptions): Transport {
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

function send(request: UpstreamRequest, options: WebRuntimeOptions, isDecoded: boolean, exchange: Exchange) {
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
  else request.signal.addEventListener('abort', onClientAbort, { once: true })
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
  const wasDecoded = isDecoded && (response.headers.get('content-encoding') ?? 'identity') !== 'identity'
  return [...response.headers].filter(
    ([name]) => !wasDecoded || (name !== 'content-encoding' && name !== 'content-length'),
  )
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

function isEventStream(response: Response): boolean {
  return response.headers.get('content-type')?.toLowerCase().startsWith('text/event-stream') === true
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

/** Hono throws where there is none (`app.request()` in a test). */
function executionContext(c: Context): ExecutionContextLike | undefined {
  try {
    return c.executionCtx
  } catch {
    return undefined
  }
}

interface ExecutionContextLike {
  waitUntil(promise: Promise<unknown>): void
}
