/** When an access token is refreshed. */
import { describe, expect, it } from 'vitest'
import type { Session } from '../../src/session/session.ts'
import { isAlive, isDueForRefresh, refreshMarginMs } from '../../src/session/token-age.ts'

const issuedAt = 1_800_000_000
const sessionWith = (lifetimeSeconds: number, version = 1) =>
  ({
    id: 'one',
    version,
    tokens: { accessToken: 'a', scope: '', issuedAt, expiresAt: issuedAt + lifetimeSeconds },
  }) as unknown as Session

describe('a refresh token that ends before the access token does', () => {
  const ending = (seconds: number, at = issuedAt) =>
    ({
      id: 'one',
      version: 1,
      tokens: {
        ...sessionWith(3600).tokens,
        issuedAt: at,
        refreshToken: 'r',
        refreshTokenExpiresAt: issuedAt + seconds,
      },
    }) as unknown as Session
  const firstDue = (session: Session) => {
    let second = session.tokens.issuedAt
    while (!isDueForRefresh(session, second * 1000)) second += 1
    return second
  }

  it('is used in the last quarter of its life', () => {
    const at = firstDue(ending(1800)) - issuedAt
    expect(at).toBeGreaterThanOrEqual(1350)
    expect(at).toBeLessThan(1800 - 224)
  })

  it('costs a few refreshes where none prolongs it, and is left alone in the end', () => {
    const end = issuedAt + 1800
    const refreshes: number[] = []
    for (let at = firstDue(ending(1800)); at < end; at = firstDue(ending(1800, at))) refreshes.push(end - at)
    expect(refreshes.length).toBeLessThanOrEqual(5)
    expect(Math.max(...refreshes)).toBeGreaterThan(224)
  })
})

describe('an access token', () => {
  it.each([2, 3, 7, 8, 60, 3600])('of %i seconds is due as soon as it is not sent any more', (lifetime) => {
    for (let version = 1; version <= 20; version += 1) {
      const session = sessionWith(lifetime, version)
      for (let ms = 0; ms <= lifetime * 1000; ms += lifetime * 10) {
        const now = issuedAt * 1000 + ms
        expect(isDueForRefresh(session, now) || isAlive(session.tokens, now), `${ms} ms`).toBe(true)
      }
    }
  })

  it('is due no sooner than in the last quarter of its life, and a minute before its end', () => {
    for (const lifetime of [8, 60, 3600]) {
      const session = sessionWith(lifetime)
      const marginMs = refreshMarginMs(lifetime * 1000, session)
      expect(marginMs).toBeLessThanOrEqual(Math.min(60_000, lifetime * 250))
      expect(isDueForRefresh(session, (issuedAt + lifetime) * 1000 - marginMs - 1)).toBe(false)
      expect(isDueForRefresh(session, (issuedAt + lifetime) * 1000 - marginMs)).toBe(true)
    }
  })
})
