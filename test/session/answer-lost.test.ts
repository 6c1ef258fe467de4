/** A refresh whose answer was lost, and what the server says to the second request (protocol.md R7, R8). */
import { beforeEach, expect, it } from 'vitest'
import { cookieStore } from '../../src/session/stores/cookie-store.ts'
import { memoryCoordinator } from '../../src/session/stores/memory-coordinator.ts'
import type { RefreshOutcome } from '../../src/tokens.ts'
import { movableClock, opened, signIn, startProcess } from './processes.ts'

const ada = { sub: 'ada-subject', sid: 'ada-sid-1' }
const cause = new Error('as the test has it')

let clock: ReturnType<typeof movableClock>
beforeEach(() => {
  clock = movableClock()
})

// Some servers say `invalid_request` of a refresh token that they do not know.
it.each(['invalid_grant', 'refused'] as const)(
  '%s then: the access token serves to its end, and a silent sign-in follows',
  async (kind) => {
    const outcomes: RefreshOutcome[] = [
      { kind: 'lost', cause },
      { kind, cause },
    ]
    const one = startProcess(cookieStore({ coordinator: memoryCoordinator({ clock }) }), clock, {
      refresh: async () => outcomes.shift() as RefreshOutcome,
    })
    const browser = await signIn(one, ada, clock)
    const before = (await opened(one, browser)).session.tokens.accessToken
    // Due, and alive.
    clock.advance(290_000)
    const goesOn: Promise<unknown>[] = []
    const keepAlive = (work: Promise<unknown>) => void goesOn.push(work)
    const open = await opened(one, browser)
    await one.sessions.refresh(open, keepAlive)
    await Promise.all(goesOn)
    expect([open.session.tokens.accessToken, outcomes]).toEqual([before, []])
    expect((await opened(one, browser)).session.tokens).toMatchObject({ accessToken: before })
    clock.advance(11_000)
    const late = await opened(one, browser)
    await expect(one.sessions.refresh(late, keepAlive)).rejects.toMatchObject({
      code: 'login_required',
      members: { silent: true },
    })
  },
)
