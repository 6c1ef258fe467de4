/**
 * An API that keeps every byte of every connection, and reads them without any leniency: what it cannot read as requests
 * with one framing each is `garbage`. A client library, or a lenient server, would hide a smuggled request.
 */
import { createServer, type Socket } from 'node:net'

export interface WireRequest {
  readonly method: string
  readonly target: string
  /** As they came, in their order and spelling. */
  readonly fields: ReadonlyArray<readonly [name: string, value: string]>
  /** With the chunked coding taken off. */
  readonly body: string
  /** Of a chunked body. */
  readonly trailers: string
  readonly raw: string
}

export interface RecordingUpstream {
  readonly origin: string
  /** Whole requests of all connections. */
  requests(): WireRequest[]
  /** Everything that came, connection after connection. */
  bytes(): string
  /** What was answered with garbage's status: bytes that are no request, or have two framings. */
  garbage(): string[]
  /** Answers from now on with these bytes, or does what the function does; default is a `200` of two bytes. */
  answerWith(answer: Answer): void
  reset(): void
  stop(): Promise<void>
}

export type Answer = string | ((socket: Socket, request: WireRequest) => void)

const plainAnswer = 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok'

export async function startRecordingUpstream(): Promise<RecordingUpstream> {
  let connections: { bytes: string; requests: WireRequest[]; garbage?: string }[] = []
  let answer: Answer = plainAnswer
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    const connection: (typeof connections)[number] = { bytes: '', requests: [] }
    let known = connections
    let read = 0
    connections.push(connection)
    sockets.add(socket)
    socket.setEncoding('latin1')
    socket.on('error', () => socket.destroy())
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', (chunk: string) => {
      // A kept connection after a reset: what comes now is new.
      if (known !== connections) {
        known = connections
        Object.assign(connection, { bytes: connection.bytes.slice(read), requests: [] })
        read = 0
        connections.push(connection)
      }
      connection.bytes += chunk
      for (;;) {
        const rest = connection.bytes.slice(read)
        const request = rest === '' ? undefined : readRequest(rest)
        if (request === undefined) return
        if (request === 'garbage') {
          connection.garbage = rest
          socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
          return
        }
        read += request.raw.length
        connection.requests.push(request)
        if (typeof answer === 'string') socket.write(answer, 'latin1')
        else answer(socket, request)
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  return {
    origin: `http://127.0.0.1:${port}`,
    requests: () => connections.flatMap(({ requests }) => requests),
    bytes: () => connections.map(({ bytes }) => bytes).join(''),
    garbage: () => connections.flatMap(({ garbage }) => garbage ?? []),
    answerWith(next) {
      answer = next
    },
    reset() {
      connections = []
      answer = plainAnswer
    },
    async stop() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Undefined while it is not whole. */
function readRequest(text: string): WireRequest | 'garbage' | undefined {
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const [requestLine = '', ...lines] = text.slice(0, end).split('\r\n')
  const [, method, target] = /^([A-Z]+) (\S+) HTTP\/1\.1$/.exec(requestLine) ?? []
  const fields = lines.map((line) => /^([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([^\r\n\0]*)$/.exec(line))
  if (method === undefined || target === undefined || fields.includes(null)) return 'garbage'
  const list = fields.map((match) => [match?.[1] ?? '', match?.[2] ?? ''] as const)
  const lengths = list.filter(([name]) => name.toLowerCase() === 'content-length')
  const codings = list.filter(([name]) => name.toLowerCase() === 'transfer-encoding')
  if (lengths.length + codings.length > 1) return 'garbage'
  const start = end + 4
  const whole = (body: string, length: number, trailers = '') => ({
    method,
    target,
    fields: list,
    body,
    trailers,
    raw: text.slice(0, start + length),
  })
  if (codings.length === 1) {
    if (codings[0]?.[1] !== 'chunked') return 'garbage'
    const chunked = readChunks(text.slice(start))
    if (typeof chunked !== 'object') return chunked
    return whole(chunked.body, chunked.length, chunked.trailers)
  }
  const length = lengths[0]?.[1] ?? '0'
  if (!/^(0|[1-9]\d*)$/.test(length)) return 'garbage'
  const body = text.slice(start, start + Number(length))
  return body.length < Number(length) ? undefined : whole(body, Number(length))
}

function readChunks(text: string): { body: string; length: number; trailers: string } | 'garbage' | undefined {
  let body = ''
  for (let at = 0; ; ) {
    const lineEnd = text.indexOf('\r\n', at)
    if (lineEnd < 0) return undefined
    const size = text.slice(at, lineEnd)
    // No extension: nobody here sends one, so one that arrives was passed through.
    if (!/^[0-9a-fA-F]{1,8}$/.test(size)) return 'garbage'
    const length = Number.parseInt(size, 16)
    const start = lineEnd + 2
    if (length === 0) {
      const end = text.startsWith('\r\n', start) ? start : text.indexOf('\r\n\r\n', start) + 2
      if (end < start || text.length < end + 2) return undefined
      return { body, length: end + 2, trailers: text.slice(start, end) }
    }
    if (text.length < start + length + 2) return undefined
    if (!text.startsWith('\r\n', start + length)) return 'garbage'
    body += text.slice(start, start + length)
    at = start + length + 2
  }
}
