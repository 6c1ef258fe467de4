/** What every store has to do, whatever the cookie carries and wherever it keeps its book (protocol.md S1, S4). */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { SessionStore } from '../../src/coordinator.ts'
import type { EndedByServer } from '../../src/session/logout-marks.ts'
import type { OpenSession, Sessions } from '../../src/session/sessions.ts'
import { otherTestSecret } from '../support/system.ts'
import {
  Browser,
  issuer,
  movableClock,
  opened,
  type Process,
  type ProcessOptions,
  type StoreUnderTest,
  signIn,
  startProcess,
  tokens,
} from './processes.ts'
import { describeSecrets } from './secrets-suite.ts'

const ada = { sub: 'ada-subject', sid: 'ada-sid-1' }
const keepAlive = () => undefined

/** What a logout token of now says (OpenID Connect Back-Channel Logout 1.0 §2.4). */
function endedByServer(clock: { now(): number }, about: { sid?: string; sub?: string }): EndedByServer {
  const issuedAt = Math.floor(clock.now() / 1000)
  const { sid, sub } = about
  return { issuer, sid, sub, issuedAt, jti: crypto.randomUUID(), expiresAt: issuedAt + 120 }
}

/** @param carried what the cookie carries */
export function describeStore(
  name: string,
  start: () => Promise<StoreUnderTest>,
  carried: SessionStore['cookie'] = 'session',
): void {
  describeSecrets(name, carried, start)
  describe(`the ${name} store`, () => {
    let under: StoreUnderTest
    let one: Process
    /** The other process, where there is one. */
    let two: Process
    let clock: ReturnType<typeof movableClock>
    const otherProcess = (options?: ProcessOptions) => startProcess(under.other ?? under.store, clock, options)
    beforeEach(async () => {
      under = await start()
      clock = movableClock()
      one = startProcess(under.store, clock)
      two = otherProcess()
    })
    afterEach(() => under.stop())

    it('has a session for every process once it has begun', async () => {
      const browser = await signIn(one, ada, clock)
      const { session } = await opened(two, browser)
      expect(session).toEqual((await opened(one, browser)).session)
      expect(session.claims.name).toBe('Ada Lovelace')
    })

    it('begins one session for a callback that arrives twice (R12)', async () => {
      const browsers = await Promise.all([
        signIn(one, ada, clock, new Browser(), 'login.twice'),
        signIn(two, ada, clock, new Browser(), 'login.twice'),
      ])
      const ids = await Promise.all(browsers.map(async (browser) => (await opened(one, browser)).session.id))
      expect(ids[0]).toBe(ids[1])
    })

    it('gives every process the newest tokens', async () => {
      const browser = await signIn(one, ada, clock)
      const before = (await opened(two, browser)).session
      clock.advance(301_000)
      const open = await opened(one, browser)
      await one.sessions.refresh(open, keepAlive)
      expect(open.session.version).toBe(2)
      const elsewhere = await opened(two, browser)
      expect(elsewhere.session.tokens).toEqual(open.session.tokens)
      expect(elsewhere.session.tokens.accessToken).not.toBe(before.tokens.accessToken)
    })

    it('honours an end at once here, and within a second elsewhere (E4); the newest tokens are revoked (E1)', async () => {
      const browser = await signIn(one, ada, clock)
      await opened(two, browser)
      clock.advance(301_000)
      await one.sessions.refresh(await opened(one, browser), keepAlive)
      const newest = (await opened(one, browser)).session.tokens.refreshToken
      await one.sessions.end(await opened(two, browser))
      expect(one.revoked).toEqual([newest])
      expect(await one.sessions.open(browser.cookies)).toBeUndefined()
      clock.advance(1000)
      expect(await two.sessions.open(browser.cookies)).toBeUndefined()
    })

    it.each([
      ['its sid', ada],
      ['its subject alone', { sub: ada.sub }],
    ])('honours an end by the provider, by %s, within a second in every process (E2, E4)', async (_what, about) => {
      const browser = await signIn(one, ada, clock)
      const other = await signIn(one, { sub: 'grace-subject', sid: 'grace-sid' }, clock)
      for (const process of [one, two]) await opened(process, browser)
      await one.marks.add(endedByServer(clock, about))
      clock.advance(1000)
      // Its own tombstone is there once one has looked: who asks first must not need it.
      expect(await two.sessions.open(browser.cookies)).toBeUndefined()
      expect(await one.sessions.open(browser.cookies)).toBeUndefined()
      for (const process of [one, two]) expect(await process.sessions.open(other.cookies)).toBeDefined()
    })

    it('begins a session after the provider ended the one before, and not one that it had begun until then (E2)', async () => {
      // Times of tokens are whole seconds: both are of the one that begins here.
      clock.advance(1000 - (clock.now() % 1000))
      await one.marks.add(endedByServer(clock, ada))
      await expect(signIn(two, ada, clock)).rejects.toMatchObject({ code: 'login_required' })
      clock.advance(1000)
      const later = await signIn(two, ada, clock)
      for (const process of [one, two]) expect(await process.sessions.open(later.cookies)).toBeDefined()
    })

    it('writes no version of a session that the provider has ended while it was refreshed, and revokes what came (E1, E2)', async () => {
      const browser = await signIn(one, ada, clock)
      let came: string | undefined
      const slow = otherProcess({
        async refresh() {
          await one.marks.add(endedByServer(clock, ada))
          clock.advance(1000)
          const next = tokens(clock)
          came = next.refreshToken
          return { kind: 'refreshed', tokens: next, idToken: undefined }
        },
      })
      clock.advance(301_000)
      const open = await opened(slow, browser)
      await expect(slow.sessions.refresh(open, keepAlive)).rejects.toMatchObject({ code: 'login_required' })
      expect(slow.revoked).toEqual([came])
      const known = await under.store.coordinator.read(open.session.id)
      expect(known).toMatchObject({ ending: 'ended', payload: undefined })
      expect(await one.sessions.open(browser.cookies)).toBeUndefined()
    })

    it('supersedes what the browser held, and revokes nothing for it (C3)', async () => {
      const browser = await signIn(one, ada, clock)
      const old = new Browser()
      old.cookies = new Map(browser.cookies)
      await signIn(two, ada, clock, browser)
      clock.advance(1000)
      // A silent sign-in would do: whoever holds that cookie has signed in since.
      const refusal = { code: 'login_required', members: { silent: true } }
      await expect(one.sessions.open(old.cookies)).rejects.toMatchObject(refusal)
      expect(await one.sessions.open(browser.cookies)).toBeDefined()
      expect([...one.revoked, ...two.revoked]).toEqual([])
    })

    it('lets a session that is used live, and one that is not idle out', async () => {
      const browser = await signIn(one, ada, clock)
      for (const process of [one, two, one]) {
        clock.advance(20 * 60_000)
        const open = await opened(process, browser)
        browser.take(await process.sessions.cookies(open, browser.cookies, true))
      }
      clock.advance(31 * 60_000)
      expect(await two.sessions.open(browser.cookies)).toBeUndefined()
    })

    it('opens nothing of another front end or with another secret, and clears nothing', async () => {
      const browser = await signIn(one, ada, clock)
      expect(await otherProcess({ clientId: 'another' }).sessions.open(browser.cookies)).toBeUndefined()
      expect(await otherProcess({ secrets: [otherTestSecret] }).sessions.open(browser.cookies)).toBeUndefined()
      expect(await one.sessions.open(browser.cookies)).toBeDefined()
    })
  })
}

