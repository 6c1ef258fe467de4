/**
 * The targets of an upstream, and which of them is in order. One whose connections fail gets nothing for a while, then
 * one request to try it. Costs a counter where nothing is wrong.
 *
 * A late answer is not held against a target: whoever knows a slow path could close the upstream to everybody. One that
 * hangs is found by its health check.
 */
import type { UpstreamSettings } from '../config/types.ts'
import { CoatcheckError } from '../errors.ts'
import type { Clock, UpstreamEvent } from '../runtime.ts'

export interface Target {
  readonly origin: string
  underWay: number
  isHealthy: boolean
  failures: number
  /** When it may be tried again; 0 for one that is in order. */
  pausedUntil: number
  pauseMs: number
  isOnTrial: boolean
}

export interface Targets {
  readonly all: readonly Target[]
  /**
   * The one with the least to do; counts as under way until it is released.
   *
   * @throws CoatcheckError `upstream_unavailable` if none is in order
   */
  choose(except?: Target): Target
  release(target: Target): void
  /** It answered, whatever it said. */
  succeeded(target: Target): void
  /** It was not asked to the end: the client left, or it was late. */
  undecided(target: Target): void
  /** Its connection could not be made, or broke before it answered. */
  failed(target: Target, cause: unknown): void
  /** What the health check found. */
  setHealth(target: Target, isHealthy: boolean, cause?: unknown): void
}

export function targets(settings: UpstreamSettings, clock: Clock, report: (event: UpstreamEvent) => void): Targets {
  const all = settings.targets.map((origin) => inOrder(origin))
  const { breaker } = settings
  const event = (target: Target) => ({ upstream: settings.origin, target: target.origin })
  let turn = 0

  function isUsable(target: Target): boolean {
    if (!target.isHealthy) return false
    if (target.pausedUntil === 0) return true
    return !target.isOnTrial && clock.now() >= target.pausedUntil
  }

  function unavailable(): CoatcheckError {
    const now = clock.now()
    const waits = all.map(({ isHealthy, pausedUntil }) => (isHealthy ? pausedUntil - now : settings.health?.intervalMs))
    const seconds = Math.ceil(Math.min(...waits.map((wait) => wait ?? 0)) / 1000)
    return new CoatcheckError('upstream_unavailable', { headers: { 'Retry-After': String(Math.max(1, seconds)) } })
  }

  return {
    all,
    choose(except) {
      let best: Target | undefined
      turn = (turn + 1) % all.length
      for (let step = 0; step < all.length; step++) {
        const target = all[(turn + step) % all.length] as Target
        if (target === except || !isUsable(target)) continue
        if (best === undefined || target.underWay < best.underWay) best = target
      }
      if (best === undefined) throw unavailable()
      if (best.pausedUntil !== 0) best.isOnTrial = true
      best.underWay++
      return best
    },
    release(target) {
      target.underWay--
    },
    succeeded(target) {
      target.failures = 0
      if (target.pausedUntil === 0 || !target.isOnTrial) return
      target.isOnTrial = false
      target.pausedUntil = 0
      target.pauseMs = 0
      report({ event: 'upstream_recovered', ...event(target) })
    },
    undecided(target) {
      target.isOnTrial = false
    },
    failed(target, cause) {
      target.failures++
      if (breaker === undefined) return
      const hadItsTrial = target.isOnTrial
      target.isOnTrial = false
      // What was under way when it was taken out fails with it, and says nothing new.
      if (hadItsTrial ? false : target.pausedUntil !== 0 || target.failures < breaker.failures) return
      target.pauseMs = Math.min(target.pauseMs === 0 ? breaker.pauseMs : target.pauseMs * 2, breaker.longestPauseMs)
      target.pausedUntil = clock.now() + target.pauseMs
      report({
        event: 'upstream_ejected',
        ...event(target),
        because: 'failures',
        pause_seconds: target.pauseMs / 1000,
        cause,
      })
    },
    setHealth(target, isHealthy, cause) {
      if (target.isHealthy === isHealthy) return
      target.isHealthy = isHealthy
      if (isHealthy) report({ event: 'upstream_recovered', ...event(target) })
      else report({ event: 'upstream_ejected', ...event(target), because: 'health', cause })
    },
  }
}

function inOrder(origin: string): Target {
  return { origin, underWay: 0, isHealthy: true, failures: 0, pausedUntil: 0, pauseMs: 0, isOnTrial: false }
}
