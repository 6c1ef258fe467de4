/** Asks each target of an upstream, from time to time, whether it is in order. On a connection of its own: a busy target is not an ill one. */
import type { UpstreamSettings } from '../config/types.ts'
import { connector } from './lanes.ts'
import type { Target, Targets } from './targets.ts'
import { Client, request } from './undici.ts'

/** @returns what stops it */
export function watchHealth(settings: UpstreamSettings, targets: Targets): () => Promise<void> {
  const { health } = settings
  if (health === undefined) return async () => {}
  const stops = targets.all.map((target) => watch(target, settings, health, targets))
  return async () => {
    await Promise.all(stops.map((stop) => stop()))
  }
}

function watch(
  target: Target,
  settings: UpstreamSettings,
  health: NonNullable<UpstreamSettings['health']>,
  targets: Targets,
): () => Promise<void> {
  const client = new Client(target.origin, { connect: connector({ ...settings, http2: false }), allowH2: false })
  const host = new URL(settings.origin).host
  let timer: NodeJS.Timeout | undefined
  /** How often in a row it has said other than what it is taken for. */
  let against = 0

  async function check(): Promise<void> {
    let cause: unknown
    try {
      const answer = await request(client, {
        method: 'GET',
        path: health.path,
        headers: { host, accept: '*/*' },
        signal: AbortSignal.timeout(health.timeoutMs),
      })
      // What it says is of no interest, and is not read at any length.
      await answer.body.dump({ limit: 64 * 1024 })
      if (answer.statusCode < 200 || answer.statusCode > 299) cause = new Error(`status ${answer.statusCode}`)
    } catch (error) {
      cause = error
    }
    if (client.closed || client.destroyed) return
    const isWell = cause === undefined
    against = isWell === target.isHealthy ? 0 : against + 1
    if (against >= (isWell ? health.healthyAfter : health.unhealthyAfter)) {
      against = 0
      targets.setHealth(target, isWell, cause)
    }
    next(health.intervalMs)
  }

  function next(delayMs: number): void {
    timer = setTimeout(() => void check(), delayMs)
    // A watch alone keeps no process alive.
    timer.unref()
  }

  // Many processes that start at once do not ask at once.
  next(Math.random() * Math.min(health.intervalMs, 1000))
  return async () => {
    clearTimeout(timer)
    await client.destroy()
  }
}