/** Those whose cookie carries a ticket. */
export function describeTicketStore(name: string, start: () => Promise<StoreUnderTest>): void {
  describeStore(name, start, 'ticket')
  describe(`the ${name} store, with tickets`, () => {
    let under: StoreUnderTest
    let one: Process
    let clock: ReturnType<typeof movableClock>
    beforeEach(async () => {
      under = await start()
      clock = movableClock()
      one = startProcess(under.store, clock)
    })
    afterEach(() => under.stop())

    const own = () => one.sessions.own as NonNullable<Sessions['own']>
    const listed = async (browser: Browser) => (await own().list((await opened(one, browser)).session)).sessions

    it('lists a person’s sessions, the newest first, with device and times', async () => {
      const first = await signIn(one, ada, clock)
      clock.advance(60_000)
      const second = await signIn(one, { sub: ada.sub, sid: 'ada-sid-2', device: 'Safari on iPhone' }, clock)
      await signIn(one, { sub: 'grace-subject', sid: 'grace-sid' }, clock)
      clock.advance(120_000)
      await one.sessions.cookies(await opened(one, first), first.cookies, true)
      const sessions = await listed(second)
      expect(sessions.map(({ device, isCurrent }) => [device, isCurrent])).toEqual([
        ['Safari on iPhone', true],
        ['Firefox on Linux', false],
      ])
      const [mine, other] = sessions
      expect((other?.lastSeenAt ?? 0) - (other?.createdAt ?? 0)).toBeGreaterThanOrEqual(179)
      expect(mine?.lastSeenAt).toBe(mine?.createdAt)
      const { session } = await opened(one, second)
      expect(sessions.map(({ id }) => id)).not.toContain(session.id)
    })

    it('ends another one without its ticket, and revokes its newest refresh token', async () => {
      const mine = await signIn(one, ada, clock)
      const theirs = await signIn(one, { sub: ada.sub, sid: 'ada-sid-2' }, clock)
      clock.advance(299_000)
      const open = await opened(one, theirs)
      clock.advance(2000)
      await one.sessions.refresh(open, keepAlive)
      const { session } = await opened(one, mine)
      const target = (await listed(mine)).find(({ isCurrent }) => !isCurrent)
      expect(await own().end(session, target?.id ?? '')).toBe('ended')
      expect(one.revoked).toEqual([open.session.tokens.refreshToken])
      expect(await one.sessions.open(theirs.cookies)).toBeUndefined()
      expect(await own().end(session, target?.id ?? '')).toBe('unknown')
      expect(await listed(mine)).toHaveLength(1)
    })

    it('has what the provider ends leave it and its index at once, and nothing else (E2)', async () => {
      const keys = new Set<string>()
      const { coordinator } = under.store
      const add = (...entry: Parameters<typeof coordinator.index.add>) => {
        keys.add(entry[0])
        return coordinator.index.add(...entry)
      }
      const index = { ...coordinator.index, add }
      one = startProcess({ ...under.store, coordinator: { ...coordinator, index } }, clock)
      const ended = await opened(one, await signIn(one, ada, clock))
      const other = await opened(one, await signIn(one, { sub: ada.sub, sid: 'ada-sid-2' }, clock))
      const logout = endedByServer(clock, ada)
      clock.advance(1000)
      // The same sign-in at the provider, and a later one here.
      const later = await opened(one, await signIn(one, ada, clock))
      await own().endByServer(logout)
      const inStore = async ({ session }: OpenSession) => coordinator.read(session.id)
      expect(await inStore(ended)).toMatchObject({ ending: 'ended', payload: undefined })
      for (const open of [other, later]) expect(await inStore(open)).toMatchObject({ ending: undefined })
      // Whoever looks next takes out what is over.
      await own().endByServer(logout)
      expect((await own().list(later.session)).sessions).toHaveLength(2)
      const kept = await Promise.all([...keys].map((key) => coordinator.index.list(key, 10)))
      expect(kept.flat()).not.toContain(ended.session.id)
      expect(one.revoked).toEqual([])
    })

    it('does not revoke what shares its grant with a session that stays (C3)', async () => {
      await signIn(one, ada, clock)
      const mine = await signIn(one, ada, clock)
      const { session } = await opened(one, mine)
      expect(await own().endOthers(session)).toEqual({ ended: 1, hasMore: false })
      expect(one.revoked).toEqual([])
    })

    it('ends one of two that share a grant while it is being refreshed, and the other keeps its tokens (C3, E1)', async () => {
      const theirs = await signIn(one, ada, clock)
      const mine = await signIn(one, ada, clock)
      const refresher = startProcess(under.other ?? under.store, clock, {
        refresh: async () => {
          const { session } = await opened(one, mine)
          expect(await own().endOthers(session)).toEqual({ ended: 1, hasMore: false })
          return { kind: 'refreshed', tokens: tokens(clock), idToken: undefined }
        },
      })
      clock.advance(301_000)
      const refreshing = refresher.sessions.refresh(await opened(refresher, theirs), keepAlive)
      await expect(refreshing).rejects.toMatchObject({ code: 'login_required' })
      expect([...one.revoked, ...refresher.revoked]).toEqual([])
      // Its person said so: no silent sign-in brings it back.
      clock.advance(1000)
      expect(await refresher.sessions.open(theirs.cookies)).toBeUndefined()
    })

    it('shows what fits, ends the rest in portions, and takes what is over out of its index', async () => {
      const browsers: Browser[] = []
      for (let count = 0; count < 120; count++) {
        browsers.push(await signIn(one, { sub: ada.sub, sid: `ada-sid-${count}` }, clock))
      }
      const mine = browsers.at(-1) as Browser
      const { session } = await opened(one, mine)
      const shown = await own().list(session)
      expect([shown.sessions.length, shown.hasMore]).toEqual([50, true])
      expect(await own().endOthers(session)).toEqual({ ended: 100, hasMore: true })
      expect(await own().endOthers(session)).toEqual({ ended: 19, hasMore: false })
      expect(await listed(mine)).toHaveLength(1)
      expect(one.revoked).toHaveLength(119)
    })

    it('leaves a person as many sessions as are allowed', async () => {
      one = startProcess(under.store, clock, { maxSessions: 2 })
      const browsers: Browser[] = []
      for (let count = 0; count < 3; count++) {
        browsers.push(await signIn(one, { sub: ada.sub, sid: `ada-sid-${count}` }, clock))
        clock.advance(1000)
      }
      const open = await Promise.all(browsers.map(({ cookies }) => one.sessions.open(cookies)))
      expect(open.map((each) => each !== undefined)).toEqual([false, true, true])
    })

    it('does not take a ticket whose session it never had, or has lost', async () => {
      const browser = await signIn(one, ada, clock)
      const { id } = (await opened(one, browser)).session
      const { coordinator } = under.store
      const elsewhere = await start()
      try {
        const fresh = startProcess(elsewhere.store, clock)
        expect(await coordinator.read(id)).toBeDefined()
        expect(await fresh.sessions.open(browser.cookies)).toBeUndefined()
      } finally {
        await elsewhere.stop()
      }
    })
  })
}
