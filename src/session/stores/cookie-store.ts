/** Sessions in the browser's own cookie; what processes share about them is the coordinator's. */
import type { Coordinator, SessionStore } from '../../coordinator.ts'
import { memoryCoordinator } from './memory-coordinator.ts'

export interface CookieStoreOptions {
  /** Default: `memoryCoordinator()`. */
  coordinator?: Coordinator
}

export function cookieStore(options: CookieStoreOptions = {}): SessionStore {
  return { name: 'cookie', cookie: 'session', coordinator: options.coordinator ?? memoryCoordinator() }
}
