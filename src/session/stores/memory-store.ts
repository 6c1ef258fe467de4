/** Sessions in this process's memory, behind tickets: for tests and demos. A restart signs everybody out. */
import type { SessionStore } from '../../coordinator.ts'
import { type MemoryCoordinatorOptions, memoryCoordinator } from './memory-coordinator.ts'

export function memoryStore(options: MemoryCoordinatorOptions = {}): SessionStore {
  return { name: 'memory', cookie: 'ticket', coordinator: memoryCoordinator(options) }
}
