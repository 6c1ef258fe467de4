/** Versions of the protocol that are wrong, each as a small change of a right one: the model has to tell them apart. */
import type { Coordinator, EndedEntry } from '../../../src/coordinator.ts'
import type { Grant } from '../../../src/session/refresh-run.ts'
import { comeBack } from '../../../src/session/refusals.ts'
import type { RefreshOutcome } from '../../../src/tokens.ts'
import { answerErrors, type Variation } from './process.ts'

const change = (overrides: (real: Coordinator) => Partial<Coordinator>) => (real: Coordinator) => ({
  ...real,
  ...overrides(real),
})

const noLease = { takenAt: Number.POSITIVE_INFINITY, renew: async () => true, release: async () => undefined }

export interface NaiveVersion {
  readonly name: string
  /** What the person notices of it. */
  readonly symptom: RegExp
  readonly variation: () => Variation
  /** It takes the person's other browser. */
  readonly other?: true
}

const isLost = /session \S+ is lost/
const livesOn = /lives on after the sign-out/

/** How each is wrong. */
export const naive = {
  noLease: (): Variation => ({
    coordinator: change(() => ({ acquireLease: async () => noLease })),
  }),

  noLedger: (): Variation => ({
    coordinator: change((real) => ({
      read: async (id) => {
        const entry = await real.read(id)
        return entry?.ending ? entry : undefined
      },
      recordAttempt: async () => 'recorded',
      commit: async () => 'committed',
    })),
  }),

  fence: (): Variation => {
    const fences = new Map<string, number>()
    return {
      coordinator: (real) => {
        let own = new Map<string, number>()
        return {
          ...real,
          async acquireLease(id, ttlMs) {
            const lease = await real.acquireLease(id, ttlMs)
            const fence = (fences.get(id) ?? 0) + 1
            fences.set(id, fence)
            own = new Map(own).set(id, fence)
            return lease
          },
          // Refused by the store, whatever the parent is.
          commit: (id, parent, entry) => real.commit(id, own.get(id) === fences.get(id) ? parent : -1, entry),
        }
      },
    }
  },

  attemptOfAnyVersion: (): Variation => ({
    coordinator: change((real) => ({
      async recordAttempt(id, version, keepUntil) {
        const result = await real.recordAttempt(id, version, keepUntil)
        return result === 'stale' ? 'recorded' : result
      },
      acquireLease: async (id, ttlMs) => ({
        ...(await real.acquireLease(id, ttlMs)),
        takenAt: Number.POSITIVE_INFINITY,
      }),
      read: withoutAttempt(real),
    })),
  }),

  clearsOn401: (): Variation => ({ clearsOn401: true }),

  abortsRefresh: (): Variation => {
    const aborts = new Set<() => void>()
    return {
      onAbort: () => {
        for (const abort of aborts) abort()
      },
      grant: (real) => ({
        ...real,
        refresh: (held, target) =>
          new Promise<RefreshOutcome>((resolve, reject) => {
            aborts.add(() => reject(comeBack(1000, undefined)))
            real.refresh(held, target).then(resolve, reject)
          }),
      }),
    }
  },

  revokesFirst: (): Variation => ({
    logout: (process, cookies) =>
      answerErrors(async () => {
        const { sessions, grant, coordinator } = process
        const open = await sessions.open(cookies, true)
        if (open) {
          await grant.revoke(open.session.tokens).catch(() => undefined)
          await coordinator.end(open.session.id, open.session.endsAt * 1000)
        }
        await sessions.endLast(cookies, open?.session.id)
        const ended = open && { sessionId: open.session.id }
        return { status: 200, cookies: sessions.clearedCookies(cookies), ...ended }
      }),
  }),

  endsWhatTheCookieHolds: (): Variation => ({
    logout: (process, cookies) =>
      answerErrors(async () => {
        const { sessions } = process
        const open = await sessions.open(cookies, true)
        if (open) await sessions.end(open)
        const ended = open && { sessionId: open.session.id }
        return { status: 200, cookies: sessions.clearedCookies(cookies), ...ended }
      }),
  }),

  asksOnce: (): Variation => ({ grant: once }),

  givesUpWriting: (): Variation => ({
    coordinator: change((real) => ({
      commit: (...parameters) => real.commit(...parameters).catch(() => 'committed'),
    })),
  }),

  supersededIsSignedOut: (): Variation => ({
    coordinator: change((real) => ({
      commit: async (...parameters) => {
        const result = await real.commit(...parameters)
        return result === 'superseded' ? 'ended' : result
      },
    })),
  }),

  ownClock: (): Variation => ({
    coordinator: ({ now: _ofStore, ...real }) => real,
  }),

  knowsNoCopy: (): Variation => ({
    coordinator: change((real) => ({
      async end(...parameters) {
        const entry = await real.end(...parameters)
        return entry && { ...entry, revocation: undefined }
      },
    })),
  }),

  endsInThisProcess: (): Variation => ({
    coordinator: change((real) => ({ end: async (id) => (await real.read(id)) as EndedEntry | undefined })),
  }),

  leaseTakenForGranted: (): Variation => ({
    coordinator: change((real) => ({
      acquireLease: async (id, ttlMs) => ({ ...(await real.acquireLease(id, ttlMs)), renew: async () => true }),
    })),
  }),
} as const

/** Those that chance finds soon; what it finds seldom is among `examples.ts`. */
export const naiveVersions: readonly NaiveVersion[] = [
  { name: 'no lease: every process refreshes for itself', symptom: isLost, variation: naive.noLease },
  { name: 'no ledger: what is known is in the cookie', symptom: /is lost|that has ended/, variation: naive.noLedger },
  { name: 'a 401 clears the cookie', symptom: /cookie of a living session is gone/, variation: naive.clearsOn401 },
  {
    name: 'a refresh is aborted with the call that began it',
    symptom: /is lost|lives on/,
    variation: naive.abortsRefresh,
  },
  {
    name: 'logout revokes what the cookie holds, and then writes the tombstone',
    symptom: livesOn,
    variation: naive.revokesFirst,
  },
  {
    name: 'a version whose write failed is given up',
    symptom: /is lost|that has ended|lives on/,
    variation: naive.givesUpWriting,
  },
  {
    name: 'each process tells the time of tokens by its own clock',
    symptom: /access token whose time is over/,
    variation: naive.ownClock,
  },
  {
    name: 'what a person ends has no tombstone',
    symptom: /that has ended|leaves|lives on/,
    variation: naive.endsInThisProcess,
    other: true,
  },
  { name: 'a superseded session is a signed-out one', symptom: isLost, variation: naive.supersededIsSignedOut },
]

function withoutAttempt(real: Coordinator): Coordinator['read'] {
  return async (id) => {
    const entry = await real.read(id)
    return entry && { ...entry, attempt: undefined }
  }
}

/** The second of two requests at once is answered as the first was. */
function once(real: Grant): Grant {
  let lost: RefreshOutcome | undefined
  return {
    ...real,
    async refresh(held, target) {
      if (lost) {
        const same = lost
        lost = undefined
        return same
      }
      const outcome = await real.refresh(held, target)
      if (outcome.kind === 'lost') lost = outcome
      return outcome
    },
  }
}
