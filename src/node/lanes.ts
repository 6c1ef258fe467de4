/**
 * The connections to one target, in lanes. Event streams last for hours, and an upload as long as its client likes: each
 * kind has places of its own, or a few clients would use up those of everybody's reads.
 *
 * Whether an answer is an event stream its head says, and nothing that the caller does. Until then every request has one
 * of the plain places. One that asks for events waits behind the others, so that thousands of readers who come back at
 * once keep nobody waiting, and goes out on connections of their own: undici looks through those in use for a free one.
 */
import type { UpstreamSettings } from '../config/types.ts'
import type { HeaderList, UpstreamRequest } from '../runtime.ts'
import { type Places, places } from './places.ts'
import { buildConnector, Client, type Connector, Pool } from './undici.ts'

export interface Lane {
  readonly pool: Pool
  /** What a request needs one of before it is sent. */
  readonly places: Places
}

export interface Lanes {
  laneFor(request: UpstreamRequest): Lane
  /** What an answer that is an event stream needs one of. */
  readonly streams: Places
  /** A connection that was not used before, for one request. */
  fresh(): Client
  /** Ends every connection, those in use too. */
  close(): Promise<void>
}

type Kind = 'plain' | 'upload' | 'events'

export type ConnectionSettings = Pick<
  UpstreamSettings,
  'tls' | 'http2' | 'connections' | 'queue' | 'eventStreams' | 'timeouts'
>

export function lanes(target: string, settings: ConnectionSettings): Lanes {
  const made: Partial<Record<Kind, Lane>> = {}
  const options = {
    pipelining: 1,
    allowH2: settings.http2,
    connect: connector(settings),
  }

  const { connections, queue, eventStreams } = settings
  const plain = places(connections, queue, Math.max(queue, eventStreams))
  const placesOf: Record<Kind, Places> = { plain, events: plain.second, upload: places(connections, queue) }

  function make(kind: Kind): Lane {
    // The places are the limit; an answer of any lane may turn out to be a stream.
    const lane = {
      pool: new Pool(target, { ...options, connections: connections + eventStreams }),
      places: placesOf[kind],
    }
    made[kind] = lane
    return lane
  }

  return {
    laneFor(request) {
      const kind = kindOf(request)
      return made[kind] ?? make(kind)
    },
    streams: places(eventStreams, 0),
    fresh: () => new Client(target, options),
    async close() {
      await Promise.all(Object.values(made).map(({ pool }) => pool.destroy()))
    },
  }
}

/** The name that a certificate has to be for is the upstream's, whatever target is asked: undici takes it from `Host`. */
export function connector({ tls, http2, timeouts }: Pick<ConnectionSettings, 'tls' | 'http2' | 'timeouts'>) {
  const connect = buildConnector({
    timeout: timeouts.connectMs,
    allowH2: http2,
    ...(tls?.ca && { ca: [...tls.ca] }),
    ...(tls?.cert && { cert: tls.cert }),
    ...(tls?.key && { key: tls.key }),
  })
  const servername = tls?.servername
  if (servername === undefined) return connect
  const named: Connector = (options, callback) => connect({ ...options, servername }, callback)
  return named
}

function kindOf({ headers, body }: UpstreamRequest): Kind {
  if (body !== null && !(body instanceof Uint8Array)) return 'upload'
  return accepts(headers, 'text/event-stream') ? 'events' : 'plain'
}

function accepts(headers: HeaderList, mediaType: string): boolean {
  return headers.some(([name, value]) => name === 'accept' && value.toLowerCase().includes(mediaType))
}
