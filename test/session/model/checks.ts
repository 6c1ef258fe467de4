/** What has to hold whatever happens, and what excuses the end of a session (protocol.md R1, R3, R5, R8, R9, E1, E4). */
import type { LedgerEntry } from '../../../src/coordinator.ts'
import type { OpenSession } from '../../../src/session/sessions.ts'
import type { Lab, Owner } from './lab.ts'
import { idleSeconds, type Process } from './process.ts'
import type { Family, Rotation } from './provider.ts'

/** A session that was begun, by its id. */
export interface Known {
  readonly id: string
  readonly family: Family
  /** Why it may be over: the person's or the provider's word, or a loss that nobody could have averted. */
  readonly excuses: Set<string>
  /** From when on nobody may be served with it. */
  endedAt: number | undefined
  /** A sign-out of it was answered with 200, or the person's ending it from another browser. */
  isLoggedOut: boolean
  /** Refresh tokens that may outlive that. */
  spared: ReadonlySet<string>
}

/** From a lost answer to the second request at the provider: a lease renewed, and a request on its way. */
const retryMs = 3000
/** A difference of two seconds may be the network and is not set right, and tokens' times are whole seconds. */
const clockToleranceMs = 3000
const clockDifferenceMs = 120_000
/** How long other processes may go on with a session that has ended (E4). */
export const endDelayMs = 1000

export class Checks {
  violation: string | undefined
  readonly known = new Map<string, Known>()
  readonly #excuses = new Map<Family, Set<string>>()
  readonly #lab: Lab
  readonly #graceMs: number
  readonly #onlyOutcomes: boolean

  /** @param onlyOutcomes looks at what the person sees, and not at how it came to that */
  constructor(lab: Lab, graceMs: number, onlyOutcomes: boolean) {
    this.#lab = lab
    this.#graceMs = graceMs
    this.#onlyOutcomes = onlyOutcomes
  }

  fail(message: string): void {
    if (this.violation !== undefined) return
    this.violation = message
    this.#lab.log(`VIOLATION: ${message}`)
  }

  excusesOf(family: Family): Set<string> {
    const known = this.#excuses.get(family) ?? new Set()
    this.#excuses.set(family, known)
    return known
  }

  excuse(family: Family, why: string): void {
    this.excusesOf(family).add(why)
  }

  /** A refresh is about to be sent: one at a time, on record, and with a token that may be alive. */
  onSend(family: Family, token: string, isBeside: boolean, stored: LedgerEntry | undefined): void {
    if (this.#onlyOutcomes) return
    const version = family.versions.get(token) ?? 0
    if (isBeside) this.fail(`two token requests at once for one session (R1): ${token}`)
    if (stored && stored.version > version) this.fail(`a refresh token known to be spent is sent (R9): ${token}`)
    // A tombstone takes the attempt with it; what comes of the request is revoked (E1).
    if (stored && !stored.ending && stored.attempt?.version !== version)
      this.fail(`a refresh is sent without an attempt on record (R3): ${token}`)
  }

  /** Who was asked to come back later does not come sooner (R7). */
  onWait(family: Family, owner: Owner): void {
    if (this.#lab.now < (family.leaveAlone.get(owner) ?? 0))
      this.fail(`${owner.name} does not wait for as long as the provider has asked for (R7)`)
  }

  /** A call goes to its API: with a token that lives by the store's clock, if that could be asked (R6). */
  onUse(label: string, { session, isConfirmed }: OpenSession): void {
    if (session.tokens.accessToken.includes(' for ')) this.fail(`${label} goes on with the token of another API (R1)`)
    const endedMs = this.#lab.now - (session.tokens.expiresAt ?? Number.POSITIVE_INFINITY) * 1000
    if (isConfirmed && endedMs > clockToleranceMs)
      this.fail(`${label} goes on with an access token whose time is over (R6)`)
  }

  /** Whose fault is it that a spent token came again? */
  onReuse(
    family: Family,
    rotation: Rotation,
    sharing: readonly Family[],
    { wasTried, wasStopped, isUnclear }: { wasTried: boolean; wasStopped: boolean; isUnclear: boolean },
  ): void {
    const isUnsavable =
      rotation.holder.isGone ||
      (rotation.isLost && this.#isBeyondGrace(family, rotation)) ||
      // An attempt that was never sent, and stands, is taken for a lost answer, which was asked for once more.
      (rotation.isLost && isUnclear) ||
      (wasStopped && !wasTried)
    if (isUnsavable) for (const one of sharing) this.excuse(one, 'an answer that was lost (R8)')
    else if (!this.#onlyOutcomes)
      this.fail(`${rotation.token} is sent again although ${rotation.holder.name} has got its answer`)
  }

  /**
   * It is asked for once more, at once: too late where the answer was given up only when the grace period was over, and
   * what befalls that request as well is beyond what the period is for (R7).
   */
  #isBeyondGrace(family: Family, { token, at, lostAt }: Rotation): boolean {
    const isLate = lostAt - at > this.#graceMs - retryMs
    return this.#graceMs === 0 || isLate || (family.mishaps.get(token) ?? 0) > 1
  }

  /** Whether this browser may be told that it is signed out. */
  mayBeOut(id: string, seenAt: number): boolean {
    const known = this.known.get(id)
    if (!known) return false
    const { family, excuses } = known
    const losses = [...family.rotations.values()].filter(({ isLost }) => isLost)
    const isUnsavable = losses.some((rotation) => this.#isBeyondGrace(family, rotation) || rotation.holder.isGone)
    return excuses.size > 0 || isUnsavable || this.isIdle(seenAt) || family.end === 'revoked by the provider'
  }

  isIdle(seenAt: number): boolean {
    return (seenAt + idleSeconds) * 1000 <= this.#lab.now + clockDifferenceMs
  }

  /** After everything has come to rest. */
  afterLogout(known: Known): void {
    const { family, excuses } = known
    // Who ended it first has revoked what it would (OpenID Connect Back-Channel Logout 1.0 §2.7).
    if (excuses.has('ended by the provider')) return
    // What a refresh of it brought is dropped and not revoked: the sign-in after it shares the grant (C3).
    if (excuses.has('superseded')) return
    const isLost = [...family.rotations.values()].some((rotation) => rotation.isLost || rotation.holder.isGone)
    const left = [...family.live].filter((token) => !known.spared.has(token))
    if (known.isLoggedOut && left.length > 0 && !family.isRevocationLost && !isLost) {
      this.fail(`${left.join()} lives on after the sign-out (E1)`)
    }
  }
}

/** What a process may do to the browser's cookie (C1, C2). */
export function checkCookie(
  checks: Checks,
  process: Process,
  presented: { id: string; version: number } | undefined,
  sent: { id: string; version: number } | undefined,
  stored: { version: number; ending?: string | undefined } | undefined,
): void {
  if (!sent || !presented) return
  if (sent.id !== presented.id) checks.fail(`${process.name} gives a call the cookie of another session (C1)`)
  if (sent.version < presented.version) checks.fail(`${process.name} puts an older version back (C2)`)
  if (stored && sent.version < stored.version)
    checks.fail(`${process.name} sends a version that is not the newest (C2)`)
  if (stored?.ending) checks.fail(`${process.name} sends the cookie of a session that has ended (C2)`)
}
