/** For tests of keys as time passes: an issuer of its own for each test, and one clock for verifier and tokens. */
import { afterEach, beforeEach } from 'vitest'
import { type AccessTokenOptions, accessTokenVerifier, type GuardError } from '../../src/resource-server/index.ts'
import { audience, claimsOf, type SigningKey, signClaims, startIssuer, type TestIssuer } from './issuer.ts'

/** The one of this test. */
export let issuer: TestIssuer
let nowMs: number

/** Once, at the top of a test file. */
export function startIssuerForEachTest(): void {
  beforeEach(async () => {
    issuer = await startIssuer()
    nowMs = Date.now()
  })
  afterEach(() => issuer.stop())
}

export function pass(seconds: number): void {
  nowMs += seconds * 1000
}

/** Milliseconds since the epoch, as the verifiers have it. */
export function clock(): number {
  return nowMs
}

export function verifier(options: Partial<AccessTokenOptions> = {}) {
  return accessTokenVerifier({ issuer: issuer.url, audience, now: clock, ...options })
}

export function sign(key = issuer.keys[0] as SigningKey, header: Record<string, unknown> = {}): Promise<string> {
  const iat = Math.floor(nowMs / 1000)
  return signClaims(claimsOf(issuer.url, { iat, exp: iat + 60 }), key, header)
}

/** `taken`, or the code and the reason why not. */
export async function outcome(verifying: Promise<unknown>): Promise<string> {
  try {
    await verifying
    return 'taken'
  } catch (error) {
    return `${(error as GuardError).code} ${(error as GuardError).reason.split(':')[0]}`
  }
}
