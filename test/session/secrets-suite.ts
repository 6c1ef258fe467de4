/** What every store has to do while a session secret is replaced, and when the old one can go (docs/sessions.md). */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { SessionStore } from '../../src/coordinator.ts'
import type { OpenSession } from '../../src/session/sessions.ts'
import { otherTestSecret as newSecret, testSecret as oldSecret } from '../support/system.ts'
import {
  absoluteSeconds,
  type Browser,
  idleSeconds,
  movableClock,
  opened,
  type Process,
  type StoreUnderTest,
  signIn,
  startProcess,
} from './processes.ts'

const ada = { sub: 'ada-subject', sid: 'ada-sid-1' }
const adaAgain = { sub: ada.sub, sid: 'ada-sid-2' }
const grace = { sub: 'grace-subject', sid: 'grace-sid' }
const minuteMs = 60_000
/** From one call of somebody who is active to the next. */
const pauseMs = 25 * minuteMs
const keepAlive = () => undefined

/** A call, with what its answer sets. */
async function call(process: Process, browser: Browser): Promise<void> {
  const open = await opened(process, browser)
  await process.sessions.refresh(open, keepAlive)
  browser.take(await process.sessions.cookies(open, browser.cookies, true))
}

async function opens({ sessions }: Process, { cookies }: Browser): Promise<boolean> {
  return (await sessions.open(cookies)) !== undefined
}

export function describeSecrets(
  name: string,
  carried: SessionStore['cookie'],
  start: () => Promise<StoreUnderTest>,
): void {
  describe(`the ${name} store, while its secret is replaced`, () => {
    let under: StoreUnderTest
    let clock: ReturnType<typeof movableClock>
    /** It has the old secret alone. */
    let before: Process
    /** The new one is last. */
    let first: Process
    /** The new one is first. */
    let second: Process
    /** The old one is gone. */
    let third: Process
    beforeEach(async () => {
      under = await start()
      clock = movableClock()
      const here = under.store
      const there = under.other ?? here
      before = startProcess(here, clock, { secrets: [oldSecret] })
      first = startProcess(there, clock, { secrets: [oldSecret, newSecret] })
      second = startProcess(here, clock, { secrets: [newSecret, oldSecret] })
      third = startProcess(there, clock, { secrets: [newSecret] })
    })
    afterEach(() => under.stop())

    async function workFor(ms: number, process: Process, browsers: readonly Browser[]): Promise<void> {
      for (let left = ms; left > 0; left -= pauseMs) {
        clock.advance(Math.min(left, pauseMs))
        for (const browser of browsers) await call(process, browser)
      }
    }

    const hasEnded = async (id: string) => (await under.store.coordinator.read(id))?.ending !== undefined

    it('serves every session in the first two phases', async () => {
      const browser = await signIn(before, ada, clock)
      const later = await signIn(second, adaAgain, clock)
      for (const process of [first, second]) {
        await call(process, browser)
        await call(process, later)
      }
      for (const { sessions } of [first, second]) {
        if (sessions.own === undefined) continue
        const { session } = (await sessions.open(later.cookies)) as OpenSession
        expect((await sessions.own.list(session)).sessions).toHaveLength(2)
      }
    })

    it('opens nothing of the old one where that is gone too soon, and ends nothing: with both it goes on', async () => {
      const browser = await signIn(before, ada, clock)
      await call(first, browser)
      clock.advance(idleSeconds * 1000 - minuteMs)
      expect(await opens(third, browser)).toBe(false)
      await call(second, browser)
      // A session is sealed anew with its idle clock, and a ticket never.
      expect(await opens(third, browser)).toBe(carried === 'session')
    })

    if (carried === 'session') {
      it('seals a cookie anew with the first call a minute after the last, and with the secret that is first', async () => {
        const browser = await signIn(before, ada, clock)
        const atSignIn = new Map(browser.cookies)
        clock.advance(minuteMs)
        await call(first, browser)
        expect(browser.cookies).not.toEqual(atSignIn)
        expect(await opens(third, browser)).toBe(false)
        clock.advance(minuteMs / 2)
        await call(second, browser)
        expect(await opens(third, browser)).toBe(false)
        clock.advance(minuteMs / 2)
        await call(second, browser)
        expect(await opens(third, browser)).toBe(true)
      })

      it('can do without the old one after `idleTimeout`: who was active goes on, and who was not has idled out', async () => {
        const active = await signIn(before, ada, clock)
        const away = await signIn(before, grace, clock)
        await workFor(pauseMs, first, [active, away])
        const { id } = (await opened(first, away)).session
        // From here on the new one is first everywhere.
        await workFor(idleSeconds * 1000, second, [active])
        await call(third, active)
        for (const process of [second, third]) expect(await opens(process, away)).toBe(false)
        expect(await hasEnded(id)).toBe(false)
      })
    } else {
      it('can do without the old one after `absoluteTimeout`: a ticket of it is good until its session ends', async () => {
        const early = await signIn(first, ada, clock)
        const away = await signIn(first, grace, clock)
        const { id } = (await opened(first, away)).session
        // From here on the new one is first everywhere.
        clock.advance(minuteMs)
        const later = await signIn(second, adaAgain, clock)
        await workFor(absoluteSeconds * 1000 - 2 * minuteMs, second, [early, later])
        expect(await opens(third, early)).toBe(false)
        await call(second, early)
        clock.advance(minuteMs)
        await call(third, later)
        for (const browser of [early, away]) {
          for (const process of [second, third]) expect(await opens(process, browser)).toBe(false)
        }
        expect(await hasEnded(id)).toBe(false)
      })

      it('lists and ends without the old one what the new one has sealed, and nothing else is lost', async () => {
        const early = await signIn(first, ada, clock)
        const later = await signIn(second, adaAgain, clock)
        const { session } = await opened(third, later)
        expect((await third.sessions.own?.list(session))?.sessions).toHaveLength(1)
        expect(await third.sessions.own?.endOthers(session)).toEqual({ ended: 0, hasMore: false })
        await call(second, early)
        expect((await second.sessions.own?.list(session))?.sessions).toHaveLength(2)
      })
    }
  })
}
