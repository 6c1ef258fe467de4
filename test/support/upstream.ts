/** An API behind Coatcheck, over real HTTP: records what reaches it, and answers as a test says. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'

export interface ReceivedRequest {
  readonly method: string
  /** The request target, as it came. */
  readonly target: string
  readonly headers: IncomingMessage['headers']
  readonly rawHeaders: readonly string[]
  readonly body: Buffer
}

export type UpstreamHandler = (incoming: IncomingMessage, outgoing: ServerResponse) => unknown

export interface TestUpstream {
  readonly origin: string
  /** Requests that came whole, oldest first. */
  readonly requests: ReceivedRequest[]
  /** Answers everything at this path (without query), instead of the echo. */
  on(path: string, handler: UpstreamHandler): void
  /** Takes every handshake; without it an `Upgrade` is ignored. */
  onUpgrade(listener: (incoming: IncomingMessage, socket: Duplex, head: Buffer) => void): void
  /** Forgets requests and handlers. */
  reset(): void
  stop(): Promise<void>
}

/** Without a handler it echoes the request as JSON: `{ method, target, headers, body }`. */
export async function startUpstream(): Promise<TestUpstream> {
  const requests: ReceivedRequest[] = []
  const handlers = new Map<string, UpstreamHandler>()
  const server = createServer(async (incoming, outgoing) => {
    const path = (incoming.url ?? '').split('?', 1)[0] ?? ''
    const handler = handlers.get(path)
    if (handler) {
      requests.push(received(incoming, Buffer.alloc(0)))
      await handler(incoming, outgoing)
      return
    }
    const chunks: Buffer[] = []
    try {
      for await (const chunk of incoming) chunks.push(chunk as Buffer)
    } catch {
      // The caller went away before its body was whole: this request did not come.
      return
    }
    const request = received(incoming, Buffer.concat(chunks))
    requests.push(request)
    const { method, target, headers, body } = request
    outgoing.setHeader('content-type', 'application/json')
    outgoing.end(JSON.stringify({ method, target, headers, body: body.toString('utf8') }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    origin: `http://127.0.0.1:${port}`,
    requests,
    on: (path, handler) => void handlers.set(path, handler),
    onUpgrade: (listener) => void server.on('upgrade', listener),
    reset() {
      requests.length = 0
      handlers.clear()
    },
    async stop() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

function received(incoming: IncomingMessage, body: Buffer): ReceivedRequest {
  const { method = '', url = '', headers, rawHeaders } = incoming
  return { method, target: url, headers, rawHeaders, body }
}
