import { beforeEach, describe, expect, it } from 'vitest'
import { type LogoutMarks, logoutMarks } from '../../src/session/logout-marks.ts'
import { newSession, type Session } from '../../src/session/session.ts'
import { memoryCoordinator } from '../../src/session/stores/memory-coordinator.ts'

let now: number
let marks: LogoutMarks
beforeEach(() => {
  now = 1_790_000_000_000
  const clock = { now: () => now }
  marks = logoutMarks(memoryCoordinator({ clock }), clock, 3600)
})

const issuer = 'https://login.example'
const session = (claims: Record<string, unknown>): Session =>
  newSession(
    {
      issuer,
      tokens: { accessToken: 'a', scope: '', issuedAt: now / 1000, refreshToken: 'r' },
      idToken: undefined,
      idTokenClaims: { iat: now / 1000, ...claims },
      shownClaims: {},
    },
    now / 1000,
    3600,
  )
const end = (what: { sid?: string; sub?: string }, issuedAt = now / 1000) =>
  marks.add({ issuer, sid: what.sid, sub: what.sub, issuedAt, jti: crypto.randomUUID(), expiresAt: issuedAt + 120 })

describe('a logout token', () => {
  it('with sid ends that session, and not the person’s others', async () => {
    await end({ sid: 'one', sub: 'ada' })
    expect(await marks.isMarked(session({ sid: 'one', sub: 'ada' }))).toBe(true)
    expect(await marks.isMarked(session({ sid: 'two', sub: 'ada' }))).toBe(false)
  })

  it('with sid ends the person’s sessions of which no sid is known, which it may mean', async () => {
    await end({ sid: 'one', sub: 'ada' })
    expect(await marks.isMarked(session({ sub: 'ada' }))).toBe(true)
    expect(await marks.isMarked(session({ sub: 'grace' }))).toBe(false)
  })

  it('with sub alone ends all of the person’s', async () => {
    await end({ sub: 'ada' })
    expect(await marks.isMarked(session({ sid: 'one', sub: 'ada' }))).toBe(true)
    expect(await marks.isMarked(session({ sub: 'ada' }))).toBe(true)
  })

  it('leaves what was begun after it, and is not undone by an older one', async () => {
    await end({ sub: 'ada' })
    await end({ sub: 'ada' }, now / 1000 - 60)
    expect(await marks.isMarked(session({ sub: 'ada', iat: now / 1000 + 1 }))).toBe(false)
    expect(await marks.isMarked(session({ sub: 'ada' }))).toBe(true)
  })

  it('is honoured within a second by who asked just before (E4)', async () => {
    const one = session({ sid: 'one', sub: 'ada' })
    expect(await marks.isMarked(one)).toBe(false)
    await end({ sid: 'one' })
    now += 1000
    expect(await marks.isMarked(one)).toBe(true)
  })
})
