/** Calls that want something of one session at the same time, and what each of them gets (protocol.md R1, R7, R11). */
import { beforeEach, describe, expect, it } from 'vitest'
import type { SessionStore } from '../../src/coordinator.ts'
import type { Grant } from '../../src/session/refresh-run.ts'
import { memoryStore } from '../../src/session/stores/memory-store.ts'
import type { RefreshOutcome } from '../../src/tokens.ts'
import { type Browser, movableClock, opened, type Process, signIn, startProcess, tokens } from './processes.ts'

const ada = { sub: 'ada-subject', sid: 'ada-sid-1' }
const keepAlive = () => undefined
const upstream = 'https://orders.internal'

let clock: ReturnType<typeof movableClock>
let store: SessionStore
/** Refresh tokens that came to the provider. */
let sent: string[]
let answer: (target: string | undefined) => RefreshOutcome
let one: Process
let browser: Browser

const refresh: Grant['refresh'] = async ({ refreshToken }, target) => {
  sent.push(refreshToken)
  await new Promise((resolve) => setImmediate(resolve))
  return answer(target?.resource)
}

beforeEach(async () => {
  clock = movableClock()
  store = memoryStore({ clock })
  sent = []
  answer = () => ({ kind: 'refreshed', tokens: tokens(clock), idToken: undefined })
  one = startProcess(store, clock, { refresh })
  browser = await signIn(one, ada, clock)
})

describe('eight calls that an upstream refuses with 401', () => {
  it('share one refresh, and each goes on with the new token', async () => {
    clock.advance(120_000)
    const calls = await Promise.all(Array.from({ length: 8 }, () => opened(one, browser)))
    const hasNew = await Promise.all(
      calls.map((open) => one.sessions.refreshAfterRejection(open, open.session, upstream, keepAlive)),
    )
    expect(hasNew).toEqual(calls.map(() => true))
    expect(sent).toHaveLength(1)
    expect(new Set(calls.map(({ session }) => session.tokens.accessToken)).size).toBe(1)
  })

  it('are not sent again with the same token where another API’s refresh came between', async () => {
    clock.advance(120_000)
    const open = await opened(one, browser)
    const other = await opened(one, browser)
    const target = { resource: 'https://stock.internal', scopes: [] }
    await one.sessions.tokenFor(other, target, keepAlive)
    expect(other.session.version).toBe(2)
    expect(await one.sessions.refreshAfterRejection(open, open.session, upstream, keepAlive)).toBe(true)
    expect(open.session.tokens.accessToken).not.toBe(other.session.tokens.accessToken)
    expect(sent).toHaveLength(2)
  })

  it('wait for their turn where another API’s refresh is under way (R1)', async () => {
    clock.advance(120_000)
    const [other, open] = await Promise.all([opened(one, browser), opened(one, browser)])
    const obtaining = one.sessions.tokenFor(other, { resource: 'https://stock.internal', scopes: [] }, keepAlive)
    expect(await one.sessions.refreshAfterRejection(open, open.session, upstream, keepAlive)).toBe(true)
    await obtaining
    expect(sent).toHaveLength(2)
  })

  it('get the 401 where the provider is in trouble, and it is asked once', async () => {
    answer = () => ({ kind: 'unavailable', retryAfterSeconds: undefined, cause: new Error('503') })
    clock.advance(120_000)
    const calls = await Promise.all(Array.from({ length: 8 }, () => opened(one, browser)))
    const results = await Promise.allSettled(
      calls.map((open) => one.sessions.refreshAfterRejection(open, open.session, upstream, keepAlive)),
    )
    expect(results.every(({ status }) => status === 'rejected')).toBe(true)
    expect(sent).toHaveLength(1)
    const late = await opened(one, browser)
    expect(await one.sessions.refreshAfterRejection(late, late.session, upstream, keepAlive)).toBe(false)
  })
})

