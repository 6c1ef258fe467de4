/** An upstream's side of a WebSocket on Node: the handshake, and the tunnel once both sides agree. */
import { createHash } from 'node:crypto'
import http, { type IncomingMessage } from 'node:http'
import https from 'node:https'
import { isIP, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import type { UpstreamSettings } from '../config/types.ts'
import { CoatcheckError } from '../errors.ts'
import {
  type HeaderList,
  sessionEndClose,
  type UpstreamBody,
  type UpstreamRequest,
  type UpstreamResponse,
  type UpstreamSocket,
} from '../runtime.ts'
import { decodeFields } from './decode-fields.ts'
import { joinSockets, type Tunnel, type TunnelOptions } from './tunnel.ts'
import type { Upgrade } from './upgrade.ts'

export interface ConnectOptions {
  /** Where the upstream is: its origin, or another server that answers for it. */
  readonly target: string
  readonly tls: UpstreamSettings['tls']
  readonly connectTimeoutMs: number
  /** Until there is an answer, the connection included. */
  readonly answerTimeoutMs: number
  readonly tunnel: TunnelOptions
  /** Called once there is a connection: from then on the handshake may have been read. */
  readonly onConnected: () => void
  /** Called once the connection is closed, or was never made. */
  readonly onClosed: () => void
}

/** RFC 6455 §1.3 */
const acceptSuffix = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
const goingAway = 1001

/**
 * Sends the handshake; its own fields are among the request's headers. `node:http` and not undici, whose `upgrade` makes
 * an error of every other answer. A connection for each: it is the WebSocket's from then on.
 */
export function connectWebSocket(request: UpstreamRequest, options: ConnectOptions): Promise<UpstreamResponse> {
  const { signal } = request
  if (signal.aborted) {
    options.onClosed()
    return Promise.reject(signal.reason)
  }
  return new Promise((resolve, reject) => {
    const outgoing = startOrGiveBack(request, options)
    const timer = setTimeout(() => fail(new CoatcheckError('upstream_timeout')), options.answerTimeoutMs)
    const onAbort = () => fail(signal.reason)
    const settle = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
    }
    const fail = (reason: unknown) => {
      settle()
      outgoing.destroy()
      reject(reason)
    }
    signal.addEventListener('abort', onAbort)
    // Given up before there was a connection.
    outgoing.once('close', () => outgoing.socket ?? options.onClosed())
    outgoing.once('socket', (socket) => {
      const late = () => fail(new CoatcheckError('upstream_unreachable', { cause: new Error('no connection in time') }))
      const connectTimer = setTimeout(late, options.connectTimeoutMs)
      socket.once(new URL(options.target).protocol === 'https:' ? 'secureConnect' : 'connect', () => {
        clearTimeout(connectTimer)
        options.onConnected()
      })
      socket.once('close', () => {
        clearTimeout(connectTimer)
        options.onClosed()
      })
    })
    outgoing.on('error', (cause) => fail(new CoatcheckError('upstream_unreachable', { cause })))
    outgoing.once('response', (response) => {
      settle()
      const { statusCode: status = 502 } = response
      resolve({
        status,
        headers: decodeFields(response.headersDistinct),
        body: bodyOf(response, request.bodyTimeoutMs),
      })
    })
    outgoing.once('upgrade', (response, duplex, head) => {
      const socket = duplex as Socket
      socket.on('error', () => socket.destroy())
      if (!isAccepted(response, request.headers)) {
        socket.destroy()
        return fail(new CoatcheckError('upstream_unreachable', { cause: new Error('a handshake answered wrongly') }))
      }
      settle()
      if (head.byteLength > 0) socket.unshift(head)
      resolve({
        status: 101,
        headers: decodeFields(response.headersDistinct),
        body: null,
        socket: new NodeUpstreamSocket(socket, options.tunnel),
      })
    })
    outgoing.end()
  })
}

/** What throws at once is never closed either. */
function startOrGiveBack(request: UpstreamRequest, options: ConnectOptions): http.ClientRequest {
  try {
    return startRequest(request, options)
  } catch (error) {
    options.onClosed()
    throw error
  }
}

function startRequest(
  { origin, target, headers }: UpstreamRequest,
  { target: address, tls }: ConnectOptions,
): http.ClientRequest {
  const { protocol, hostname, port } = new URL(address)
  const upstream = new URL(origin)
  return (protocol === 'https:' ? https : http).request({
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? undefined : port,
    path: target,
    headers: ['host', upstream.host, 'connection', 'Upgrade', 'upgrade', 'websocket', ...headers.flat()],
    agent: false,
    // The name that a certificate has to be for is the upstream's, whatever target is asked.
    ...(protocol === 'https:' && { servername: tls?.servername ?? servernameOf(upstream.hostname) }),
    ...(tls?.ca && { ca: [...tls.ca] }),
    ...(tls?.cert && { cert: tls.cert }),
    ...(tls?.key && { key: tls.key }),
  })
}

/** An address has no name to be asked for (RFC 6066 §3). */
function servernameOf(hostname: string): string {
  return isIP(hostname.replace(/^\[|\]$/g, '')) === 0 ? hostname : ''
}

/** RFC 6455 §4.1: a server that has not understood the handshake does not know this value. */
function isAccepted(response: IncomingMessage, headers: HeaderList): boolean {
  const key = headers.find(([name]) => name === 'sec-websocket-key')?.[1] ?? ''
  const expected = createHash('sha1')
    .update(key + acceptSuffix)
    .digest('base64')
  return (
    response.statusCode === 101 &&
    response.headers.upgrade?.toLowerCase() === 'websocket' &&
    response.headers['sec-websocket-accept'] === expected
  )
}

export class NodeUpstreamSocket implements UpstreamSocket {
  readonly #socket: Socket
  readonly #options: TunnelOptions
  #tunnel: Tunnel | undefined
  #hasEnded = false
  #onOver: () => void = () => {}

  constructor(socket: Socket, options: TunnelOptions) {
    this.#socket = socket
    this.#options = options
    socket.once('close', () => {
      if (this.#tunnel === undefined) this.#onOver()
    })
  }

  watch(onOver: () => void): void {
    this.#onOver = onOver
    if (this.#socket.destroyed) onOver()
  }

  end(): void {
    this.#hasEnded = true
    this.#tunnel?.close(sessionEndClose.code, sessionEndClose.reason)
  }

  cancel(): void {
    this.#socket.destroy()
  }

  /** Writes the head of the 101, and joins the client to it. */
  join(upgrade: Upgrade, head: string): void {
    const client = upgrade.take()
    if (client.destroyed || this.#socket.destroyed) {
      client.destroy()
      this.#socket.destroy()
      return
    }
    client.write(head, 'latin1')
    const tunnel = joinSockets(client, this.#socket, this.#options, () => this.#onOver())
    this.#tunnel = tunnel
    upgrade.onShutdown(() => tunnel.close(goingAway, ''))
    if (this.#hasEnded) this.end()
  }
}

/** Of a handshake that was refused. */
function bodyOf(response: IncomingMessage, timeoutMs: number): UpstreamBody {
  if (timeoutMs > 0) response.setTimeout(timeoutMs, () => response.destroy(new Error('the body stands still')))
  // What breaks it is told to its reader; where there is none, nobody.
  response.on('error', () => undefined)
  return {
    stream: () => Readable.toWeb(response) as ReadableStream<Uint8Array>,
    cancel: () => response.destroy(),
  }
}
