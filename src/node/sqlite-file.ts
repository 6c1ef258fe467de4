/** The file of the coordinator of one machine: its tables, and how it is opened. */
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'

/** A different number is a file of another release. */
const schemaVersion = 2
const schema = `
  CREATE TABLE IF NOT EXISTS session (
    id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    payload TEXT,
    attempt_version INTEGER,
    attempt_at INTEGER,
    is_ended INTEGER NOT NULL DEFAULT 0,
    seen_at INTEGER,
    about TEXT,
    revocation TEXT,
    keep_until INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS session_keep_until ON session (keep_until);
  CREATE TABLE IF NOT EXISTS lease (
    id TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    expires_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS result (
    key TEXT PRIMARY KEY,
    value TEXT,
    error TEXT,
    expires_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS session_index (
    key TEXT NOT NULL,
    id TEXT NOT NULL,
    keep_until INTEGER NOT NULL,
    PRIMARY KEY (key, id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS session_index_keep_until ON session_index (keep_until);
  PRAGMA user_version = ${schemaVersion};
`
/** Writers of other processes are done within a few of these. */
const busyTimeoutMs = 1000

/** @throws Error when the file cannot be opened, or is of another release */
export function openDatabase(file: string): DatabaseSync {
  try {
    // Here, because Node warns whoever loads it that it is new.
    const sqlite = process.getBuiltinModule('node:sqlite')
    const database = new sqlite.DatabaseSync(file, { timeout: busyTimeoutMs })
    // FULL: what is answered as written survives a power cut too (R3).
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
    const version = first<{ user_version: number }>(database.prepare('PRAGMA user_version'))?.user_version
    if (version !== 0 && version !== schemaVersion) {
      database.close()
      throw new Error('it was written by another release')
    }
    database.exec(`BEGIN IMMEDIATE; ${schema} COMMIT`)
    return database
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Error(
      `sqliteCoordinator: cannot use ${file}: ${reason}. Name a file in a folder that can be written: session.store: cookieStore({ coordinator: sqliteCoordinator({ file }) })`,
      { cause },
    )
  }
}

/** The first row that a statement gives. */
export function first<Row>(statement: StatementSync, ...parameters: SQLInputValue[]): Row | undefined {
  return statement.get(...parameters) as Row | undefined
}
