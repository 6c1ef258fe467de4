/** The watch over open streams (protocol.md E6), by a clock and a timer of the test's own. */
import { beforeEach, describe, expect, it } from 'vitest'
import { type LiveStreamsOptions, liveStreams } from '../../src/gateway/live-streams.ts'
import type { CoatcheckEvent } from '../../src/observability/events.ts'
import type { LongLived } from '../../src/runtime.ts'
import type { OpenSession } from '../../src/session/sessions.ts'

const startMs = 1_700_000_000_000
let nowMs: number
let standing: (id: string) => 'stands' | 'ended' | 'unknown' | Promise<'stands'>
let asked: string[]
let ticks: Set<() => void>
let events: CoatcheckEvent[]
let hasLiveToken: boolean

beforeEach(() => {
  nowMs = startMs
  standing = () => 'stands'
  asked = []
  ticks = new Set()
  events = []
  hasLiveToken = false
})

function make(changes: Partial<LiveStreamsOptions> = {}) {
  return liveStreams({
    sessions: {
      async standing({ session }) {
        asked.push(session.id)
        return standing(session.id)
      },
      idleEndsAt: () => startMs / 1000 + 1800,
      hasLiveToken: () => hasLiveToken,
    },
    runtime: {
      hasSharedTimers: true,
      every(_ms, work) {
        ticks.add(work)
        return () => ticks.delete(work)
      },
    },
    clock: { now: () => nowMs },
    report: (event) => events.push(event),
    perSession: 3,
    perAddress: 2,
    total: 10_000,
    ...changes,
  })
}

const session = (id: string) => ({ session: { id, version: 1 } }) as unknown as OpenSession
const keepAlive = () => undefined

class Stream implements LongLived {
  ends = 0
  over: () => void = () => undefined
  watch(onOver: () => void): void {
    this.over = onOver
  }
  end(): void {
    this.ends++
    this.over()
  }
}

function open(live: ReturnType<typeof make>, id: string): Stream {
  const stream = new Stream()
  live.enter(session(id)).fill(stream, keepAlive)
  return stream
}

/** One turn of every timer, and what follows from it. */
async function tick(): Promise<void> {
  for (const work of ticks) work()
  for (let count = 0; count < 200; count++) await Promise.resolve()
}

describe('a round', () => {
  it('asks for each session once, however many streams it has', async () => {
    const live = make()
    for (const id of ['a', 'a', 'a', 'b', 'c', 'd']) open(live, id)
    await tick()
    await tick()
    expect(asked.toSorted()).toEqual(['a', 'b', 'c', 'd'])
    await tick()
    await tick()
    expect(asked).toHaveLength(8)
  })

  it('asks for so many in a tick and no more, whatever the number of sessions, and comes to all of them', async () => {
    const live = make()
    for (let count = 0; count < 5000; count++) open(live, `session-${count}`)
    const seen = new Set<string>()
    for (let count = 0; count < 5; count++) {
      asked = []
      await tick()
      expect(asked).toHaveLength(1000)
      for (const id of asked) seen.add(id)
    }
    expect(seen.size).toBe(5000)
  })

  it('closes what has ended elsewhere, and nothing else', async () => {
    const live = make()
    const [ended, other] = [open(live, 'ended'), open(live, 'other')]
    standing = (id) => (id === 'ended' ? 'ended' : 'stands')
    await tick()
    await tick()
    expect([ended.ends, other.ends]).toEqual([1, 0])
    expect(events).toEqual([{ event: 'streams_closed', session: 'ended', reason: 'session_ended', count: 1 }])
  })

  it('is not begun while the one before hangs at the store', async () => {
    const live = make()
    open(live, 'a')
    standing = () => new Promise(() => undefined)
    for (let count = 0; count < 5; count++) await tick()
    expect(asked).toHaveLength(1)
  })
})

describe('what ends here', () => {
  it('is closed at once, all of its streams, without a question', () => {
    const live = make()
    const streams = [open(live, 'a'), open(live, 'a')]
    live.ended('a')
    expect(streams.map(({ ends }) => ends)).toEqual([1, 1])
    expect(asked).toEqual([])
    live.ended('a')
    expect(streams.map(({ ends }) => ends)).toEqual([1, 1])
  })

  it('is closed as soon as it is open, where its handshake was under way', () => {
    const live = make()
    const place = live.enter(session('a'))
    live.ended('a')
    const stream = new Stream()
    place.fill(stream, keepAlive)
    expect(stream.ends).toBe(1)
  })
})

describe('idle time', () => {
  it('ends a stream, which is no activity', async () => {
    const live = make()
    const stream = open(live, 'a')
    nowMs += 1_799_000
    await tick()
    expect(stream.ends).toBe(0)
    nowMs += 1000
    await tick()
    expect(stream.ends).toBe(1)
    expect(events).toContainEqual(expect.objectContaining({ reason: 'session_idle' }))
  })

  it('begins anew with what the page does meanwhile, and never goes back', async () => {
    const live = make()
    const stream = open(live, 'a')
    live.seen('a', startMs / 1000 + 3600)
    live.seen('a', startMs / 1000 + 1800)
    nowMs += 3_599_000
    await tick()
    expect(stream.ends).toBe(0)
    nowMs += 1000
    await tick()
    expect(stream.ends).toBe(1)
  })
})

