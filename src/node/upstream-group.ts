/** One upstream: sends a request to the target that is best placed, and once more where that is safe. */
import type { Dispatcher } from 'undici'
import type { UpstreamSettings } from '../config/types.ts'
import { CoatcheckError } from '../errors.ts'
import type { Clock, RequestBody, UpstreamEvent, UpstreamRequest, UpstreamResponse } from '../runtime.ts'
import { Exchange } from './exchange.ts'
import { watchHealth } from './health.ts'
import { type Lane, type Lanes, lanes } from './lanes.ts'
import type { Places } from './places.ts'
import { retryBudget } from './retry-budget.ts'
import { Seat } from './seat.ts'
import { type Target, targets as targetsOf } from './targets.ts'
import type { TunnelOptions } from './tunnel.ts'
import { Upload } from './upload.ts'
import { connectWebSocket } from './websocket.ts'

export interface UpstreamGroup {
  send(request: UpstreamRequest): Promise<UpstreamResponse>
  /** A WebSocket's handshake, on a connection of its own; one that could not be made is tried at another target. */
  connect(request: UpstreamRequest, tunnel: TunnelOptions): Promise<UpstreamResponse>
  close(): Promise<void>
}

export function upstreamGroup(
  settings: UpstreamSettings,
  clock: Clock,
  report: (event: UpstreamEvent) => void,
): UpstreamGroup {
  const targets = targetsOf(settings, clock, report)
  const lanesOf = new Map<Target, Lanes>(targets.all.map((target) => [target, lanes(target.origin, settings)]))
  const stopHealth = watchHealth(settings, targets)
  const budget = retryBudget()
  /** What a target at another address is asked for all the same. */
  const host = new URL(settings.origin).host
  const { totalMs } = settings.timeouts

  /** One try. `how: 'fresh'` takes a connection that was not used before. */
  function attempt(
    target: Target,
    how: 'kept' | 'fresh',
    request: UpstreamRequest,
    endsAt: number,
  ): Exchange | Promise<Exchange> {
    const own = lanesOf.get(target) as Lanes
    const lane = own.laneFor(request)
    const free = lane.places.takeFree()
    if (free !== undefined) return start(own, lane, target, how, request, endsAt, free)
    return waitForPlace(lane.places, target, request, endsAt).then((place) =>
      start(own, lane, target, how, request, endsAt, place),
    )
  }

  async function waitForPlace(
    places: Places,
    target: Target,
    request: UpstreamRequest,
    endsAt: number,
  ): Promise<() => void> {
    try {
      return await places.take(request.signal, Math.min(request.headersTimeoutMs, leftUntil(endsAt)))
    } catch (error) {
      targets.undecided(target)
      targets.release(target)
      throw error
    }
  }

  function start(
    own: Lanes,
    lane: Lane,
    target: Target,
    how: 'kept' | 'fresh',
    request: UpstreamRequest,
    endsAt: number,
    givePlace: () => void,
  ): Exchange {
    const leftMs = leftUntil(endsAt)
    if (leftMs <= 0) {
      givePlace()
      targets.undecided(target)
      targets.release(target)
      throw new CoatcheckError('upstream_timeout', { cause: 'no time is left for it' })
    }
    const dispatcher = how === 'fresh' ? own.fresh() : lane.pool
    const bodyFailure: { error?: unknown } = {}
    const exchange = new Exchange(request, bodyFailure, new Seat(givePlace, own.streams, targets, target), leftMs)
    dispatcher.dispatch(
      {
        path: request.target,
        method: request.method as Dispatcher.HttpMethod,
        headers: toFlatList(request, target.origin === request.origin ? undefined : host),
        body: bodyFor(request.body, bodyFailure),
        headersTimeout: request.headersTimeoutMs,
        // The exchange looks after the body's: an event stream has none.
        bodyTimeout: 0,
      },
      exchange,
    )
    // Ends by itself with the only request that it has.
    if (how === 'fresh') void dispatcher.close()
    return exchange
  }

  /** Where a request whose connection failed may go once more. */
  function next(exchange: Exchange, target: Target, request: UpstreamRequest): [Target, 'kept' | 'fresh'] | undefined {
    if (exchange.hasAnswered || request.signal.aborted) return undefined
    const isNew = !exchange.wasSent
    if (targets.all.length > 1 && (isNew || isReplayable(request))) {
      const other = another(target)
      return other && [other, 'kept']
    }
    // The server may have closed a kept connection just as the request came (RFC 9112 §9.3.1).
    if (isNew || request.body !== null || !safe.has(request.method) || !budget.spend()) return undefined
    return [targets.choose(), 'fresh']
  }

  /** One for what failed at this one. @throws CoatcheckError `upstream_unavailable` */
  function another(target: Target): Target | undefined {
    return targets.all.length > 1 && budget.spend() ? targets.choose(target) : undefined
  }

  return {
    async send(request) {
      budget.earn()
      const endsAt = endOf(totalMs)
      let target = targets.choose()
      let how: 'kept' | 'fresh' = 'kept'
      for (let retriesLeft = settings.retries; ; retriesLeft--) {
        const started = attempt(target, how, request, endsAt)
        const exchange = started instanceof Promise ? await started : started
        try {
          const answer = await exchange.head
          targets.succeeded(target)
          return answer
        } catch (error) {
          if (!exchange.hasLostConnection) {
            if (exchange.hasAnswered) targets.succeeded(target)
            else targets.undecided(target)
            throw error
          }
          targets.failed(target, error)
          const again = retriesLeft > 0 ? orNone(() => next(exchange, target, request)) : undefined
          if (again === undefined) throw error
          ;[target, how] = again
        }
      }
    },
    async connect(request, tunnel) {
      budget.earn()
      const endsAt = endOf(totalMs)
      let target = targets.choose()
      for (let retriesLeft = settings.retries; ; retriesLeft--) {
        const tried = target
        let isConnected = false
        try {
          const answer = await connectWebSocket(request, {
            target: tried.origin,
            tls: settings.tls,
            connectTimeoutMs: settings.timeouts.connectMs,
            answerTimeoutMs: Math.min(request.headersTimeoutMs, leftUntil(endsAt)),
            tunnel,
            onConnected: () => {
              isConnected = true
            },
            onClosed: () => targets.release(tried),
          })
          targets.succeeded(tried)
          return answer
        } catch (error) {
          const isBroken = error instanceof CoatcheckError && error.code === 'upstream_unreachable'
          if (isBroken) targets.failed(tried, error)
          else targets.undecided(tried)
          // A handshake that may have been read is not sent again: it may have opened something.
          const hasTime = leftUntil(endsAt) > 0 && !request.signal.aborted
          const mayGoElsewhere = isBroken && !isConnected && retriesLeft > 0 && hasTime
          const other = mayGoElsewhere ? orNone(() => another(tried)) : undefined
          if (other === undefined) throw error
          target = other
        }
      }
    },
    async close() {
      await Promise.all([stopHealth(), ...[...lanesOf.values()].map((one) => one.close())])
    },
  }
}

