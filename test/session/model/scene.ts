/** What all parts of the model look at, and what is set before a run begins. */
import type { Checks } from './checks.ts'
import type { SharedStore } from './coordinator.ts'
import type { Lab } from './lab.ts'
import type { Process, Variation } from './process.ts'
import type { Provider } from './provider.ts'

export interface Setup {
  readonly seed: number
  /** Difference of each process's clock. */
  readonly skewsMs: readonly number[]
  /** What the cookie carries. Default `session`. */
  readonly cookie?: 'session' | 'ticket'
  /**
   * The person's other browser: signed in at the provider for itself, or under one session there that both share. Default
   * none.
   */
  readonly other?: 'own grant' | 'same grant' | undefined
  /** 0: strict. */
  readonly graceMs: number
  /** Only what the person sees is looked at, not how it came to that. */
  readonly variation?: Variation
}

export interface Scene {
  readonly lab: Lab
  readonly setup: Setup
  readonly checks: Checks
  readonly store: SharedStore
  readonly provider: Provider
  /** One at a place: who is started anew takes that of the one before. */
  readonly processes: Process[]
  /** Something turned out badly, or was slow. */
  hadFault: boolean
}

export const sessionCookie = '__Host-Http-coatcheck'
