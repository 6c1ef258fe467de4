/**
 * Bounds what is sent again to a share of what is sent, so that retries do not double the load of an upstream that
 * already fails under it.
 */
export interface RetryBudget {
  /** For every request that is sent the first time. */
  earn(): void
  /** False if there is nothing left to spend. */
  spend(): boolean
}

const share = 0.2
/** What a quiet upstream has in hand, and what a busy one may save. */
const start = 10
const most = 100

export function retryBudget(): RetryBudget {
  let tokens = start
  return {
    earn() {
      if (tokens < most) tokens += share
    },
    spend() {
      if (tokens < 1) return false
      tokens -= 1
      return true
    },
  }
}