describe('a store that is out', () => {
  it('closes nothing while the access token lives', async () => {
    const live = make()
    const stream = open(live, 'a')
    standing = () => 'unknown'
    hasLiveToken = true
    for (let count = 0; count < 100; count++) {
      nowMs += 1000
      await tick()
    }
    expect(stream.ends).toBe(0)
    hasLiveToken = false
    await tick()
    expect(stream.ends).toBe(1)
  })

  it('for ten seconds closes nothing whose token has ended either', async () => {
    const live = make()
    const stream = open(live, 'a')
    standing = () => 'unknown'
    await tick()
    nowMs += 9000
    await tick()
    standing = () => 'stands'
    await tick()
    standing = () => 'unknown'
    nowMs += 9000
    await tick()
    expect(stream.ends).toBe(0)
  })
})

describe('places', () => {
  it('are so many for a session, and come back', () => {
    const live = make()
    const [first] = [open(live, 'a'), open(live, 'a'), open(live, 'a')]
    expect(() => live.enter(session('a'))).toThrow(expect.objectContaining({ code: 'too_many_streams' }))
    expect(() => live.enter(session('b')).leave()).not.toThrow()
    first?.over()
    first?.over()
    open(live, 'a')
    expect(() => live.enter(session('a'))).toThrow(expect.objectContaining({ code: 'too_many_streams' }))
  })

  it("are so many for all, nobody's streams among them", () => {
    const live = make({ total: 2 })
    const place = live.enter(undefined)
    open(live, 'a')
    expect(() => live.enter(session('b'))).toThrow(expect.objectContaining({ code: 'streams_busy' }))
    expect(() => live.enter(undefined)).toThrow(expect.objectContaining({ code: 'streams_busy' }))
    place.leave()
    place.leave()
    open(live, 'b')
    expect(() => live.enter(undefined)).toThrow(expect.objectContaining({ code: 'streams_busy' }))
  })
})

describe('places of callers without a session', () => {
  const tooMany = expect.objectContaining({ code: 'too_many_streams' })
  const busy = expect.objectContaining({ code: 'streams_busy' })

  it('are so many from one address, and come back', () => {
    const live = make()
    const place = live.enter(undefined, { address: '192.0.2.1' })
    live.enter(undefined, { address: '192.0.2.1' })
    expect(() => live.enter(undefined, { address: '192.0.2.1' })).toThrow(tooMany)
    expect(() => live.enter(undefined, { address: '192.0.2.2' })).not.toThrow()
    place.leave()
    place.leave()
    live.enter(undefined, { address: '192.0.2.1' })
    expect(() => live.enter(undefined, { address: '192.0.2.1' })).toThrow(tooMany)
  })

  it('are so many for one who has brought a token, wherever from', () => {
    const live = make()
    const caller = (address: string) => ({ address, subject: 'https://login.example.com ada' })
    for (const address of ['192.0.2.1', '192.0.2.2', '192.0.2.3']) live.enter(undefined, caller(address))
    expect(() => live.enter(undefined, caller('192.0.2.4'))).toThrow(tooMany)
    expect(() => live.enter(undefined, { address: '192.0.2.1' })).not.toThrow()
  })

  it('are three quarters of all, whatever address they say: the rest is for who is known', () => {
    const live = make({ total: 8 })
    const places = Array.from({ length: 6 }, (_, index) =>
      live.enter(undefined, index < 3 ? {} : { address: `192.0.2.${index}` }),
    )
    expect(() => live.enter(undefined, { address: '192.0.2.9' })).toThrow(busy)
    expect(() => live.enter(undefined, {})).toThrow(busy)
    open(live, 'a')
    live.enter(undefined, { subject: 'a client' })
    expect(() => live.enter(session('b'))).toThrow(busy)
    places[0]?.leave()
    expect(() => live.enter(undefined, { address: '192.0.2.9' })).not.toThrow()
  })

  it('ask for no timer: nobody looks at a session', () => {
    const live = make()
    live.enter(undefined, {}).fill(new Stream(), keepAlive)
    expect(ticks.size).toBe(0)
  })
})

describe('timers', () => {
  it('there is one for all, and none while nothing is open', () => {
    const live = make()
    expect(ticks.size).toBe(0)
    const streams = [open(live, 'a'), open(live, 'b')]
    expect(ticks.size).toBe(1)
    for (const stream of streams) stream.over()
    expect(ticks.size).toBe(0)
  })

  it('are one for each stream where they belong to requests, and each ends its own stream alone', async () => {
    const kept: Promise<unknown>[] = []
    const every = (_ms: number, work: () => void) => {
      ticks.add(work)
      return () => ticks.delete(work)
    }
    const live = make({ runtime: { hasSharedTimers: false, every } })
    const streams = [new Stream(), new Stream()]
    for (const stream of streams) live.enter(session('a')).fill(stream, (work) => kept.push(work))
    expect(ticks.size).toBe(2)
    live.ended('a')
    expect(streams.map(({ ends }) => ends)).toEqual([0, 0])
    const [first] = ticks
    first?.()
    for (let count = 0; count < 20; count++) await Promise.resolve()
    expect(streams.map(({ ends }) => ends)).toEqual([1, 0])
    await tick()
    expect(streams.map(({ ends }) => ends)).toEqual([1, 1])
    expect(ticks.size).toBe(0)
    await Promise.all(kept)
  })
})
