/**
 * What differs between Node and Workers, as interfaces that are handed in at the top.
 * Nothing below asks where it runs.
 */
import type { Context } from 'hono'
import type { Config, UpstreamSettings } from './config/types.ts'
import type { FetchBinding } from './config/user-routes.ts'

/** Milliseconds since the epoch. Handed in so that tests hold time. */
export interface Clock {
  now(): number
}

/** Raw DEFLATE (RFC 1951). */
export interface RawDeflate {
  deflate(bytes: Uint8Array<ArrayBuffer>): Uint8Array | Promise<Uint8Array>
  /** Fails for what is not one whole stream and nothing else, and for what is more than `mostBytes`. */
  inflate(bytes: Uint8Array<ArrayBuffer>, mostBytes: number): Uint8Array | Promise<Uint8Array>
}

/** Header fields, with names in lower case; a name may occur more than once, and its lines are in their order. */
export type HeaderList = ReadonlyArray<readonly [name: string, value: string]>

/** A request's header fields by lower-case name; repeated ones are joined as RFC 9110 §5.3 says. */
export type IncomingHeaders = Readonly<Record<string, string | undefined>>

/** The bytes of a request body. Node's own streams are async iterables; everything else gives web streams. */
export type RequestBody = ReadableStream<Uint8Array> | AsyncIterable<Uint8Array> | Uint8Array<ArrayBuffer>

/**
 * Whether the client is still there. An `AbortSignal` is one; a runtime may have something lighter. That one may also tell
 * when the answer is over, whole or not (`close`), which an `AbortSignal` never does.
 */
export interface ClientSignal {
  readonly aborted: boolean
  readonly reason: unknown
  addEventListener(type: 'abort' | 'close', listener: () => void): void
  removeEventListener(type: 'abort' | 'close', listener: () => void): void
}

/** One request to an API behind us. */
export interface UpstreamRequest {
  /** Scheme, host and port, without a path: `https://orders.internal`. */
  readonly origin: string
  /** Path and query exactly as they go on the wire. */
  readonly target: string
  readonly method: string
  readonly headers: HeaderList
  readonly body: RequestBody | null
  /** Aborts the request, and after the head the body that is still to come. */
  readonly signal: ClientSignal
  /** How long the answer's head may take. */
  readonly headersTimeoutMs: number
  /** How long the answer's body may be silent, if it is not an event stream; 0 is for ever. */
  readonly bodyTimeoutMs: number
  /** What the configuration says of the origin, where it says more than a URL. */
  readonly upstream?: UpstreamSettings | undefined
  /** Gets the fields of a 103, if there is one and the transport sees it. */
  readonly onEarlyHints?: ((fields: HeaderList) => void) | undefined
  /** Workers only: who is asked instead of the network. The configuration refuses one on Node. */
  readonly binding?: FetchBinding | undefined
}

/** A target of an upstream gets nothing for a while, and is in order again. */
export type UpstreamEvent =
  | {
      readonly event: 'upstream_ejected'
      readonly upstream: string
      readonly target: string
      readonly because: 'health' | 'failures'
      readonly pause_seconds?: number
      readonly cause?: unknown
    }
  | { readonly event: 'upstream_recovered'; readonly upstream: string; readonly target: string }

/** The body of an upstream's answer, not read yet. `stream` is called once at most; `cancel` ends it, whoever reads that. */
export interface UpstreamBody {
  stream(): ReadableStream<Uint8Array>
  cancel(): void
}

export interface UpstreamResponse {
  readonly status: number
  readonly headers: HeaderList
  readonly body: UpstreamBody | null
  /** Set where the body is an event stream. */
  readonly stream?: LongLived
  /** Set where a handshake was accepted (101). */
  readonly socket?: UpstreamSocket
}

/** What outlives its request, and has to end with the session that it was opened for (protocol.md E6). */
export interface LongLived {
  /** `onOver` is called once, when no more of it comes, however that came to be. */
  watch(onOver: () => void): void
  /** Ends it, for the client as a clean end: an event stream as if it were whole, a WebSocket by `sessionEndClose`. */
  end(): void
}

