/**
 * The clock that the times of tokens are told by: the coordinator's, where it has one of its own (protocol.md R6).
 * Processes whose clocks differ by a minute would otherwise refresh tokens of a minute in turns.
 */
import type { Coordinator } from '../coordinator.ts'
import type { Clock } from '../runtime.ts'
import type { TokenSet } from '../tokens.ts'
import { storeUnavailable } from './refusals.ts'

export interface TokenClock extends Clock {
  /** Before tokens are obtained. Asks the coordinator once a minute. @throws CoatcheckError `store_unavailable` */
  sync(): Promise<void>
  /** False until the coordinator has been asked: what this process's own clock says of a token may be wrong until then. */
  readonly isKnown: boolean
  /** Tokens whose times are by this process's clock. */
  fromOwn(tokens: TokenSet): TokenSet
  /** When that is by this process's clock. Epoch seconds. */
  toOwn(at: number): number
}

/** Less than this may be the network, and matters to no token. */
const leastMs = 2000
const askEveryMs = 60_000
/** Half of it may be what the difference is wrong by. */
const longestAnswerMs = 2 * leastMs
const mostRounds = 3

export function tokenClock(clock: Clock, coordinator: Pick<Coordinator, 'now'>): TokenClock {
  let aheadSeconds = 0
  let askedAt = Number.NEGATIVE_INFINITY

  return {
    get isKnown() {
      return coordinator.now === undefined || askedAt > Number.NEGATIVE_INFINITY
    },

    now: () => clock.now() - aheadSeconds * 1000,

    async sync() {
      // A clock that was set back is asked about at once.
      if (coordinator.now === undefined || Math.abs(clock.now() - askedAt) < askEveryMs) return
      for (let round = 0; round < mostRounds; round++) {
        const before = clock.now()
        const theirs = await coordinator.now()
        const after = clock.now()
        // A process that stood still meanwhile, or whose clock was set, would take half of that for a difference.
        if (Math.abs(after - before) > longestAnswerMs) continue
        askedAt = after
        // It looked at its clock somewhere between the two.
        const aheadMs = (before + after) / 2 - theirs
        aheadSeconds = Math.abs(aheadMs) < leastMs ? 0 : Math.round(aheadMs / 1000)
        return
      }
      throw storeUnavailable(new Error('the time came too late'))
    },

    toOwn: (at) => at + aheadSeconds,

    fromOwn(tokens) {
      if (aheadSeconds === 0) return tokens
      const { issuedAt, expiresAt, refreshTokenExpiresAt } = tokens
      return {
        ...tokens,
        issuedAt: issuedAt - aheadSeconds,
        ...(expiresAt !== undefined && { expiresAt: expiresAt - aheadSeconds }),
        ...(refreshTokenExpiresAt !== undefined && { refreshTokenExpiresAt: refreshTokenExpiresAt - aheadSeconds }),
      }
    },
  }
}
