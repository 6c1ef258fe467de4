/** What a page shows of its session: one immutable value, and the listeners that hear of a new one. */
import type { Session } from './session.ts'

export interface SessionState<Claims> {
  /**
   * `loading`: not looked yet. `unavailable`: the first look failed, and it is tried again. After that the
   * last known of `authenticated` and `anonymous` stands, also while `isOffline`.
   */
  readonly status: 'loading' | 'authenticated' | 'anonymous' | 'unavailable'
  readonly session: Session<Claims> | undefined
  /** The last look at the session failed: no network, or the server is out. */
  readonly isOffline: boolean
  /** The session ends within `warnSeconds` unless it is extended. */
  readonly expiresSoon: boolean
  /** Extending helps; false when it is the session's absolute end that is near. */
  readonly canExtend: boolean
  /** The `login_error` that a failed sign-in came back with. Only while nobody is signed in. */
  readonly loginError: string | undefined
}

export interface State<Claims> {
  get(): SessionState<Claims>
  set(changes: Partial<SessionState<Claims>>): void
  subscribe(listener: () => void): () => void
}

export function initialState<Claims>(): SessionState<Claims> {
  return {
    status: 'loading',
    session: undefined,
    isOffline: false,
    expiresSoon: false,
    canExtend: false,
    loginError: undefined,
  }
}

export function createState<Claims>(): State<Claims> {
  const listeners = new Set<() => void>()
  let current = initialState<Claims>()
  return {
    get: () => current,
    set(changes) {
      const next = { ...current, ...changes }
      const keys = Object.keys(next) as (keyof SessionState<Claims>)[]
      if (keys.every((key) => Object.is(next[key], current[key]))) return
      current = next
      for (const listener of [...listeners]) listener()
    },
    subscribe(listener) {
      // A function of its own for each call: the same listener may be given twice.
      const own = () => listener()
      listeners.add(own)
      return () => void listeners.delete(own)
    },
  }
}
