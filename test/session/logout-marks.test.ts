import { base64url } from 'jose'
import { beforeEach, describe, expect, it } from 'vitest'
import type { Coordinator } from '../../src/coordinator.ts'
import { keyedHash } from '../../src/session/keyed-hash.ts'
import { type LogoutMarks, logoutMarks } from '../../src/session/logout-marks.ts'
import { newSession, type Session } from '../../src/session/session.ts'
import { memoryCoordinator } from '../../src/session/stores/memory-coordinator.ts'
import { otherTestSecret, testSecret } from '../support/system.ts'

const issuer = 'https://login.example'
let now: number
let coordinator: Coordinator
let marks: LogoutMarks
const clock = { now: () => now }
/** One process's, which has these secrets. */
const marksWith = (secrets: readonly string[]) =>
  logoutMarks(coordinator, clock, 3600, keyedHash(secrets, 'logout-mark', { origin: 'o', issuer, clientId: 'app' }))
beforeEach(() => {
  now = 1_790_000_000_000
  coordinator = memoryCoordinator({ clock })
  marks = marksWith([testSecret])
})

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

  it('is told to processes whose secrets are being replaced', async () => {
    await marksWith([otherTestSecret, testSecret]).add({
      ...{ issuer, sid: 'one', sub: undefined, issuedAt: now / 1000, jti: 'j', expiresAt: now / 1000 + 120 },
    })
    expect(await marksWith([testSecret, otherTestSecret]).isMarked(session({ sid: 'one' }))).toBe(true)
  })

  it('leaves nothing in the store that a name could be guessed by (S1)', async () => {
    const keys: string[] = []
    const { commit } = coordinator
    coordinator = {
      ...coordinator,
      commit(key, ...rest) {
        keys.push(key)
        return commit(key, ...rest)
      },
    }
    await marksWith([testSecret]).add({
      ...{ issuer, sid: undefined, sub: 'ada', issuedAt: now / 1000, jti: 'j', expiresAt: now / 1000 + 120 },
    })
    const plain = new TextEncoder().encode(JSON.stringify([issuer, 'sub', 'ada']))
    const guessed = base64url.encode(new Uint8Array(await crypto.subtle.digest('SHA-256', plain)))
    expect(keys).toHaveLength(1)
    expect(keys[0]).not.toContain(guessed)
    expect(await marksWith([otherTestSecret]).isMarked(session({ sub: 'ada' }))).toBe(false)
  })

  it('is honoured within a second by who asked just before (E4)', async () => {
    const one = session({ sid: 'one', sub: 'ada' })
    expect(await marks.isMarked(one)).toBe(false)
    await end({ sid: 'one' })
    now += 1000
    expect(await marks.isMarked(one)).toBe(true)
  })
})
