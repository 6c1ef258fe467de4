/** What `npm run chaos` tells of one store under one fault. */
export interface Row {
  /** What the cookie carries, and where the rest is: `cookie+redis`, `ticket+redis`. Or the name of a peer. */
  readonly store: string
  readonly fault: string
  readonly processes: number
  readonly users: number
  readonly calls: number
  readonly refreshesSent: number
  /** Of a client with our margin that never fails: see `refresh-count.ts`. */
  readonly refreshesNeeded: number
  readonly sessionsLost: number
  /** Lost, and nobody could have saved them: the only answer that held the next token was lost (R8). */
  readonly unsavable: number
  readonly serverErrors: number
  readonly longestPauseMs: number
}

/** What is said of a row beside it. */
export interface Finding {
  readonly row: Row
  /** Of the 5xx: answers to calls whose access token was alive and in the hands of the process that was asked. */
  readonly errorsWithLiveToken: number
  /** Calls that got no answer in half a minute, and were given up. */
  readonly unanswered: number
  /**
   * Calls that reached the API with a token that had ended for longer than any call of the row was on its way: a refresh was
   * needed, and not sent.
   */
  readonly sentTooLate: number
  /** Answers "signed out" to people whose sessions stood in the end. */
  readonly signedOutMeanwhile: number
  /** How long the provider took a rotated refresh token once more. 0: strict. */
  readonly gracePeriodSeconds: number
  /** The fault takes away what the store held. */
  readonly losesData: boolean
}
