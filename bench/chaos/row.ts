/** What `npm run chaos` tells of one store under one fault. */
export interface Row {
  readonly store: string
  readonly fault: string
  readonly processes: number
  readonly users: number
  readonly calls: number
  readonly refreshesSent: number
  /** Of a client that refreshes each session when its token ends, and never fails. */
  readonly refreshesNeeded: number
  readonly sessionsLost: number
  /** Lost, and nobody could have saved them: the only answer that held the next token was lost (R8). */
  readonly unsavable: number
  readonly serverErrors: number
  readonly longestPauseMs: number
}