/** An upstream's side of a WebSocket, not joined to the client's yet. */
export interface UpstreamSocket extends LongLived {
  /** It is not wanted after all. */
  cancel(): void
}

/** The close frame that says: the session that this was opened for has ended, ask for it before opening another. */
export const sessionEndClose = { code: 4401, reason: 'session_ended' } as const

/** WebSockets, where the runtime has them. */
export interface WebSockets {
  /** Whether this request can become one. */
  canOpen(c: Context): boolean
  /** Sends a handshake. An answer with a `socket` accepted it; every other is an answer like that of `Transport`. */
  connect(request: UpstreamRequest): Promise<UpstreamResponse>
  /** Answers with 101 and joins both sides. `finish` as for `Runtime.respond`. */
  open(
    c: Context,
    headers: HeaderList,
    socket: UpstreamSocket,
    finish: () => HeaderList | Promise<HeaderList>,
  ): Response | Promise<Response>
}

/**
 * Sends requests to upstreams. Never follows a redirect, never decompresses, never adds a header
 * but those of the connection.
 *
 * Rejects with a CoatcheckError: `upstream_unreachable`, `upstream_timeout`, `upstream_busy`, `upstream_unavailable`; with the signal's reason when it was
 * aborted; and with the body's own CoatcheckError when that is what broke (`payload_too_large`).
 */
export interface Transport {
  send(request: UpstreamRequest): Promise<UpstreamResponse>
}

/** The head of an answer. Cookies are apart: they are decided when it is written (protocol.md C2). */
export interface ResponseHead {
  readonly status: number
  readonly headers: HeaderList
  /** Trailer fields of a body that is chunked: names to announce (RFC 9110 §6.6.2), and what of them the client gets. */
  readonly trailers?:
    | { readonly announced: string | undefined; readonly pick: (fields: HeaderList) => HeaderList }
    | undefined
}

export interface Runtime {
  readonly clock: Clock
  readonly transport: Transport
  /**
   * Told once of each configuration that it is to serve, and of who wants to know what happens.
   *
   * @throws ConfigError for settings that it cannot honour
   */
  prepare(config: Config, report: (event: UpstreamEvent) => void): void
  /** Tells the client of links before the answer, where the runtime can. */
  earlyHints(c: Context, fields: HeaderList): void
  /**
   * Looks at what only the runtime sees of a message, and its server may have let through.
   *
   * @throws CoatcheckError `invalid_request` for what somebody in front may have read in another way
   */
  checkMessage?(c: Context): void
  /** The request target as it came on the wire where the runtime shows it, else path and query of the URL. */
  requestTarget(c: Context): string
  requestHeaders(c: Context): IncomingHeaders
  /** The body that came, unread; null where there is none. */
  requestBody(c: Context): RequestBody | null
  /** Address of the peer of the connection, where the runtime knows it. */
  peerAddress(c: Context): string | undefined
  /** Aborted when the client goes away before the answer is complete. */
  clientSignal(c: Context): ClientSignal
  /**
   * Answers with an upstream's body. `finish` gives the header fields to add (our cookies) and is called
   * when the head is about to be written.
   */
  respond(
    c: Context,
    head: ResponseHead,
    body: UpstreamBody | null,
    finish: () => HeaderList | Promise<HeaderList>,
  ): Response | Promise<Response>
  /** SHA-256 of a text in UTF-8, in base64url: what a token is called where it is not to be read. */
  sha256(text: string): string | Promise<string>
  /** Of sessions, which are some kilobytes. */
  readonly rawDeflate: RawDeflate
  /** Lets work outlive the request that started it. */
  waitUntil(c: Context, work: Promise<unknown>): void
  readonly webSockets?: WebSockets | undefined
  /** False where a timer belongs to the request in which it was set, and may not do another's work. */
  readonly hasSharedTimers: boolean
  /** Calls `work` every so often, until what it gives is called. Keeps no process alive. */
  every(ms: number, work: () => void): () => void
}
