/** Requests to upstreams on Node: bounded pools of kept connections for each upstream; nothing is added or followed. */
import type { UpstreamSettings } from '../config/types.ts'
import { reportToConsole } from '../observability/events.ts'
import type { Clock, Transport, UpstreamEvent, UpstreamRequest, UpstreamResponse } from '../runtime.ts'
import type { TunnelOptions } from './tunnel.ts'
import { type UpstreamGroup, upstreamGroup } from './upstream-group.ts'

/** For upstreams of which the configuration says no more than a URL. */
export interface NodeTransportOptions {
  /**
   * Connections to one origin at a time, and as many again for uploads. Default 128; more requests wait, ten times as
   * many at most.
   */
  connections?: number
  /** Event streams of one origin at a time. Default 8192. */
  eventStreams?: number
  /** How long a connection may take to be made, TLS included. Default 5 s. */
  connectTimeoutMs?: number
  /** Certificates to trust instead of those that Node trusts (PEM). */
  ca?: string | readonly string[]
  /** Default: the system's clock. */
  clock?: Clock
}

export interface NodeTransport extends Transport {
  /**
   * Begins to look after these upstreams.
   *
   * @throws ConfigError for certificates and keys that cannot be used
   */
  prepare(upstreams: readonly UpstreamSettings[], report: (event: UpstreamEvent) => void): void
  /** Sends a WebSocket's handshake; an answer with a `socket` accepted it. */
  connect(request: UpstreamRequest, tunnel: TunnelOptions): Promise<UpstreamResponse>
  /** Ends every connection, those in use too, and the health checks. */
  close(): Promise<void>
}

/**
 * A transport on undici. HTTP/1.1, unless the upstream's settings say `http2`: there one connection is many people's,
 * and a server that counts its streams' resets may close it on all of them. An answer's body is a `PipedBody`.
 */
export function nodeTransport(options: NodeTransportOptions = {}): NodeTransport {
  const groups = new Map<UpstreamSettings | string, UpstreamGroup>()
  const clock = options.clock ?? { now: () => Date.now() }

  function make(
    key: UpstreamSettings | string,
    settings: UpstreamSettings,
    report: (event: UpstreamEvent) => void,
  ): UpstreamGroup {
    const group = upstreamGroup(settings, clock, report)
    groups.set(key, group)
    return group
  }

  function groupOf({ upstream, origin }: UpstreamRequest): UpstreamGroup {
    const group = groups.get(upstream ?? origin)
    if (group !== undefined) return group
    return make(upstream ?? origin, upstream ?? plainSettings(origin, options), reportToConsole)
  }

  return {
    prepare(upstreams, report) {
      for (const settings of upstreams) if (!groups.has(settings)) make(settings, settings, report)
    },
    send: (request) => groupOf(request).send(request),
    connect: (request, tunnel) => groupOf(request).connect(request, tunnel),
    async close() {
      await Promise.all([...groups.values()].map((group) => group.close()))
    },
  }
}

/** Of one server that nothing more is said of: it is never left alone, so that what is wrong is seen at once. */
function plainSettings(origin: string, options: NodeTransportOptions): UpstreamSettings {
  const connections = options.connections ?? 128
  const ca = options.ca === undefined ? undefined : [options.ca].flat()
  return {
    origin,
    targets: [origin],
    tls: ca && { ca, cert: undefined, key: undefined, servername: undefined },
    http2: false,
    connections,
    queue: connections * 10,
    eventStreams: options.eventStreams ?? 8192,
    retries: 1,
    timeouts: {
      connectMs: options.connectTimeoutMs ?? 5_000,
      headersMs: undefined,
      bodyMs: 60_000,
      totalMs: undefined,
    },
    health: undefined,
    breaker: undefined,
  }
}
