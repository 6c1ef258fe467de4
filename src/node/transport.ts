/** Requests to upstreams on Node: a bounded pool of kept connections for each origin; nothing is added or followed. */
import { type Dispatcher, Pool } from 'undici'
import type { HeaderList, RequestBody, Transport, UpstreamRequest } from '../runtime.ts'
import { Exchange } from './exchange.ts'
import { type Places, places } from './places.ts'

export interface NodeTransportOptions {
  /**
   * Connections to one origin at a time, and as many again for uploads. Default 128; more requests wait, ten times as
   * many at most.
   */
  connections?: number
  /** Event streams of one origin at a time. Default 4096. */
  eventStreams?: number
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
  const lanes = new Map<string, Lane>()
  const counts: Readonly<Record<LaneKind, number>> = {
    plain: options.connections ?? 128,
    upload: options.connections ?? 128,
    events: options.eventStreams ?? 4096,
  }

  function laneFor(origin: string, kind: LaneKind): Lane {
    const key = `${kind} ${origin}`
    const existing = lanes.get(key)
    if (existing !== undefined) return existing
    const count = counts[kind]
    const pool = new Pool(origin, {
      connections: count,
      pipelining: 1,
      allowH2: false,
      connect: {
        timeout: options.connectTimeoutMs ?? 5_000,
        ...(options.ca === undefined ? {} : { ca: [options.ca].flat() }),
      },
    })
    const lane = { pool, places: places(count, count * waitingFactor) }
    lanes.set(key, lane)
    return lane
  }

  return {
    async send(request) {
      const { pool, places } = laneFor(request.origin, laneKind(request))
      const leave = await places.take(request.signal, request.headersTimeoutMs)
      const bodyFailure: { error?: unknown } = {}
      const exchange = new Exchange(request, bodyFailure, leave)
      pool.dispatch(
        {
          path: request.target,
          method: request.method as Dispatcher.HttpMethod,
          headers: toFlatList(request),
          body: bodyFor(request.body, bodyFailure),
          headersTimeout: request.headersTimeoutMs,
          // The exchange looks after the body's: an event stream has none.
          bodyTimeout: 0,
        },
        exchange,
      )
      return exchange.head
    },
    async close() {
      await Promise.all([...lanes.values()].map(({ pool }) => pool.destroy()))
    },
  }
}

/**
 * Event streams last for hours, and an upload as long as its client likes: each kind has places of its own, or a few
 * clients would use up those of everybody's reads.
 */
type LaneKind = 'plain' | 'upload' | 'events'

interface Lane {
  readonly pool: Pool
  readonly places: Places
}

const waitingFactor = 10

function laneKind({ headers, body }: UpstreamRequest): LaneKind {
  if (accepts(headers, 'text/event-stream')) return 'events'
  return body === null || body instanceof Uint8Array ? 'plain' : 'upload'
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
