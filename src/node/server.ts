/** A Node HTTP(S) server around a fetch handler: limits, refusals, the release of held bodies, a clean end. */
import http, { type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { getRequestListener, type HttpBindings, RequestError } from '@hono/node-server'
import { problems } from '../errors.ts'
import { isEventStream } from '../fetch-transport.ts'
import { type Connections, trackConnections } from './connections.ts'
import { checkedEnvironment, declineUpgrade, refusal } from './message-checks.ts'
import { defaultMaxRequests } from './request-limit.ts'
import { announceRelease, drop, failure, release } from './respond.ts'
import { logError } from './runtime.ts'
import { cutOffSlowReaders } from './slow-readers.ts'
import { offerUpgrade, responseFor } from './upgrade.ts'

export interface ServerLimits {
  /** How long a request's head may take. */
  headersTimeoutMs: number
  /** How long a kept connection may be idle. Longer than a reverse proxy in front keeps it. */
  keepAliveTimeoutMs: number
  /** Largest head of a request; more is 431. */
  maxHeaderBytes: number
  /** A client that takes nothing of an answer for so long is cut off. */
  stallTimeoutMs: number
  /**
   * Answers under way at a time; more requests get 503 `overloaded`, before they cost memory. Default 16384, or one for
   * each 128 KiB of the memory that the process may have, if that is fewer.
   */
  maxRequests: number
  /** How often heads that take too long are looked for. */
  checkIntervalMs: number
}

/** There is no limit on a whole request: an upload may be long, but it may not stand still (`nodeRuntime`). */
const defaultLimits: Omit<ServerLimits, 'maxRequests'> = {
  headersTimeoutMs: 15_000,
  keepAliveTimeoutMs: 75_000,
  maxHeaderBytes: 16 * 1024,
  stallTimeoutMs: 60_000,
  checkIntervalMs: 5_000,
}

export interface ServerOptions {
  /** What answers: a Hono app's `fetch`. */
  fetch: (request: Request, env: HttpBindings) => Response | Promise<Response>
  /** Default: every address of this machine. */
  host?: string | undefined
  /** 0 (default) takes a free one. */
  port?: number | undefined
  /** PEM key and certificate; without them the server speaks plain HTTP. */
  tls?: { key: string | Buffer; cert: string | Buffer } | undefined
  limits?: Partial<ServerLimits>
  /** How long a close waits for answers under way. Default 10 s. */
  closeTimeoutMs?: number
  onError?: (error: unknown) => void
}

export interface RunningServer {
  readonly url: string
  readonly port: number
  /** Accepts nothing more, ends event streams, waits for the other answers, then cuts what is left. */
  close(): Promise<void>
}

/** Resolves once it listens; rejects when it cannot (`EADDRINUSE`). */
export async function createServer(options: ServerOptions): Promise<RunningServer> {
  const limits = { ...defaultLimits, maxRequests: defaultMaxRequests(), ...options.limits }
  const connections = trackConnections()
  const listener = requestListener(options, limits, connections)
  const settings: http.ServerOptions = {
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: 0,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    maxHeaderSize: limits.maxHeaderBytes,
    connectionsCheckingInterval: limits.checkIntervalMs,
    insecureHTTPParser: false,
    requireHostHeader: true,
    // Since Node 24.9: every other `Upgrade` stays plain HTTP (RFC 9110 §7.8). Older ones hand all of them to the listener.
    shouldUpgradeCallback: isWebSocket,
  }
  const server =
    options.tls === undefined
      ? http.createServer(settings, listener)
      : https.createServer({ ...settings, ...options.tls }, listener)
  // Before a body is asked for, the app has looked at the head.
  server.on('checkContinue', (incoming, outgoing) => {
    continueWhenRead(incoming, outgoing)
    listener(incoming, outgoing)
  })
  server.on('connect', (_incoming, socket: Duplex) => refuse(socket, 405))
  server.on('upgrade', upgradeListener(listener, connections.onUpgrade))

  await listen(server, options.port ?? 0, options.host)
  const stopWatching = cutOffSlowReaders(connections.answers, limits.stallTimeoutMs)
  server.once('close', stopWatching)
  const { port } = server.address() as AddressInfo
  const scheme = options.tls === undefined ? 'http' : 'https'
  return {
    url: `${scheme}://${hostOf(options.host)}:${port}`,
    port,
    close: () => connections.close(server, options.closeTimeoutMs ?? 10_000),
  }
}

/** Node's own listener: refuses what no app should see, runs the app, and releases what it holds. */
function requestListener(
  options: ServerOptions,
  limits: ServerLimits,
  connections: Pick<Connections, 'onRequest' | 'onEventStream'>,
): RequestListener {
  const onError = options.onError ?? logError
  const answer = async (request: Request, { incoming, outgoing }: HttpBindings): Promise<Response> => {
    announceRelease(outgoing)
    try {
      const response = await options.fetch(request, checkedEnvironment(incoming, outgoing))
      if (isEventStream(response)) connections.onEventStream(outgoing)
      const released = release(incoming, outgoing, response, onError)
      return released instanceof Promise ? await released : released
    } catch (error) {
      drop(outgoing)
      throw error
    }
  }
  // Of what an app does not catch, node-server alone would say nothing to anybody.
  const errorHandler = (error: unknown): Response => {
    if (error instanceof RequestError) return new Response(null, { status: 400 })
    onError(error)
    return failure(error)
  }
  const toApp = getRequestListener((request, env) => answer(request, env as HttpBindings), { errorHandler })
  return (incoming, outgoing) => {
    if (!declineUpgrade(incoming, outgoing)) return void incoming.socket.destroy()
    if (connections.onRequest(outgoing) > limits.maxRequests) {
      shed(outgoing)
      return
    }
    if (hasBody(incoming)) closeAfterUnreadBody(incoming, outgoing)
    const status = refusal(incoming)
    if (status === undefined) toApp(incoming, outgoing).catch(onError)
    else outgoing.writeHead(status, { connection: 'close' }).end()
  }
}

/**
 * RFC 9110 §10.1.1: the client waits for a 100 before it sends its body. It gets one when somebody begins to read, so that
 * what is refused is not sent. Without one Node closes the connection after the answer: a body may be on its way.
 */
function continueWhenRead(incoming: IncomingMessage, outgoing: ServerResponse): void {
  const read = incoming._read.bind(incoming)
  let isAsked = false
  incoming._read = (size) => {
    if (!isAsked && !outgoing.headersSent && !outgoing.destroyed) outgoing.writeContinue()
    isAsked = true
    read(size)
  }
}

/** node-server drains what is left of a body, but not that of a GET or HEAD; the next request would be read from it. */
function closeAfterUnreadBody(incoming: IncomingMessage, outgoing: ServerResponse): void {
  if (incoming.method !== 'GET' && incoming.method !== 'HEAD') return
  outgoing.once('finish', () => {
    if (!incoming.complete) incoming.socket.destroySoon()
  })
}

function shed(outgoing: ServerResponse): void {
  const [status, title] = problems.overloaded
  outgoing.writeHead(status, {
    connection: 'close',
    'cache-control': 'no-store',
    'content-type': 'application/problem+json',
    'retry-after': '1',
    'x-content-type-options': 'nosniff',
  })
  outgoing.end(JSON.stringify({ type: 'urn:coatcheck:problem:overloaded', title, status, code: 'overloaded' }))
}

/** A handshake goes through the app like every request; what answers it with 101 takes the connection. */
function upgradeListener(
  listener: RequestListener,
  onUpgrade: Connections['onUpgrade'],
): (incoming: IncomingMessage, socket: Duplex, head: Buffer) => void {
  return (incoming, socket, head) => {
    // Without a listener a reset of the connection would end the process.
    socket.on('error', () => socket.destroy())
    // Only an older Node: it has not read the body, and what follows would be taken for the next request.
    if (hasBody(incoming)) return refuse(socket, 400)
    const outgoing = responseFor(incoming, socket)
    onUpgrade(socket, isWebSocket(incoming) ? offerUpgrade(outgoing, socket, head) : undefined)
    listener(incoming, outgoing)
  }
}

/** A handshake is of HTTP/1.1 and has no body (RFC 6455 §4.1): else the request is plain HTTP, and read as such. */
function isWebSocket(incoming: IncomingMessage): boolean {
  if (incoming.method !== 'GET' || incoming.httpVersion !== '1.1' || hasBody(incoming)) return false
  return incoming.headers.upgrade?.toLowerCase() === 'websocket'
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined
}

/** Answers on a connection that has no `ServerResponse`, and ends it. */
function refuse(socket: Duplex, status: number): void {
  socket.on('error', () => socket.destroy())
  socket.end(
    `HTTP/1.1 ${status} ${http.STATUS_CODES[status] ?? ''}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
    () => socket.destroy(),
  )
}

function listen(server: http.Server, port: number, host: string | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

function hostOf(host: string | undefined): string {
  if (host === undefined || host === '0.0.0.0' || host === '::') return 'localhost'
  return host.includes(':') ? `[${host}]` : host
}
