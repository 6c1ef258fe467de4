import { describe, expect, it } from 'vitest'
import { memoryStore } from '../../src/session/stores/memory-store.ts'
import { tokenClock } from '../../src/session/token-clock.ts'
import { movableClock, tokens as newTokens, opened, signIn, startProcess } from './processes.ts'

const startMs = 1_000_000_000
const tokens = {
  accessToken: 'a',
  scope: '',
  issuedAt: 1_000_000,
  expiresAt: 1_000_060,
  refreshTokenExpiresAt: 1_003_600,
}

function twoClocks(aheadMs: number) {
  const own = { ms: startMs, now: () => own.ms }
  const theirs = {
    aheadMs,
    asked: 0,
    now: async () => {
      theirs.asked += 1
      return own.ms - theirs.aheadMs
    },
  }
  return { own, theirs, clock: tokenClock(own, theirs) }
}

describe('the clock of tokens', () => {
  it('is our own where the coordinator has none', async () => {
    const clock = tokenClock({ now: () => startMs }, {})
    await clock.sync()
    expect([clock.now(), clock.fromOwn(tokens)]).toEqual([startMs, tokens])
  })

  it.each([60_000, -60_000])('is the coordinator’s where ours is ahead of it by %i ms', async (aheadMs) => {
    const { clock } = twoClocks(aheadMs)
    await clock.sync()
    expect(clock.now()).toBe(startMs - aheadMs)
    const seconds = aheadMs / 1000
    expect(clock.fromOwn(tokens)).toEqual({
      ...tokens,
      issuedAt: tokens.issuedAt - seconds,
      expiresAt: tokens.expiresAt - seconds,
      refreshTokenExpiresAt: tokens.refreshTokenExpiresAt - seconds,
    })
  })

  it('does not follow what may be the network', async () => {
    const { clock } = twoClocks(1500)
    await clock.sync()
    expect(clock.now()).toBe(startMs)
  })

  it('asks again where the answer took so long that half of it would be taken for a difference', async () => {
    const { own, theirs } = twoClocks(0)
    let isStill = true
    // The process stands still for a minute while it waits.
    const slowOnce = async () => {
      const now = await theirs.now()
      if (isStill) own.ms += 60_000
      isStill = false
      return now
    }
    const clock = tokenClock(own, { now: slowOnce })
    await clock.sync()
    expect([clock.now(), theirs.asked]).toEqual([own.ms, 2])
  })

  it('gives up where no answer comes in time: tokens are used by no clock that may be wrong', async () => {
    const { own, theirs } = twoClocks(0)
    const slow = async () => {
      const now = await theirs.now()
      own.ms += 10_000
      return now
    }
    const clock = tokenClock(own, { now: slow })
    await expect(clock.sync()).rejects.toMatchObject({ code: 'store_unavailable' })
    expect([clock.isKnown, theirs.asked]).toEqual([false, 3])
  })

  it('asks once a minute, and notices a clock that was set right', async () => {
    const { own, theirs, clock } = twoClocks(60_000)
    await clock.sync()
    own.ms += 59_000
    await clock.sync()
    expect(theirs.asked).toBe(1)
    // Ours is set right: back by a minute, which is a minute from when it was asked.
    own.ms -= 120_000
    theirs.aheadMs = 0
    await clock.sync()
    expect([theirs.asked, clock.now()]).toEqual([2, own.ms])
  })

  it('is what it was while the coordinator cannot be asked', async () => {
    const { own, theirs, clock } = twoClocks(60_000)
    await clock.sync()
    own.ms += 61_000
    theirs.now = () => Promise.reject(new Error('out'))
    await expect(clock.sync()).rejects.toThrow('out')
    expect(clock.now()).toBe(own.ms - 60_000)
  })

  it('gives tokens without an end none', async () => {
    const { clock } = twoClocks(60_000)
    await clock.sync()
    expect(clock.fromOwn({ accessToken: 'a', scope: '', issuedAt: 100 })).toEqual({
      accessToken: 'a',
      scope: '',
      issuedAt: 40,
    })
  })
})

describe('a process that was just started, and whose clock is a minute behind', () => {
  const keepAlive = () => undefined

  async function twoProcesses() {
    const clock = movableClock()
    const kept = memoryStore({ clock })
    const store = { ...kept, coordinator: { ...kept.coordinator, now: async () => clock.now() } }
    const behind = { aheadMs: -60_000, now: () => clock.now() + behind.aheadMs }
    const first = newTokens(clock)
    const shortLived = { ...first, expiresAt: first.issuedAt + 60 }
    const one = startProcess(store, clock, { storeKeepsTime: true })
    const browser = await signIn(one, { sub: 'ada', sid: 'sid-1' }, clock, undefined, undefined, shortLived)
    return { clock, behind, browser, late: startProcess(store, behind, { storeKeepsTime: true }) }
  }

  it('does not take a token that has ended for a live one (R6)', async () => {
    const { clock, browser, late } = await twoProcesses()
    clock.advance(61_000)
    const open = await opened(late, browser)
    const before = open.session.tokens.accessToken
    await late.sessions.refresh(open, keepAlive)
    expect(open.session.tokens.accessToken).not.toBe(before)
  })
})
