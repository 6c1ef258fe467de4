/** WebSockets for tests: an API behind Coatcheck that takes them, and the browser's side of one. */
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import WebSocket, { type ClientOptions, type ServerOptions, WebSocketServer } from 'ws'
import type { UserAgent } from './browser.ts'
import type { TestUpstream } from './upstream.ts'

export interface SocketUpstream {
  /** Handshakes that came, oldest first. */
  readonly handshakes: IncomingMessage[]
  /** The API's side of the WebSockets that were opened, oldest first. */
  readonly sockets: WebSocket[]
  /** What the API does with each; default: it echoes. */
  onSocket: (socket: WebSocket, handshake: IncomingMessage) => void
  /** Refuses handshakes: writes an answer of its own. */
  refuse: ((socket: Duplex, handshake: IncomingMessage) => boolean) | undefined
  /** Resolves with the API's side once so many were opened. */
  opened(count: number): Promise<WebSocket>
  reset(): void
}

/** Lets a test's upstream take WebSockets on every path. */
export function takeWebSockets(upstream: TestUpstream, options: ServerOptions = {}): SocketUpstream {
  const server = new WebSocketServer({ noServer: true, ...options })
  const waiting: { count: number; resolve: (socket: WebSocket) => void }[] = []
  const echo = (socket: WebSocket) => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  }
  const result: SocketUpstream = {
    handshakes: [],
    sockets: [],
    onSocket: echo,
    refuse: undefined,
    opened(count) {
      const known = result.sockets[count - 1]
      return known ? Promise.resolve(known) : new Promise((resolve) => waiting.push({ count, resolve }))
    },
    reset() {
      for (const socket of result.sockets) socket.terminate()
      result.handshakes.length = 0
      result.sockets.length = 0
      result.onSocket = echo
      result.refuse = undefined
    },
  }
  upstream.onUpgrade((incoming, socket, head) => {
    result.handshakes.push(incoming)
    if (result.refuse?.(socket, incoming)) return
    server.handleUpgrade(incoming, socket, head, (opened) => {
      result.sockets.push(opened)
      result.onSocket(opened, incoming)
      for (const { count, resolve } of waiting) if (count === result.sockets.length) resolve(opened)
    })
  })
  return result
}

export interface OpenOptions extends ClientOptions {
  readonly protocols?: readonly string[]
}

/** As a page of the app opens it: the browser sends `Origin` and the cookies by itself. Not open yet. */
export function pageSocket(browser: UserAgent, origin: string, path: string, options: OpenOptions = {}): WebSocket {
  const { protocols = [], headers, ...others } = options
  return new WebSocket(origin.replace('http', 'ws') + path, [...protocols], {
    ...others,
    headers: { Origin: origin, Cookie: browser.cookies.header(origin) ?? '', ...headers },
  })
}

/** The answer to a handshake that was refused. */
export async function refusal(
  socket: WebSocket,
): Promise<{ status: number; headers: IncomingMessage['headers']; body: string }> {
  socket.on('error', () => undefined)
  const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage]
  let body = ''
  for await (const chunk of response.setEncoding('utf8')) body += chunk
  socket.terminate()
  return { status: response.statusCode ?? 0, headers: response.headers, body }
}

export async function closeOf(socket: WebSocket): Promise<{ code: number; reason: string }> {
  socket.on('error', () => undefined)
  const [code, reason] = (await once(socket, 'close')) as [number, Buffer]
  return { code, reason: reason.toString() }
}

export async function messageOf(socket: WebSocket): Promise<string> {
  const [data] = await once(socket, 'message')
  return String(data)
}
