/** Real servers and raw sockets for the tests of this folder. */
import http, { type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import net, { type AddressInfo } from 'node:net'
import { Hono } from 'hono'
import { type NodeRuntime, nodeRuntime } from '../../src/node/runtime.ts'
import { createServer, type RunningServer, type ServerOptions } from '../../src/node/server.ts'
import type { HeaderList } from '../../src/runtime.ts'

const cleanups: (() => Promise<unknown>)[] = []

/** Call in `afterEach`. */
export async function closeEverything(): Promise<void> {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
}

export function onCleanup(cleanup: () => Promise<unknown>): void {
  cleanups.push(cleanup)
}

export interface Upstream {
  origin: string
  server: http.Server
  /** Connections made so far. */
  connections: () => number
}

export async function upstream(listener: RequestListener): Promise<Upstream> {
  const server = http.createServer(listener)
  let connections = 0
  server.on('connection', () => connections++)
  server.keepAliveTimeout = 30_000
  return { origin: `http://127.0.0.1:${await listening(server)}`, server, connections: () => connections }
}

/** One that sends for as long as it is taken, half a gigabyte at most. */
export async function gushingUpstream() {
  let written = 0
  const stopped = deferred()
  const { origin } = await upstream((_incoming, outgoing) => {
    const chunk = Buffer.alloc(64 * 1024)
    const more = () => {
      while (written < 512 * 1024 * 1024 && outgoing.write(chunk)) written += chunk.byteLength
      outgoing.once('drain', more)
    }
    outgoing.once('close', () => stopped.resolve())
    more()
  })
  return { origin, stopped: stopped.promise, written: () => written }
}

/** An upstream that writes what it likes. */
export async function rawUpstream(onConnection: (socket: net.Socket) => void): Promise<string> {
  const sockets = new Set<net.Socket>()
  const server = net.createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    onConnection(socket)
  })
  const port = await listening(server)
  onCleanup(async () => {
    for (const socket of sockets) socket.destroy()
  })
  return `http://127.0.0.1:${port}`
}

async function listening(server: net.Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onCleanup(async () => {
    if (server instanceof http.Server) server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  return (server.address() as AddressInfo).port
}

/** A port that nothing listens on. */
export async function closedPort(): Promise<number> {
  const server = net.createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

export function testRuntime(options: Parameters<typeof nodeRuntime>[0] = {}): NodeRuntime {
  const runtime = nodeRuntime(options)
  onCleanup(() => runtime.close())
  return runtime
}

/** An app that sends every request on, as the gateway does. */
export function forwarding(
  runtime: NodeRuntime,
  origin: string,
  options: { finish?: () => HeaderList | Promise<HeaderList>; headers?: HeaderList } = {},
): Hono {
  const app = new Hono()
  app.onError((error, c) => c.text('code' in error ? String(error.code) : error.name, 500))
  app.all('*', async (c) => {
    const incoming = runtime.requestHeaders(c)
    const headers: [string, string][] = [...(options.headers ?? [])] as [string, string][]
    for (const name of ['accept', 'content-type', 'content-length', 'x-request']) {
      const value = incoming[name]
      if (value !== undefined) headers.push([name, value])
    }
    const answer = await runtime.transport.send({
      origin,
      target: runtime.requestTarget(c),
      method: c.req.method,
      headers,
      body: runtime.requestBody(c),
      signal: runtime.clientSignal(c),
      headersTimeoutMs: 5_000,
      bodyTimeoutMs: 5_000,
    })
    return runtime.respond(c, answer, answer.body, options.finish ?? (() => []))
  })
  return app
}

export async function listen(options: ServerOptions): Promise<RunningServer> {
  const server = await createServer({ host: '127.0.0.1', closeTimeoutMs: 100, ...options })
  onCleanup(() => server.close())
  return server
}

export async function serving(app: Hono, options: Partial<ServerOptions> = {}): Promise<RunningServer> {
  return listen({ ...options, fetch: (request, env) => app.fetch(request, env) })
}

export interface RawClient {
  socket: net.Socket
  /** All that has come so far. */
  received: () => string
  /** Resolves when what has come matches. */
  until: (pattern: RegExp) => Promise<string>
  /** Resolves with all that came, when the connection is over. */
  closed: Promise<string>
}

/** A client that tidies nothing. */
export function rawClient(port: number, text = ''): RawClient {
  const socket = net.connect(port, '127.0.0.1')
  let received = ''
  let onData = () => {}
  socket.setEncoding('latin1')
  socket.on('error', () => socket.destroy())
  const closed = new Promise<string>((resolve) => socket.once('close', () => resolve(received)))
  socket.on('data', (chunk) => {
    received += chunk
    onData()
  })
  socket.write(text, 'latin1')
  onCleanup(async () => socket.destroy())
  return {
    socket,
    received: () => received,
    closed,
    until: (pattern) =>
      new Promise((resolve, reject) => {
        const check = () => {
          if (pattern.test(received)) resolve(received)
        }
        onData = check
        check()
        void closed.then(() => reject(new Error(`The connection ended with: ${received}`)))
      }),
  }
}

/** A promise and its handle. */
export function deferred<T = void>() {
  let resolve!: (value: T) => void
  const promise = new Promise<T>((res) => {
    resolve = res
  })
  return { promise, resolve }
}

export async function bodyText(incoming: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of incoming) text += chunk
  return text
}

export type { IncomingMessage, ServerResponse }
