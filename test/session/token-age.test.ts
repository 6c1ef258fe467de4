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
