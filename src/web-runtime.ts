/**
 * The runtime for a server that speaks web standards (Deno, Bun, a Hono app in a test): `fetch` to the upstream, a
 * streaming `Response` to the client. Node and Workers have their own, `node/runtime.ts` and `workers/runtime.ts`.
 */
import type { Context } from 'hono'
import * as base64url from 'jose/base64url'
import { refuseNodeOnly } from './config/node-only.ts'
import { CoatcheckError } from './errors.ts'
import { type FetchTransportOptions, fetchTransport, mayHaveBody } from './fetch-transport.ts'
import { reportToConsole } from './observability/events.ts'
import type { Clock, HeaderList, IncomingHeaders, ResponseHead, Runtime, UpstreamBody } from './runtime.ts'
import { webDeflate } from './session/compress.ts'

export interface WebRuntimeOptions extends FetchTransportOptions {
  /** Default: the system's clock. */
  clock?: Clock
  /** Where this server finds the address of the client's end of the connection. Default: nowhere. */
  peerAddress?: (c: Context) => string | undefined
}

/**
 * It does not know how many processes or isolates serve, and takes any store. A store in memory (also the default, a cookie
 * store without a coordinator) is right for one process alone: on Workers take `workersRuntime`, which refuses it there.
 */
export function webRuntime(options: WebRuntimeOptions = {}): Runtime {
  return {
    clock: options.clock ?? { now: () => Date.now() },
    transport: fetchTransport(options),
    prepare: refuseNodeOnly,
    // `fetch` shows none.
    earlyHints() {},
    requestTarget: (c) => targetOf(c.req.url),
    requestHeaders: (c) => headersOf(c.req.raw),
    requestBody: (c) => {
      if (c.req.raw.bodyUsed) throw bodyWasRead()
      return c.req.raw.body
    },
    peerAddress: (c) => options.peerAddress?.(c),
    clientSignal: (c) => c.req.raw.signal,
    respond: respondWithStream,
    rawDeflate: webDeflate,
    async sha256(text) {
      return base64url.encode(new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))))
    },
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

const readHeaders = new WeakMap<Request, IncomingHeaders>()

/** Read once for a request: where the fields are the server's own and not JavaScript's, to go through them copies each. */
function headersOf(request: Request): IncomingHeaders {
  let headers = readHeaders.get(request)
  if (headers === undefined) {
    headers = Object.fromEntries(request.headers)
    readHeaders.set(request, headers)
  }
  return headers
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
    if (name === 'set-cookie') headers.append(name, value)
    else headers.set(name, value)
  }
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
