/** Sessions that do not fit into a cookie: at sign-in, and from a refresh on (protocol.md C4). */
import { randomBytes } from 'node:crypto'
import { beforeEach, describe, expect, it } from 'vitest'
import type { CoatcheckEvent } from '../../src/observability/events.ts'
import { cookieStore } from '../../src/session/stores/cookie-store.ts'
import { memoryCoordinator } from '../../src/session/stores/memory-coordinator.ts'
import { otherTestSecret, testSecret } from '../support/system.ts'
import { type Browser, movableClock, opened, type Process, signIn, startProcess, tokens } from './processes.ts'

const ada = { sub: 'ada-subject', sid: 'ada-sid-1' }
const keepAlive = () => undefined
const longToken = (bytes: number) => randomBytes(bytes).toString('base64url')

let clock: ReturnType<typeof movableClock>
let events: CoatcheckEvent[]
let one: Process
let two: Process
/** What the next refresh brings. */
let accessToken: string

beforeEach(() => {
  clock = movableClock()
  events = []
  accessToken = longToken(6000)
  const store = cookieStore({ coordinator: memoryCoordinator({ clock }) })
  const start = () =>
    startProcess(store, clock, {
      report: (event) => void events.push(event),
      refresh: async () => ({ kind: 'refreshed', tokens: { ...tokens(clock), accessToken }, idToken: undefined }),
    })
  one = start()
  two = start()
})

/** A call, with what its answer sets. */
async function call(process: Process, browser: Browser) {
  const open = await opened(process, browser)
  await process.sessions.refresh(open, keepAlive)
  const changes = await process.sessions.cookies(open, browser.cookies, true)
  browser.take(changes)
  return { session: open.session, changes }
}

describe('at sign-in', () => {
  it('one that is too large is refused, and the one before it stays', async () => {
    const browser = await signIn(one, ada, clock)
    const before = (await opened(one, browser)).session.id
    const large = { ...tokens(clock), accessToken: longToken(6000) }
    await expect(signIn(one, ada, clock, browser, undefined, large)).rejects.toMatchObject({
      code: 'session_too_large',
    })
    expect((await opened(one, browser)).session.id).toBe(before)
  })
})

describe.each([6000, 120_000])('a refresh that brings a token of %d bytes', (bytes) => {
  beforeEach(() => {
    accessToken = longToken(bytes)
  })

  it('leaves the older version in the cookie, and the session goes on for as long as it is used', async () => {
    const browser = await signIn(one, ada, clock)
    for (let minutes = 0; minutes < 90; minutes += 10) {
      clock.advance(10 * 60_000)
      const { session } = await call(minutes % 20 === 0 ? one : two, browser)
      expect(session.tokens.accessToken).toBe(accessToken)
    }
    clock.advance(31 * 60_000)
    expect(await one.sessions.open(browser.cookies)).toBeUndefined()
  })

  it('is told once for each version and process', async () => {
    const browser = await signIn(one, ada, clock)
    clock.advance(10 * 60_000)
    const { session } = await call(one, browser)
    for (let minute = 0; minute < 3; minute++) {
      clock.advance(61_000)
      await call(one, browser)
    }
    const outgrown = events.filter(({ event }) => event === 'session_outgrown')
    expect(outgrown).toEqual([{ event: 'session_outgrown', session: expect.any(String), version: session.version }])
  })

  it('is over with the next that fits: the cookie has the newest again', async () => {
    const browser = await signIn(one, ada, clock)
    clock.advance(10 * 60_000)
    await call(one, browser)
    accessToken = 'short'
    clock.advance(10 * 60_000)
    const { session } = await call(two, browser)
    const { presented } = await opened(one, browser)
    expect([session.tokens.accessToken, presented.version]).toEqual(['short', session.version])
  })

  it('ends with a sign-out by the cookie that the browser has, and the newest tokens are revoked', async () => {
    const browser = await signIn(one, ada, clock)
    clock.advance(10 * 60_000)
    const { session } = await call(one, browser)
    const open = await two.sessions.open(browser.cookies, true)
    if (!open) throw new Error('there is no session')
    await two.sessions.end(open)
    expect(two.revoked).toContain(session.tokens.refreshToken)
    expect(await one.sessions.open(browser.cookies)).toBeUndefined()
  })
})

describe('while its secret is replaced', () => {
  it('needs the old one until a refresh has sealed its newest tokens with the new one', async () => {
    const lifeSeconds = 7200
    // As one that leaves this process: what is in memory is not sealed.
    const store = cookieStore({ coordinator: { ...memoryCoordinator({ clock }), isInProcess: false } })
    const start = (...secrets: readonly string[]) =>
      startProcess(store, clock, {
        secrets,
        async refresh() {
          const next = tokens(clock)
          const expiresAt = next.issuedAt + lifeSeconds
          return { kind: 'refreshed', tokens: { ...next, accessToken, expiresAt }, idToken: undefined }
        },
      })
    const first = start(testSecret, otherTestSecret)
    const second = start(otherTestSecret, testSecret)
    const third = start(otherTestSecret)
    const browser = await signIn(first, ada, clock)
    clock.advance(10 * 60_000)
    const { session } = await call(first, browser)
    // Longer than it takes to idle out: the cookie is the new secret's.
    for (let minutes = 0; minutes < 60; minutes += 20) {
      clock.advance(20 * 60_000)
      await call(second, browser)
    }
    await expect(third.sessions.open(browser.cookies)).rejects.toMatchObject({ code: 'login_required' })
    for (let minutes = 0; minutes < 60; minutes += 20) {
      clock.advance(20 * 60_000)
      await call(second, browser)
    }
    expect((await opened(third, browser)).session.version).toBe(session.version + 1)
  })
})