/** By the clock that nobody sets; never, without a limit. */
function endOf(totalMs: number | undefined): number {
  return totalMs === undefined ? Number.POSITIVE_INFINITY : performance.now() + totalMs
}

function leftUntil(endsAt: number): number {
  return endsAt === Number.POSITIVE_INFINITY ? endsAt : endsAt - performance.now()
}

/** With no other target in order, what the first one came to is the better word. */
function orNone<Found>(look: () => Found): Found | undefined {
  try {
    return look()
  } catch (error) {
    if (error instanceof CoatcheckError && error.code === 'upstream_unavailable') return undefined
    throw error
  }
}

const safe: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])
/** RFC 9110 §9.2.2: what has the same effect twice as once. */
const idempotent: ReadonlySet<string> = new Set([...safe, 'PUT', 'DELETE'])

function isReplayable({ method, body }: UpstreamRequest): boolean {
  return idempotent.has(method) && (body === null || body instanceof Uint8Array)
}

/** Fields of the connection are undici's to write (RFC 9110 §7.6.1); `Expect` is answered here. */
const connectionFields = new Set([
  'connection',
  'expect',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

function toFlatList(request: UpstreamRequest, host: string | undefined): string[] {
  const list: string[] = host === undefined ? [] : ['host', host]
  for (const [name, value] of request.headers) {
    if (connectionFields.has(name)) continue
    // A length without a body would leave the upstream waiting.
    if (name === 'content-length' && request.body === null && value !== '0') continue
    list.push(name, value)
  }
  return list
}

type DispatchBody = NonNullable<Dispatcher.DispatchOptions['body']>

/**
 * Never the client's stream itself: undici destroys what it is given when an upstream answers early, and with the
 * stream goes the client's connection, before it has read the answer.
 */
function bodyFor(body: RequestBody | null, failure: { error?: unknown }): DispatchBody | null {
  if (body === null) return null
  if (body instanceof Uint8Array) return body
  if (body instanceof Upload) {
    body.once('error', (error) => {
      // undici destroys it, too.
      if (error === body.clientError) failure.error = error
    })
    return body
  }
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
