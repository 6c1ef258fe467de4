/**
 * What an authorization server said about a token, kept for a while: found by a hash, asked for once however many call at
 * the same time, and refusals kept for a moment, apart, so that a flood of bad tokens drives out no good one.
 */
import { CoatcheckError } from './errors.ts'
import { ExpiringMap } from './expiring-map.ts'
import type { Clock } from './runtime.ts'
import { SharedWork } from './shared-work.ts'

export interface Cached<Value> {
  readonly value: Value
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
}

export interface TokenCache<Value> {
  /**
   * The value that is kept, or what `ask` gives. Nothing but a refusal of the token is kept of what it throws.
   *
   * @param keepAlive for those who wait too: on Workers what a caller began may end when that caller leaves
   */
  get(key: string, ask: () => Promise<Cached<Value>>, keepAlive: (work: Promise<unknown>) => void): Promise<Value>
}

const mostEntries = 10_000
const refusalMs = 5000
/** Longer than any request to an authorization server. */
const askLimitMs = 60_000
const refusals: ReadonlySet<string> = new Set(['invalid_token', 'token_refused'])

export function tokenCache<Value>(clock: Clock): TokenCache<Value> {
  const kept = new ExpiringMap<Value>(clock, mostEntries)
  const refused = new ExpiringMap<CoatcheckError>(clock, mostEntries)
  const asking = new SharedWork<Value>(clock, askLimitMs)

  async function askAndKeep(key: string, ask: () => Promise<Cached<Value>>): Promise<Value> {
    try {
      const { value, expiresAt } = await ask()
      kept.set(key, value, expiresAt)
      return value
    } catch (error) {
      if (error instanceof CoatcheckError && refusals.has(error.code)) refused.set(key, error, clock.now() + refusalMs)
      throw error
    }
  }

  return {
    async get(key, ask, keepAlive) {
      const known = kept.get(key)
      if (known !== undefined) return known
      const refusal = refused.get(key)
      if (refusal) throw refusal
      return asking.join(key, () => {
        const work = askAndKeep(key, ask)
        // What failed is told to who waits for it.
        keepAlive(work.catch(() => undefined))
        return work
      })
    },
  }
}

/** Named scopes are all that the API is to get (SEC-7). */
export function requireNoMore(asked: readonly string[], granted: string): void {
  if (asked.length === 0) return
  const more = granted.split(' ').filter((scope) => scope !== '' && !asked.includes(scope))
  if (more.length > 0) throw new CoatcheckError('token_refused', { reason: 'more_scopes' })
}
