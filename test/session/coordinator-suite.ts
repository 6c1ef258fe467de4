/** What every coordinator has to do, whatever it keeps its book in (protocol.md S4). */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Coordinator } from '../../src/coordinator.ts'
import { CoatcheckError } from '../../src/errors.ts'
import type { Clock } from '../../src/runtime.ts'

export interface CoordinatorUnderTest {
  readonly coordinator: Coordinator
  /** Another process on the same book; undefined where there cannot be one. */
  readonly other: Coordinator | undefined
  readonly clock: Clock
  /** Lets time pass, for the coordinator's own clock. */
  advance(ms: number): Promise<void>
  stop(): Promise<void>
}

const hour = 60 * 60 * 1000

export function describeCoordinator(name: string, start: () => Promise<CoordinatorUnderTest>): void {
  describe(`the ${name} coordinator`, () => {
    let under: CoordinatorUnderTest
    let one: Coordinator
    /** The other process, where there is one. */
    let two: Coordinator
    beforeEach(async () => {
      under = await start()
      one = under.coordinator
      two = under.other ?? under.coordinator
    })
    afterEach(() => under.stop())

    const entry = (version: number, keepMs = hour) => ({
      version,
      payload: `payload ${version}`,
      keepUntil: under.clock.now() + keepMs,
    })

    describe('a version', () => {
      it('is unknown at first', async () => {
        expect(await one.read('s')).toBeUndefined()
      })

      it('is read by everyone once it is written', async () => {
        expect(await one.commit('s', 1, entry(2))).toBe('committed')
        expect(await two.read('s')).toEqual({
          version: 2,
          payload: 'payload 2',
          attempt: undefined,
          ending: undefined,
        })
      })

      it('goes on from its parent only (R5)', async () => {
        await one.commit('s', 1, entry(2))
        expect(await two.commit('s', 1, { ...entry(2), payload: 'other' })).toBe('stale')
        expect(await two.commit('s', 3, entry(4))).toBe('stale')
        expect((await one.read('s'))?.payload).toBe('payload 2')
        expect(await two.commit('s', 2, entry(3))).toBe('committed')
        expect((await one.read('s'))?.version).toBe(3)
      })

      it('is written once, however many try at the same time', async () => {
        const results = await Promise.all(
          Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? one : two).commit('s', 1, entry(2))),
        )
        expect(results.filter((result) => result === 'committed')).toHaveLength(1)
      })

      it('keeps to its own session', async () => {
        await one.commit('s', 1, entry(2))
        await one.end('t', under.clock.now() + hour)
        expect((await one.read('s'))?.version).toBe(2)
        expect(await one.read('S')).toBeUndefined()
      })

      it('is forgotten when its time is over', async () => {
        await one.commit('s', 1, entry(2, 2000))
        await under.advance(2500)
        expect(await two.read('s')).toBeUndefined()
      })

      it('stays readable after the browser has confirmed it, while there is room', async () => {
        await one.commit('s', 1, entry(2))
        one.confirm('s', 2)
        one.confirm('s', 9)
        one.confirm('unknown', 1)
        expect((await two.read('s'))?.payload).toBe('payload 2')
      })
    })

    describe('what is kept beside a version', () => {
      const noted = (version: number, keepMs = hour) => ({
        ...entry(version, keepMs),
        revocation: `revocation ${version}`,
      })

      it('is not sent again to who has it', async () => {
        await one.commit('s', 0, entry(1))
        expect(await two.read('s', 1)).toMatchObject({ version: 1, payload: undefined })
        await one.commit('s', 1, entry(2))
        expect(await two.read('s', 1)).toMatchObject({ version: 2, payload: 'payload 2' })
      })

      it('can be read without the payload: what was said about it first stays', async () => {
        expect(await one.readNotes('s')).toBeUndefined()
        await one.commit('s', 0, { ...noted(1), about: 'about', seenAt: 1000 })
        await two.commit('s', 1, { ...noted(2), about: 'other', seenAt: 2000 })
        expect(await one.readNotes('s')).toEqual({ about: 'about', seenAt: 1000 })
      })

      it('has the newest copy for revocation, which goes out with the end, once', async () => {
        await one.commit('s', 0, { ...noted(1), about: 'about' })
        await two.commit('s', 1, noted(2))
        expect(await one.end('s', under.clock.now() + hour)).toMatchObject({ revocation: 'revocation 2' })
        expect((await two.end('s', under.clock.now() + hour))?.revocation).toBeUndefined()
        expect(await two.readNotes('s')).toBeUndefined()
      })

      it('says when it was last used, which moves forward only and keeps it', async () => {
        await one.commit('s', 0, { ...entry(1, 2000), seenAt: 1000 })
        await two.touch('s', 1060, under.clock.now() + hour)
        await one.touch('s', 1030, under.clock.now() + 1000)
        await under.advance(2500)
        expect(await two.read('s')).toMatchObject({ seenAt: 1060, payload: 'payload 1' })
        await one.commit('s', 1, { ...entry(2), seenAt: 3000 })
        expect((await two.read('s'))?.seenAt).toBe(1060)
      })

      it('is not brought back by a use that comes late', async () => {
        await one.touch('unknown', 1000, under.clock.now() + hour)
        expect(await one.read('unknown')).toBeUndefined()
        await one.end('s', under.clock.now() + hour)
        await two.touch('s', 1000, under.clock.now() + hour)
        expect(await one.read('s')).toMatchObject({ ending: 'ended' })
      })
    })

    describe('an index', () => {
      const add = (id: string, keepMs: number, key = 'k') => one.index.add(key, id, under.clock.now() + keepMs)

      it('lists ids, those that are kept longest first, as many as are asked for', async () => {
        await add('a', hour)
        await add('c', 3 * hour)
        await add('b', 2 * hour)
        await add('x', hour, 'other')
        expect(await two.index.list('k', 10)).toEqual(['c', 'b', 'a'])
        expect(await two.index.list('k', 2)).toEqual(['c', 'b'])
        expect(await two.index.list('unknown', 2)).toEqual([])
      })

      it('forgets what is over, and what is taken out', async () => {
        await add('short', 1000)
        await add('gone', hour)
        await add('stays', hour)
        await two.index.remove('k', ['gone', 'unknown'])
        await two.index.remove('k', [])
        await under.advance(1500)
        expect(await one.index.list('k', 10)).toEqual(['stays'])
      })
    })

    describe('an attempt', () => {
      it('is seen by everyone until the answer is written (R3)', async () => {
        await one.commit('s', 1, entry(2))
        expect(await one.recordAttempt('s', 2, under.clock.now() + hour)).toBe('recorded')
        await under.advance(1500)
        const seen = (await two.read('s'))?.attempt
        expect(seen?.version).toBe(2)
        expect(seen?.ageMs).toBeGreaterThanOrEqual(1400)
        expect(seen?.ageMs).toBeLessThan(5000)
        await two.commit('s', 2, entry(3))
        expect((await one.read('s'))?.attempt).toBeUndefined()
      })

      it('makes a session known of which nothing was', async () => {
        expect(await one.recordAttempt('s', 1, under.clock.now() + hour)).toBe('recorded')
        expect(await two.read('s')).toMatchObject({ version: 1, payload: undefined, attempt: { version: 1 } })
        expect(await two.commit('s', 1, entry(2))).toBe('committed')
      })

      it('is for the newest version only: another one’s refresh token may be spent', async () => {
        await one.commit('s', 1, entry(2))
        expect(await two.recordAttempt('s', 1, under.clock.now() + hour)).toBe('stale')
        expect(await two.recordAttempt('s', 3, under.clock.now() + hour)).toBe('stale')
        expect(await one.read('s')).toMatchObject({ version: 2, payload: 'payload 2', attempt: undefined })
      })

      it('can be taken back', async () => {
        await one.recordAttempt('s', 1, under.clock.now() + hour)
        await one.clearAttempt('s')
        expect((await two.read('s'))?.attempt).toBeUndefined()
        await one.clearAttempt('unknown')
      })
    })

    describe('an end', () => {
      it('wins over every write, and gives what was known (E1)', async () => {
        await one.commit('s', 1, entry(2))
        expect(await two.end('s', under.clock.now() + hour)).toMatchObject({ version: 2, payload: 'payload 2' })
        expect(await one.read('s')).toMatchObject({ ending: 'ended', payload: undefined })
        expect(await one.commit('s', 2, entry(3))).toBe('ended')
        expect(await one.commit('s', 0, entry(1))).toBe('ended')
      })

      it('says how it came, and of two the stronger: a sign-out stays a sign-out (C3, E1)', async () => {
        const until = under.clock.now() + hour
        const steps = [
          ['superseded', 'superseded'],
          ['ended_alone', 'ended_alone'],
          ['superseded', 'ended_alone'],
          [undefined, 'ended'],
          ['ended_alone', 'ended'],
          ['superseded', 'ended'],
        ] as const
        for (const [ending, said] of steps) {
          await one.end('s', until, ending)
          expect(await two.read('s')).toMatchObject({ ending: said })
          expect(await two.commit('s', 1, entry(2))).toBe(said)
          expect(await two.recordAttempt('s', 1, until)).toBe('ended')
        }
        await two.end('other', until, 'superseded')
        await one.end('other', until)
        expect(await two.read('other')).toMatchObject({ ending: 'ended' })
      })

      it('bars a session that was never seen', async () => {
        expect(await one.end('s', under.clock.now() + hour)).toBeUndefined()
        expect(await two.commit('s', 1, entry(2))).toBe('ended')
        expect((await two.read('s'))?.ending).toBe('ended')
      })

      it('stays through an attempt, and through being ended again for a shorter time (E3)', async () => {
        await one.end('s', under.clock.now() + hour)
        expect(await two.recordAttempt('s', 3, under.clock.now() + 1000)).toBe('ended')
        await two.end('s', under.clock.now() + 1000)
        await under.advance(1500)
        expect((await one.read('s'))?.ending).toBe('ended')
      })

      it('is one end when two come at once: one of them gets the session', async () => {
        await one.commit('s', 1, entry(2))
        const until = under.clock.now() + hour
        const known = await Promise.all([one.end('s', until), two.end('s', until)])
        expect(known.filter((each) => each?.payload !== undefined)).toHaveLength(1)
      })
    })

    describe('a lease', () => {
      it('is held by one at a time, and goes to the next when it is given back', async () => {
        let holders = 0
        let most = 0
        const work = async (coordinator: Coordinator) => {
          const lease = await coordinator.acquireLease('s', 10_000)
          holders += 1
          most = Math.max(most, holders)
          await coordinator.read('s')
          holders -= 1
          await lease.release()
        }
        await Promise.all([one, two, one, two, one, two].map(work))
        expect(most).toBe(1)
      })

      it('is of one session, not of all', async () => {
        const first = await one.acquireLease('s', 10_000)
        const second = await two.acquireLease('t', 10_000)
        expect(await first.renew(10_000)).toBe(true)
        await second.release()
        await first.release()
      })

      it('that is given back for later is nobody’s until then (R7)', async () => {
        if (under.other === undefined) return
        const first = await one.acquireLease('s', 10_000)
        await first.release(300)
        let isTaken = false
        const taking = two.acquireLease('s', 10_000).then((lease) => {
          isTaken = true
          return lease
        })
        await two.read('s')
        expect(isTaken).toBe(false)
        await under.advance(400)
        await (await taking).release()
      })

      it('lapses where its holder is gone, and cannot be renewed or given back after that (R6)', async () => {
        if (under.other === undefined) return
        const lost = await one.acquireLease('s', 300)
        await under.advance(400)
        const taken = await two.acquireLease('s', 10_000)
        expect(await lost.renew(10_000)).toBe(false)
        await lost.release()
        expect(await taken.renew(10_000)).toBe(true)
        await taken.release()
      })
    })

    describe('what is done once', () => {
      it('has one result for everyone within its time (R12)', async () => {
        let runs = 0
        const work = async () => `result ${++runs}`
        const results = await Promise.all([
          one.once('k', hour, work),
          two.once('k', hour, work),
          one.once('k', hour, work),
        ])
        expect(results).toEqual(['result 1', 'result 1', 'result 1'])
        expect(await two.once('k', hour, work)).toBe('result 1')
        expect(await two.once('other', hour, work)).toBe('result 2')
      })

      it('may be done again after its time', async () => {
        await one.once('k', 1000, async () => 'first')
        await under.advance(1500)
        expect(await two.recall('k')).toBeUndefined()
        expect(await two.once('k', 1000, async () => 'second')).toBe('second')
      })

      it('fails for everyone who waits, and is not tried again', async () => {
        let runs = 0
        const work = async (): Promise<string> => {
          runs += 1
          throw new CoatcheckError('session_too_large')
        }
        const settled = await Promise.allSettled([one.once('k', hour, work), two.once('k', hour, work)])
        for (const result of settled) {
          expect(result).toMatchObject({ status: 'rejected', reason: { code: 'session_too_large' } })
        }
        expect(runs).toBe(1)
      })

      it('can be recalled once it is done', async () => {
        expect(await one.recall('k')).toBeUndefined()
        await one.once('k', hour, async () => 'result')
        expect(await two.recall('k')).toBe('result')
      })
    })

    describe('a count', () => {
      it('goes up by one for whoever counts, each key by itself', async () => {
        const counts = await Promise.all([one.count('k', hour), two.count('k', hour), one.count('k', hour)])
        expect(counts.map(({ count }) => count).sort()).toEqual([1, 2, 3])
        expect((await two.count('other', hour)).count).toBe(1)
        expect((await two.count('k', hour)).count).toBe(4)
      })

      it('is exact when many count at once', async () => {
        const all = await Promise.all(Array.from({ length: 50 }, (_, turn) => (turn % 2 ? one : two).count('k', hour)))
        expect(new Set(all.map(({ count }) => count)).size).toBe(50)
      })

      it('begins anew when its window has passed, and not before', async () => {
        const first = await one.count('k', 1500)
        expect(first.remainingMs).toBeGreaterThan(1000)
        expect(first.remainingMs).toBeLessThanOrEqual(1500)
        await under.advance(1000)
        const second = await two.count('k', 1500)
        expect(second.count).toBe(2)
        expect(second.remainingMs).toBeLessThanOrEqual(600)
        await under.advance(1000)
        expect((await one.count('k', 1500)).count).toBe(1)
      })
    })
  })
}
