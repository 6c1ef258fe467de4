/** What crosses a refresh or a sign-in: a logout token, a holder that fell silent, another process (protocol.md R6, R7, E2). */
import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { SessionEndReason } from '../../src/config/user-config.ts'
import type { Coordinator } from '../../src/coordinator.ts'
import type { CoatcheckEvent } from '../../src/observability/events.ts'
import { keyedHash } from '../../src/session/keyed-hash.ts'
import { type LogoutMarks, logoutMarks } from '../../src/session/logout-marks.ts'
import type { Grant } from '../../src/session/refresh-run.ts'
import { cookieStore } from '../../src/session/stores/cookie-store.ts'
import { memoryCoordinator } from '../../src/session/stores/memory-coordinator.ts'
import type { RefreshOutcome } from '../../src/tokens.ts'
import { testSecret } from '../support/system.ts'
import { Browser, movableClock, opened, signIn, startProcess, tokens } from './processes.ts'

const issuer = 'https://login.example.com'
const ada = { sub: 'ada-subject', sid: 'ada-sid-1' }
const keepAlive = () => undefined

let clock: ReturnType<typeof movableClock>
let coordinator: Coordinator
let marks: LogoutMarks
let sent: string[]
let events: CoatcheckEvent[]
let ends: SessionEndReason[]
beforeEach(() => {
  clock = movableClock()
  coordinator = memoryCoordinator({ clock })
  marks = logoutMarks(
    coordinator,
    clock,
    43_200,
    keyedHash([testSecret], 'logout-mark', { origin: 'https://app.example.com', issuer, clientId: 'app' }),
  )
  sent = []
  events = []
  ends = []
})

const granted = (): RefreshOutcome => ({ kind: 'refreshed', tokens: tokens(clock), idToken: undefined })
/** One process of those that share the coordinator. */
const process = (answer: () => RefreshOutcome | Promise<RefreshOutcome>, shared = coordinator) =>
  startProcess(cookieStore({ coordinator: shared }), clock, {
    logoutMarks: marks,
    report: (event) => void events.push(event),
    onEnd: (_session, reason) => void ends.push(reason),
    refresh: (async ({ refreshToken }) => {
      sent.push(refreshToken)
      return answer()
    }) satisfies Grant['refresh'],
  })

let logoutTokens = 0
const endAtServer = () => {
  const issuedAt = Math.floor(clock.now() / 1000)
  const jti = String(++logoutTokens)
  return marks.add({ issuer, sid: ada.sid, sub: ada.sub, issuedAt, jti, expiresAt: issuedAt + 120 })
}

describe('a sign-in', () => {
  it('that comes back without the Strict cookie ends what its marker names, and whoever asked to be told hears it (C3)', async () => {
    const one = process(granted)
    const browser = await signIn(one, ada, clock)
    const { session } = await opened(one, browser)
    const fromElsewhere = new Browser()
    const [name, value] = [...browser.cookies].find(([name]) => !name.endsWith('coatcheck')) ?? []
    fromElsewhere.cookies.set(name ?? '', value ?? '')
    await signIn(one, ada, clock, fromElsewhere)
    expect((await coordinator.read(session.id))?.ending).toBe('superseded')
    expect(ends).toEqual(['superseded'])
  })
})

describe('a logout token', () => {
  it('that comes while the answer to a refresh is on its way ends the session, and what was issued is revoked (E2)', async () => {
    let arrive: (outcome: RefreshOutcome) => void = () => undefined
    const one = process(() => new Promise((resolve) => (arrive = resolve)))
    const browser = await signIn(one, ada, clock)
    clock.advance(400_000)
    const refreshing = one.sessions.refresh(await opened(one, browser), keepAlive)
    await vi.waitFor(() => expect(sent).toHaveLength(1))
    await endAtServer()
    // What was known of marks is used for a second (E4).
    clock.advance(1000)
    const outcome = granted()
    arrive(outcome)
    await expect(refreshing).rejects.toMatchObject({ code: 'login_required' })
    expect(one.revoked).toEqual([outcome.kind === 'refreshed' && outcome.tokens.refreshToken])
    const told = events.filter(({ event }) => event === 'session_ended')
    expect(told).toMatchObject([{ reason: 'backchannel_logout' }])
    expect(ends).toEqual(['backchannel_logout'])
  })

  it('that comes while the code is redeemed lets no session begin (E2)', async () => {
    const one = process(granted)
    const arrival = { key: 'login.crossed', secret: 'verifier', rivals: [], device: 'Firefox on Linux' }
    const start = async () => {
      await endAtServer()
      return {
        ...{ issuer, tokens: tokens(clock), idToken: undefined, shownClaims: {} },
        idTokenClaims: { ...ada, iat: Math.floor(clock.now() / 1000) - 1 },
      }
    }
    await expect(one.sessions.begin(arrival, new Browser().cookies, start)).rejects.toMatchObject({
      code: 'login_required',
    })
  })

  it('whose mark could not be written is no replay when it comes again (E3)', async () => {
    const { commit } = coordinator
    const failing = vi.spyOn(coordinator, 'commit').mockRejectedValueOnce(new Error('READONLY'))
    await expect(endAtServer()).rejects.toThrow('READONLY')
    failing.mockImplementation(commit)
    logoutTokens -= 1
    await expect(endAtServer()).resolves.toBeUndefined()
  })
})

describe('an attempt whose holder may live', () => {
  it('is waited for once more, and what it wrote is taken (R6)', async () => {
    const [one, two] = [process(granted), process(granted)]
    const browser = await signIn(one, ada, clock)
    clock.advance(400_000)
    const open = await opened(two, browser)
    // Somebody sent it, and has lost its lease: longer ago than a request takes.
    await coordinator.recordAttempt(open.session.id, 1, clock.now() + 3_600_000)
    clock.advance(2000)
    const works: Promise<unknown>[] = []
    const refreshing = two.sessions.refresh(open, (work) => void works.push(work))
    await vi.waitFor(async () => expect((await coordinator.read(open.session.id))?.attempt).toBeDefined())
    const written = await opened(one, browser)
    const entry = {
      version: 2,
      payload: 'what the holder wrote, which this process cannot read',
      keepUntil: clock.now() + 3_600_000,
    }
    expect(await coordinator.commit(written.session.id, 1, entry)).toBe('committed')
    await expect(refreshing).rejects.toMatchObject({ code: 'provider_unavailable' })
    await Promise.all(works)
    expect(sent).toEqual([])
  })
})

describe('a provider in trouble', () => {
  it('is not asked at once by the next process in turn (R7)', async () => {
    const released: (number | undefined)[] = []
    const shared: Coordinator = {
      ...coordinator,
      async acquireLease(...args) {
        const lease = await coordinator.acquireLease(...args)
        const release = (othersWaitMs?: number) => {
          released.push(othersWaitMs)
          return lease.release(othersWaitMs)
        }
        return { ...lease, release }
      },
    }
    let answer: RefreshOutcome = { kind: 'unavailable', retryAfterSeconds: undefined, cause: new Error('503') }
    const one = process(() => answer, shared)
    const browser = await signIn(one, ada, clock)
    clock.advance(400_000)
    await expect(one.sessions.refresh(await opened(one, browser), keepAlive)).rejects.toMatchObject({
      code: 'provider_unavailable',
    })
    answer = granted()
    clock.advance(20_000)
    await one.sessions.refresh(await opened(one, browser), keepAlive)
    expect(released).toEqual([1000, 0])
  })
})
