/** Sessions in a SQLite file, behind tickets: one machine, any number of processes. */
import type { SessionStore } from '../coordinator.ts'
import { type SqliteCoordinatorOptions, sqliteCoordinator } from './sqlite-coordinator.ts'

/** @throws Error when the file cannot be opened, or is of another release */
export function sqliteStore(options: SqliteCoordinatorOptions): SessionStore {
  return { name: 'sqlite', cookie: 'ticket', coordinator: sqliteCoordinator(options) }
}
