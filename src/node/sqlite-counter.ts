/**
 * Counting in the coordinator's file. By a connection of its own, on which a write does not wait for the disk: counts that
 * a power cut loses are no loss.
 */
import type { DatabaseSync } from 'node:sqlite'
import type { Count } from '../coordinator.ts'
import type { Clock } from '../runtime.ts'

const schema = `
  CREATE TABLE IF NOT EXISTS counter (
    key TEXT PRIMARY KEY,
    count INTEGER NOT NULL,
    ends_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS counter_ends_at ON counter (ends_at);
`
const sweepEvery = 1000
const sweepRows = 1000

/** @param database opened for this alone */
export function sqliteCounter(database: DatabaseSync, clock: Clock): (key: string, windowMs: number) => Count {
  database.exec('PRAGMA synchronous = OFF')
  database.exec(`BEGIN IMMEDIATE; ${schema} COMMIT`)
  const add = database.prepare(
    `INSERT INTO counter (key, count, ends_at) VALUES (?1, 1, ?2) ON CONFLICT (key) DO UPDATE SET
      count = iif(ends_at <= ?3, 1, count + 1), ends_at = iif(ends_at <= ?3, excluded.ends_at, ends_at)
      RETURNING count, ends_at`,
  )
  const sweep = database.prepare(
    `DELETE FROM counter WHERE key IN (SELECT key FROM counter WHERE ends_at <= ? LIMIT ${sweepRows})`,
  )
  let sinceSweep = 0
  return (key, windowMs) => {
    const now = clock.now()
    const row = add.get(key, now + windowMs, now) as unknown as { count: number; ends_at: number }
    sinceSweep += 1
    if (sinceSweep >= sweepEvery) {
      sinceSweep = 0
      sweep.run(now)
    }
    return { count: row.count, remainingMs: row.ends_at - now }
  }
}
