/** Limits of the options for DPoP: NaN, which `Number()` of a missing variable is, would let through what they are for. */
import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { type DPoPOptions, dpopNonces, jwtGuard, memoryReplayStore } from '../../src/resource-server/index.ts'
import { audience } from './issuer.ts'

const guardWith = (dpop: Partial<DPoPOptions>) =>
  jwtGuard({ issuer: 'https://login.example.com', audience, dpop: { origin: audience, ...dpop } })

describe('a limit that is none would limit nothing, and is refused at start', () => {
  const wrong = [Number.NaN, 0, -1, Number.POSITIVE_INFINITY, '60' as unknown as number]

  it.each(wrong)('%s as the age of a proof', (maxAgeSeconds) => {
    expect(() => guardWith({ maxAgeSeconds })).toThrow(/`dpop.maxAgeSeconds` is not a number of seconds above 0: /)
  })

  it.each(wrong)('%s as the life of a nonce', (lifetimeSeconds) => {
    expect(() => dpopNonces({ secret: randomBytes(32), lifetimeSeconds })).toThrow(/`lifetimeSeconds` is not a number/)
  })

  it.each<[string, Uint8Array<ArrayBuffer>]>([
    ['31 bytes', randomBytes(31)],
    ['a text, which has no such length', 'a'.repeat(43) as never],
  ])('%s as the secret of nonces', (_, secret) => {
    expect(() => dpopNonces({ secret })).toThrow(/`secret` has to be a Uint8Array of 32 bytes or more/)
  })

  it.each([...wrong, 1.5])('%s as the size of a store', (maxEntries) => {
    expect(() => memoryReplayStore({ maxEntries })).toThrow(/`maxEntries` is not a whole number above 0: /)
  })
})
