/** Settings of an upstream as validation gives them, with times that a test can wait for. */
import type { UpstreamSettings } from '../../src/config/types.ts'

export function settingsOf(origin: string, changes: Partial<UpstreamSettings> = {}): UpstreamSettings {
  return {
    origin,
    targets: [origin],
    tls: undefined,
    http2: false,
    connections: 8,
    queue: 8,
    eventStreams: 8,
    retries: 1,
    timeouts: { connectMs: 5000, headersMs: undefined, bodyMs: 60_000, totalMs: undefined },
    health: undefined,
    breaker: { failures: 2, pauseMs: 1000, longestPauseMs: 4000 },
    ...changes,
  }
}
