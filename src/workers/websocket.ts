/**
 * WebSockets on Workers: the runtime speaks the protocol on both sides, so messages and close codes pass from one to the
 * other. Pings it answers by itself, and it knows no backpressure: what a slow client has not taken waits in the runtime.
 */
import { CoatcheckError } from '../errors.ts'
import {
  type HeaderList,
  sessionEndClose,
  type UpstreamRequest,
  type UpstreamResponse,
  type UpstreamSocket,
  type WebSockets,
} from '../runtime.ts'
import { applyFields } from '../web-runtime.ts'

/** What of the runtime's own WebSocket is used here. */
interface WorkerSocket {
  binaryType: string
  accept(options?: { allowHalfOpen?: boolean }): void
  send(data: string | ArrayBuffer): void
  close(code?: number, reason?: string): void
  addEventListener(type: 'message', listener: (event: { data: string | ArrayBuffer }) => void): void
  addEventListener(type: 'close', listener: (event: { code: number; reason: string }) => void): void
  addEventListener(type: 'error', listener: () => void): void
}

declare const WebSocketPair: new () => { 0: WorkerSocket; 1: WorkerSocket }

/** RFC 6455 §7.4.1: codes that say that there was no close frame, or none with a code; they cannot be sent. */
const noStatus = 1005
const abnormal = 1006
const goingAway = 1001
const internalError = 1011

/** The runtime writes these itself. */
const runtimesOwn = new Set(['sec-websocket-key', 'sec-websocket-version', 'sec-websocket-extensions'])

export const workerWebSockets: WebSockets = {
  canOpen: () => typeof WebSocketPair === 'function',
  connect,
  async open(_c, fields, socket, finish) {
    const headers = new Headers()
    for (const [name, value] of fields) {
      if (name === 'sec-websocket-protocol') headers.append(name, value)
    }
    applyFields(headers, await finish())
    const pair = new WebSocketPair()
    const upstream = socket as WorkerUpstreamSocket
    upstream.join(pair[1])
    const init: ResponseInit & { webSocket: WorkerSocket } = { status: 101, headers, webSocket: pair[0] }
    return new Response(null, init)
  },
}

async function connect(request: UpstreamRequest): Promise<UpstreamResponse> {
  const { signal, headersTimeoutMs, binding } = request
  const headers = new Headers([['upgrade', 'websocket']])
  for (const [name, value] of request.headers) if (!runtimesOwn.has(name)) headers.append(name, value)
  const controller = new AbortController()
  const onAbort = () => controller.abort(signal.reason)
  let isLate = false
  const timer = setTimeout(() => {
    isLate = true
    controller.abort()
  }, headersTimeoutMs)
  signal.addEventListener('abort', onAbort)
  try {
    const init: RequestInit = { headers, redirect: 'manual', signal: controller.signal }
    const url = request.origin + request.target
    const response = binding === undefined ? await fetch(url, init) : await binding.fetch(new Request(url, init))
    return answerOf(response)
  } catch (cause) {
    if (signal.aborted) throw signal.reason
    throw new CoatcheckError(isLate ? 'upstream_timeout' : 'upstream_unreachable', { cause })
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
  }
}

function answerOf(response: Response): UpstreamResponse {
  const { webSocket } = response as Response & { webSocket?: WorkerSocket | null }
  const headers: HeaderList = [...response.headers]
  if (webSocket) return { status: 101, headers, body: null, socket: new WorkerUpstreamSocket(webSocket) }
  const { body, status } = response
  const discard = () => void body?.cancel()
  return { status, headers, body: body && { stream: () => body, cancel: discard } }
}

class WorkerUpstreamSocket implements UpstreamSocket {
  readonly #upstream: WorkerSocket
  #client: WorkerSocket | undefined
  #hasEnded = false
  #isOver = false
  #onOver: () => void = () => {}

  constructor(upstream: WorkerSocket) {
    this.#upstream = upstream
  }

  watch(onOver: () => void): void {
    this.#onOver = onOver
    if (this.#isOver) onOver()
  }

  end(): void {
    this.#hasEnded = true
    if (!this.#client) return
    closeOne(this.#client, sessionEndClose.code, sessionEndClose.reason)
    closeOne(this.#upstream, goingAway, '')
    this.#over()
  }

  cancel(): void {
    this.#upstream.accept()
    closeOne(this.#upstream, goingAway, '')
    this.#over()
  }

  join(client: WorkerSocket): void {
    this.#client = client
    for (const [from, to] of [
      [client, this.#upstream],
      [this.#upstream, client],
    ] as const) {
      from.binaryType = 'arraybuffer'
      from.addEventListener('message', ({ data }) => {
        if (!this.#isOver) to.send(data)
      })
      from.addEventListener('close', ({ code, reason }) => {
        closeOne(to, code, reason)
        // Answers the close where the runtime leaves that to us (half-open).
        closeOne(from, code, reason)
        this.#over()
      })
      from.addEventListener('error', () => {
        closeOne(to, internalError, '')
        this.#over()
      })
    }
    // Half-open: each side's close waits for the other's, which brings its own code.
    for (const side of [client, this.#upstream]) side.accept({ allowHalfOpen: true })
    if (this.#hasEnded) this.end()
  }

  #over(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#onOver()
  }
}

function closeOne(socket: WorkerSocket, code: number, reason: string): void {
  try {
    if (code === noStatus) socket.close()
    else socket.close(code === abnormal ? internalError : code, reason)
  } catch (error) {
    // It is closed already, which is all that was wanted.
    if (!(error instanceof TypeError)) throw error
  }
}
