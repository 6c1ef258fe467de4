/** Requests to upstreams on Node: a bounded pool of kept connections for each origin; nothing is added or followed. */
import { type Dispatcher, Pool } from 'undici'
import type { HeaderList, RequestBody, Transport, UpstreamRequest } from '../runtime.ts'
import { Exchange } from './exchange.ts'

export interface NodeTransportOptions {
  /** Connections to one origin at a time. Default 128; more requests wait. */
  connections?: number
  /** How long a connection may take to be made, TLS included. Default 5 s. */
  connectTimeoutMs?: number
  /** Certificates to trust besides those that Node trusts (PEM). */
  ca?: string | readonly string[]
}

export interface NodeTransport extends Transport {
  /** Ends every connection, those in use too. */
  close(): Promise<void>
}

/**
 * A transport on undici. HTTP/1.1 only: on one shared HTTP/2 connection a reset would be everybody's.
 * An answer's body is a `PipedBody`.
 */
export function nodeTransport(options: NodeTransportOptions = {}): NodeTransport {
  const pools = new Map<string, Pool>()

  // Event streams last for hours: they have places of their own, or a few open tabs would use up the pool.
  function poolFor(request: UpstreamRequest, isEventStream: boolean): Pool {
    const key = isEventStream ? `events ${request.origin}` : request.origin
    const existing = pools.get(key)
    if (existing !== undefined) return existing
    const pool = new Pool(request.origin, {
      connections: isEventStream ? null : (options.connections ?? 128),
      pipelining: 1,
      allowH2: false,
      connect: {
        timeout: options.connectTimeoutMs ?? 5_000,
        ...(options.ca === undefined ? {} : { ca: [options.ca].flat() }),
      },
    })
    pools.set(key, pool)
    return pool
  }

  return {
    async send(request) {
      request.signal.throwIfAborted()
      const isEventStream = accepts(request.headers, 'text/event-stream')
      const bodyFailure: { error?: unknown } = {}
      const exchange = new Exchange(request, bodyFailure)
      poolFor(request, isEventStream).dispatch(
        {
          path: request.target,
          method: request.method as Dispatcher.HttpMethod,
          headers: toFlatList(request),
          body: bodyFor(request.body, bodyFailure),
          headersTimeout: request.headersTimeoutMs,
          bodyTimeout: isEventStream ? 0 : request.bodyTimeoutMs,
        },
        exchange,
      )
      return exchange.head
    },
    async close() {
      await Promise.all([...pools.values()].map((pool) => pool.destroy()))
    },
  }
}

/** Fields of the connection are undici's to write (RFC 9110 §7.6.1); `Expect` it cannot keep. */
const connectionFields = new Set([
  'connection',
  'expect',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

function toFlatList(request: UpstreamRequest): string[] {
  const list: string[] = []
  for (const [name, value] of request.headers) {
    const lowerName = name.toLowerCase()
    if (connectionFields.has(lowerName)) continue
    // A length without a body would leave the upstream waiting.
    if (lowerName === 'content-length' && request.body === null && value !== '0') continue
    list.push(name, value)
  }
  return list
}

function accepts(headers: HeaderList, mediaType: string): boolean {
  return headers.some(([name, value]) => name.toLowerCase() === 'accept' && value.toLowerCase().includes(mediaType))
}

type DispatchBody = NonNullable<Dispatcher.DispatchOptions['body']>

/**
 * Never the client's stream itself: undici destroys what it is given when an upstream answers early, and with the
 * stream goes the client's connection, before it has read the answer.
 */
function bodyFor(body: RequestBody | null, failure: { error?: unknown }): DispatchBody | null {
  if (body === null) return null
  if (body instanceof Uint8Array) return body
  // undici takes any async iterable; its types name streams only.
  return watched(body, failure) as unknown as DispatchBody
}

async function* watched(body: AsyncIterable<Uint8Array>, failure: { error?: unknown }) {
  try {
    yield* body
  } catch (error) {
    failure.error = error
    throw error
  }
}
