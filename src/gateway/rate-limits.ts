/**
 * How many calls a caller may make, counted exactly for all processes by the coordinator. Who is over is told when to come
 * back, and is not counted on; where the coordinator cannot be asked each process counts by itself.
 *
 * The fields are those of draft-ietf-httpapi-ratelimit-headers-10.
 */
import * as base64url from 'jose/base64url'
import type { RateLimit } from '../config/types.ts'
import type { Coordinator, Count } from '../coordinator.ts'
import { CoatcheckError } from '../errors.ts'
import { ExpiringMap } from '../expiring-map.ts'
import type { Report } from '../observability/events.ts'
import { addressBlock } from '../protection/client-address.ts'
import type { Clock } from '../runtime.ts'
import type { Session } from '../session/session.ts'
import { memoryCounter } from '../session/stores/memory-counter.ts'

/** By whom calls can be told apart; what is unknown is counted as one caller. */
export type Callers = Readonly<Partial<Record<RateLimit['per'], string>>>

export interface RateLimiter {
  /**
   * Counts a call for each of the limits, and gives the fields that tell the caller how many are left.
   *
   * @throws CoatcheckError `rate_limited` with `Retry-After`
   */
  take(limits: readonly RateLimit[], callers: Callers): Promise<[string, string][]>
}

const remembered = 100_000

export function rateLimiter(coordinator: Coordinator, clock: Clock, report: Report): RateLimiter {
  /** Until when those who are over are refused without asking. */
  const refusals = new ExpiringMap<number>(clock, remembered)
  const digests = new ExpiringMap<string>(clock, remembered)
  const countHere = memoryCounter(clock)

  /** The store learns no name and no address. */
  async function keyOf(limit: RateLimit, caller: string): Promise<string> {
    const text = JSON.stringify([limit.name, caller])
    const known = digests.get(text)
    if (known !== undefined) return known
    const bytes = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)))
    const key = base64url.encode(bytes)
    digests.set(text, key, clock.now() + limit.windowSeconds * 1000)
    return key
  }

  async function count(limit: RateLimit, caller: string): Promise<Count> {
    const key = await keyOf(limit, caller)
    const refusedUntil = refusals.get(key)
    if (refusedUntil !== undefined) return { count: limit.requests + 1, remainingMs: refusedUntil - clock.now() }
    const counted = await ask(key, limit.windowSeconds * 1000)
    if (counted.count > limit.requests) {
      const until = clock.now() + counted.remainingMs
      refusals.set(key, until, until)
    }
    return counted
  }

  async function ask(key: string, windowMs: number): Promise<Count> {
    try {
      return await coordinator.count(key, windowMs)
    } catch (cause) {
      report({ event: 'store_unavailable', during: 'count', cause })
      return countHere(key, windowMs)
    }
  }

  return {
    async take(limits, callers) {
      if (limits.length === 0) return []
      const counts = await Promise.all(
        limits.map(async (limit) => ({ limit, ...(await count(limit, callers[limit.per] ?? '')) })),
      )
      const fields = describe(counts)
      const over = counts.filter(({ limit, count }) => count > limit.requests)
      if (over.length === 0) return fields
      const waitSeconds = Math.max(...over.map(({ remainingMs }) => seconds(remainingMs)))
      throw new CoatcheckError('rate_limited', {
        headers: { ...Object.fromEntries(fields), 'Retry-After': String(waitSeconds) },
      })
    },
  }
}

/** A server that names nobody knows sessions only. */
export function sessionCallers({ id, issuer, sub }: Session): Callers {
  return { session: id, subject: sub === undefined ? id : `${issuer} ${sub}` }
}

/** A whole household of IPv6 is one caller. */
export function addressCaller(address: string | undefined): Callers {
  return address === undefined ? {} : { address: addressBlock(address) }
}

/** Each limit with what it allows, and with what is left until it begins anew. */
function describe(counts: readonly (Count & { readonly limit: RateLimit })[]): [string, string][] {
  const nameOf = ({ name }: RateLimit) => `"${name.replace(/["\\]/g, '')}"`
  const policies = counts.map(({ limit }) => `${nameOf(limit)};q=${limit.requests};w=${limit.windowSeconds}`)
  const left = counts.map(({ limit, count, remainingMs }) => {
    return `${nameOf(limit)};r=${Math.max(0, limit.requests - count)};t=${seconds(remainingMs)}`
  })
  return [
    ['ratelimit-policy', policies.join(', ')],
    ['ratelimit', left.join(', ')],
  ]
}

function seconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000))
}