describe('calls for other APIs at once', () => {
  it('each get a token, however many there are', async () => {
    const resources = Array.from({ length: 12 }, (_, index) => `https://api-${index}.internal`)
    const calls = await Promise.all(resources.map(() => opened(one, browser)))
    const got = await Promise.all(
      calls.map((open, index) =>
        one.sessions.tokenFor(open, { resource: resources[index] as string, scopes: [] }, keepAlive),
      ),
    )
    expect(new Set(got).size).toBe(resources.length)
    // No refresh token twice: each was the one that the refresh before it had brought.
    expect(new Set(sent).size).toBe(resources.length)
  })

  it('hear nothing of the refusal of another one: each takes its turn (R1)', async () => {
    const [refused, granted] = ['https://refused.internal', 'https://stock.internal']
    answer = (target) =>
      target === refused
        ? { kind: 'target_refused', cause: new Error('invalid_target') }
        : { kind: 'refreshed', tokens: tokens(clock), idToken: undefined }
    // The session's own access token is over too.
    clock.advance(400_000)
    const [first, second, own] = await Promise.all([opened(one, browser), opened(one, browser), opened(one, browser)])
    const refusal = one.sessions.tokenFor(first, { resource: refused, scopes: [] }, keepAlive)
    const others = [
      one.sessions.tokenFor(second, { resource: granted, scopes: [] }, keepAlive),
      one.sessions.refresh(own, keepAlive),
    ]
    await expect(refusal).rejects.toMatchObject({ code: 'token_refused' })
    expect((await Promise.allSettled(others)).map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled'])
    expect(one.sessions.hasLiveToken(own)).toBe(true)
  })

  it('do not clear a doubt about the refresh token that they were not asked for', async () => {
    answer = (target) =>
      target === undefined
        ? { kind: 'lost', cause: new Error('reset') }
        : { kind: 'target_refused', cause: new Error('invalid_scope') }
    clock.advance(290_000)
    const open = await opened(one, browser)
    const goesOn: Promise<unknown>[] = []
    await one.sessions.refresh(open, (work) => void goesOn.push(work))
    await Promise.allSettled(goesOn)
    clock.advance(60_000)
    const later = await opened(one, browser)
    const target = { resource: 'https://api.internal', scopes: ['more'] }
    await expect(one.sessions.tokenFor(later, target, keepAlive)).rejects.toMatchObject({ code: 'token_refused' })
    expect((await store.coordinator.read(open.session.id))?.attempt).toBeDefined()
  })
})

describe('a session that the provider has ended, while the store takes no writes', () => {
  it('is over all the same', async () => {
    let isEnded = false
    const readOnly: SessionStore = {
      ...store,
      coordinator: { ...store.coordinator, end: () => Promise.reject(new Error('READONLY')) },
    }
    const logoutMarks = { isMarked: async () => isEnded } as never
    const two = startProcess(readOnly, clock, { logoutMarks })
    const open = await opened(two, browser)
    isEnded = true
    expect(await two.sessions.standing(open)).toBe('ended')
    expect(await two.sessions.open(browser.cookies)).toBeUndefined()
  })
})

describe('a process whose clock is a minute ahead of the store', () => {
  it('gives a session without a refresh token all of its access token', async () => {
    const ahead = { now: () => clock.now() + 60_000 }
    const keptTime = { ...store, coordinator: { ...store.coordinator, now: async () => clock.now() } }
    const two = startProcess(keptTime, ahead, { storeKeepsTime: true })
    const issuedAt = Math.floor(ahead.now() / 1000)
    const first = { accessToken: 'short', scope: 'openid', issuedAt, expiresAt: issuedAt + 60 }
    const short = await signIn(two, ada, ahead, undefined, undefined, first)
    const open = await opened(two, short)
    expect(open.session.endsAt).toBe(issuedAt + 60)
    expect(two.sessions.isUsable(open)).toBe(true)
    clock.advance(61_000)
    expect(await two.sessions.open(short.cookies)).toBeUndefined()
  })

  it('asks for a burst once, as all do, although by its own clock tokens of a minute have ended', async () => {
    let asked = 0
    const at = clock.now()
    const coordinator = {
      ...store.coordinator,
      now: async () => at,
      read: (...asking: Parameters<typeof store.coordinator.read>) => {
        asked += 1
        return store.coordinator.read(...asking)
      },
    }
    const ahead = { now: () => at + 60_000 }
    const two = startProcess({ ...store, coordinator }, ahead, { storeKeepsTime: true })
    const issuedAt = Math.floor(ahead.now() / 1000)
    const minute = { ...tokens(ahead), issuedAt, expiresAt: issuedAt + 60 }
    const browser = await signIn(two, ada, ahead, undefined, undefined, minute)
    await opened(two, browser)
    asked = 0
    for (let call = 0; call < 10; call++) await opened(two, browser)
    expect(asked).toBe(0)
  })
})

describe('two sign-ins of one browser that come back at the same moment', () => {
  it('leave one session, the same for whoever asks (C3)', async () => {
    const arrival = (key: string, rival: string) => ({ key, secret: `verifier of ${key}`, rivals: [rival], device: '' })
    const start = async () => ({
      ...{ issuer: 'https://login.example.com', tokens: tokens(clock), idToken: undefined },
      ...{ idTokenClaims: { sub: ada.sub }, shownClaims: {} },
    })
    const begun = await Promise.all([
      one.sessions.begin(arrival('tab 1', 'tab 2'), new Map(), start),
      one.sessions.begin(arrival('tab 2', 'tab 1'), new Map(), start),
    ])
    const standing = await Promise.all(begun.map(async ({ id }) => !(await store.coordinator.read(id))?.ending))
    expect(standing.filter(Boolean)).toHaveLength(1)
  })
})

describe('a sign-out whose store does not answer', () => {
  it('revokes what is known: whoever tries again may know older tokens (E1)', async () => {
    clock.advance(290_000)
    const behind = await opened(one, browser)
    const call = await opened(one, browser)
    await one.sessions.refresh(call, keepAlive)
    const silent: SessionStore = {
      ...store,
      coordinator: {
        ...store.coordinator,
        end: async (...asked) => {
          await store.coordinator.end(...asked)
          throw new Error('the answer is lost')
        },
      },
    }
    const two = startProcess(silent, clock)
    await expect(two.sessions.end(behind)).rejects.toThrow('the answer is lost')
    expect(two.revoked).toEqual([call.session.tokens.refreshToken])
  })
})
