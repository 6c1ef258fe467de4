import { beforeEach, describe, expect, it } from 'vitest'
import { CoatcheckError, type ErrorCode } from '../../src/errors.ts'
import type { CoatcheckEvent } from '../../src/observability/events.ts'
import { refusedCalls } from '../../src/observability/refused-calls.ts'

let now: number
let tick: (() => void) | undefined
let events: CoatcheckEvent[]
beforeEach(() => {
  now = 1_000_000
  tick = undefined
  events = []
})

function system({ hasSharedTimers = true } = {}) {
  const runtime = {
    clock: { now: () => now },
    hasSharedTimers,
    every(ms: number, work: () => void) {
      expect(ms).toBe(10_000)
      tick = work
      return () => {
        tick = undefined
      }
    },
  }
  const tell = refusedCalls(runtime, (event) => events.push(event))
  return (code: ErrorCode = 'csrf', { route = '/api/*' as string | undefined, method = 'GET', reason = 'ref' } = {}) =>
    tell(new CoatcheckError(code, { reason }), { method, route })
}

const counts = () => events.map((event) => ('count' in event ? event.count : undefined))

describe('a call that is refused', () => {
  it('is told at once, with what was refused and why, and nothing of who called', () => {
    system()('invalid_token', { route: '/partner/*', method: 'PUT', reason: 'expired' })
    expect(events).toEqual([
      {
        ...{ event: 'calls_refused', code: 'invalid_token', status: 401, reason: 'expired' },
        ...{ route: '/partner/*', method: 'PUT', count: 1 },
      },
    ])
  })

  it('has the check that the caller is told of for a reason, and none where nothing more is known', () => {
    const tell = refusedCalls({ clock: { now: () => now }, hasSharedTimers: false, every: () => () => {} }, (event) =>
      events.push(event),
    )
    tell(new CoatcheckError('csrf', { members: { check: 'origin' } }), { method: 'GET', route: undefined })
    tell(new CoatcheckError('no_route'), { method: 'GET', route: undefined })
    expect(events).toEqual([
      { event: 'calls_refused', code: 'csrf', status: 403, reason: 'origin', method: 'GET', count: 1 },
      { event: 'calls_refused', code: 'no_route', status: 404, method: 'GET', count: 1 },
    ])
  })

  it('has a method that is known, whatever the caller wrote', () => {
    system()('csrf', { method: 'FORGED"}\n{"event":"login_succeeded"' })
    expect(events).toMatchObject([{ method: 'other' }])
  })

  it('is one line with those that follow in ten seconds and are refused alike', () => {
    const refuse = system()
    for (let count = 0; count < 5000; count++) refuse()
    expect(counts()).toEqual([1])
    now += 10_000
    tick?.()
    expect(counts()).toEqual([1, 4999])
    refuse()
    now += 9_999
    tick?.()
    expect(counts()).toEqual([1, 4999])
    now += 1
    tick?.()
    expect(counts()).toEqual([1, 4999, 1])
  })

  it('is told apart by its code, its reason, its route and its method', () => {
    const refuse = system()
    refuse()
    refuse('rate_limited')
    refuse('csrf', { reason: 'origin' })
    refuse('csrf', { route: '/other/*' })
    refuse('csrf', { method: 'POST' })
    refuse()
    expect(counts()).toEqual([1, 1, 1, 1, 1])
  })

  it('is told by the next one where there are no timers, with all that came between', () => {
    const refuse = system({ hasSharedTimers: false })
    for (let count = 0; count < 3; count++) refuse()
    expect(tick).toBeUndefined()
    now += 10_000
    refuse()
    expect(counts()).toEqual([1, 3])
  })

  it('is told when a clock was set back', () => {
    const refuse = system()
    refuse()
    now -= 60 * 60 * 1000
    refuse()
    expect(counts()).toEqual([1, 1])
  })

  it('leaves no timer behind once all is told', () => {
    const refuse = system()
    refuse()
    expect(tick).toBeDefined()
    now += 10_000
    tick?.()
    expect(tick).toBeUndefined()
    refuse()
    expect(counts()).toEqual([1, 1])
    expect(tick).toBeDefined()
  })

  it('takes no more memory the more kinds there are, and none is lost', () => {
    const refuse = system()
    for (let kind = 0; kind < 2000; kind++) {
      refuse('csrf', { route: `/api/${kind}` })
      refuse('csrf', { route: `/api/${kind}` })
    }
    now += 10_000
    tick?.()
    expect(counts()).toHaveLength(4000)
    expect(counts().every((count) => count === 1)).toBe(true)
  })
})
