/**
 * The coordinator of one machine: any number of processes, over restarts and crashes, in a file (Node's own
 * `node:sqlite`). The file holds ciphertext and random ids only (S1).
 *
 * A read is a point lookup of some microseconds. A write waits for the disk, on the event loop: there are four for a
 * refresh (lease, attempt, version, and the lease given back), two for a sign-in at least, and one for a sign-out.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { type Coordinator, type EndedEntry, type Ending, strongerEnding } from '../coordinator.ts'
import { CoatcheckError, isErrorCode } from '../errors.ts'
import type { Clock } from '../runtime.ts'
import { settleWork } from '../settled-work.ts'
import { sqliteCounter } from './sqlite-counter.ts'
import { first, openDatabase } from './sqlite-file.ts'

export interface SqliteCoordinatorOptions {
  /** Where to keep it. Every process of this front end names the same file, on a local disk. */
  file: string
  clock?: Clock
}

/** What `is_ended` says. */
const endings: readonly (Ending | undefined)[] = [undefined, 'ended', 'superseded', 'ended_alone']

const pollMs = 25
const sweepEveryMs = 60_000
/** Of each table in one transaction: a write that removes so many takes a few milliseconds. */
const sweepRows = 200

interface SessionRow {
  version: number
  payload: string | null
  attempt_version: number | null
  attempt_at: number | null
  is_ended: number
  seen_at: number | null
  revocation: string | null
}

/** @throws Error when the file cannot be opened, or is of another release */
export function sqliteCoordinator({ file, clock = { now: () => Date.now() } }: SqliteCoordinatorOptions): Coordinator {
  const database = openDatabase(file)
  const statement = (sql: string) => database.prepare(sql)
  const readSession = statement(
    `SELECT version, CASE WHEN version > ? THEN payload END AS payload, attempt_version, attempt_at, is_ended, seen_at,
      revocation FROM session WHERE id = ? AND keep_until > ?`,
  )
  const writeSession = statement(
    `INSERT INTO session (id, version, payload, keep_until, seen_at, about, revocation) VALUES (?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT (id) DO UPDATE SET version = excluded.version, payload = excluded.payload,
      keep_until = excluded.keep_until, seen_at = coalesce(seen_at, excluded.seen_at),
      about = coalesce(about, excluded.about), revocation = excluded.revocation,
      attempt_version = NULL, attempt_at = NULL, is_ended = 0`,
  )
  const moveSeen = statement(
    `UPDATE session SET seen_at = ?1, keep_until = ?2 WHERE id = ?3 AND is_ended = 0 AND keep_until > ?4
      AND coalesce(seen_at, 0) < ?1`,
  )
  const readAbout = statement('SELECT about, seen_at FROM session WHERE id = ? AND is_ended = 0 AND keep_until > ?')
  const writeAttempt = statement(
    `INSERT INTO session (id, version, attempt_version, attempt_at, keep_until) VALUES (?1, ?2, ?2, ?3, ?4)
      ON CONFLICT (id) DO UPDATE SET attempt_version = excluded.attempt_version, attempt_at = excluded.attempt_at,
      version = excluded.version, payload = CASE version WHEN excluded.version THEN payload END,
      keep_until = max(keep_until, excluded.keep_until)`,
  )
  const clearAttempt = statement('UPDATE session SET attempt_version = NULL, attempt_at = NULL WHERE id = ?')
  const writeTombstone = statement(
    `INSERT INTO session (id, version, is_ended, keep_until) VALUES (?, 0, ?, ?) ON CONFLICT (id) DO UPDATE SET
      version = 0, payload = NULL, attempt_version = NULL, attempt_at = NULL,
      is_ended = excluded.is_ended,
      seen_at = NULL, about = NULL, revocation = NULL,
      keep_until = max(keep_until, excluded.keep_until)`,
  )
  const takeLease = statement(
    `INSERT INTO lease (id, holder, expires_at) VALUES (?1, ?2, ?3) ON CONFLICT (id) DO UPDATE SET
      holder = excluded.holder, expires_at = excluded.expires_at WHERE lease.expires_at <= ?4`,
  )
  const renewLease = statement('UPDATE lease SET expires_at = ? WHERE id = ? AND holder = ? AND expires_at > ?')
  const dropLease = statement('DELETE FROM lease WHERE id = ? AND holder = ?')
  const claimResult = statement(
    `INSERT INTO result (key, expires_at) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET
      value = NULL, error = NULL, expires_at = excluded.expires_at WHERE result.expires_at <= ?3`,
  )
  const settleResult = statement('UPDATE result SET value = ?, error = ? WHERE key = ?')
  const readResult = statement('SELECT value, error FROM result WHERE key = ? AND expires_at > ?')
  const addToIndex = statement(
    `INSERT INTO session_index (key, id, keep_until) VALUES (?, ?, ?) ON CONFLICT (key, id) DO UPDATE SET
      keep_until = excluded.keep_until`,
  )
  const listIndex = statement(
    'SELECT id FROM session_index WHERE key = ? AND keep_until > ? ORDER BY keep_until DESC LIMIT ?',
  )
  const removeFromIndex = statement('DELETE FROM session_index WHERE key = ? AND id = ?')
  const sweepIndex = statement(
    `DELETE FROM session_index WHERE (key, id) IN
      (SELECT key, id FROM session_index WHERE keep_until <= ? LIMIT ${sweepRows})`,
  )
  const sweeps = ['session WHERE keep_until', 'lease WHERE expires_at', 'result WHERE expires_at'].map((where) => {
    const [table] = where.split(' ')
    const key = table === 'result' ? 'key' : 'id'
    return statement(`DELETE FROM ${table} WHERE ${key} IN (SELECT ${key} FROM ${where} <= ? LIMIT ${sweepRows})`)
  })
  const counting = openDatabase(file)
  const count = sqliteCounter(counting, clock)
  let sweptAt = clock.now()

  const read = (sessionId: string, holds = -1) => {
    const row = first<SessionRow>(readSession, holds, sessionId, clock.now())
    return row && toEntry(row, clock.now())
  }

  /** Part of every transaction that may add a row. While there is more to remove it goes on with the next one. */
  function sweep(): void {
    const now = clock.now()
    if (now - sweptAt < sweepEveryMs) return
    const removed = [...sweeps, sweepIndex].map((one) => Number(one.run(now).changes))
    if (Math.max(...removed) < sweepRows) sweptAt = now
  }

  /** Nobody else writes between what `work` reads and what it writes. */
  function atomically<Value>(work: () => Value): Value {
    return guarded(() => {
      database.exec('BEGIN IMMEDIATE')
      try {
        const value = work()
        database.exec('COMMIT')
        return value
      } catch (error) {
        if (database.isTransaction) database.exec('ROLLBACK')
        throw error
      }
    })
  }

  async function settled(key: string, ttlMs: number): Promise<string> {
    const end = clock.now() + ttlMs
    while (clock.now() < end) {
      const row = guarded(() => first<{ value: string | null; error: string | null }>(readResult, key, clock.now()))
      if (row === undefined) break
      if (row.value !== null) return row.value
      if (row.error !== null) throw toError(row.error)
      await delay(pollMs)
    }
    // Whoever did it is gone, and it must not be done twice.
    throw unavailable(new Error('what another process began was never finished'))
  }

  return {
    name: 'sqlite',
    isInProcess: false,

    async read(sessionId, holds) {
      return guarded(() => read(sessionId, holds))
    },

    async commit(sessionId, parentVersion, { version, payload, keepUntil, seenAt, about, revocation }) {
      return atomically(() => {
        const known = read(sessionId)
        if (known?.ending) return known.ending
        if (known && known.version !== parentVersion) return 'stale'
        const details = [seenAt ?? null, about ?? null, revocation ?? null]
        writeSession.run(sessionId, version, payload, keepUntil, ...details)
        sweep()
        return 'committed'
      })
    },

    async touch(sessionId, seenAt, keepUntil) {
      guarded(() => moveSeen.run(seenAt, keepUntil, sessionId, clock.now()))
    },

    async readNotes(sessionId) {
      const row = guarded(() =>
        first<{ about: string | null; seen_at: number | null }>(readAbout, sessionId, clock.now()),
      )
      return row?.about ? { about: row.about, seenAt: row.seen_at ?? undefined } : undefined
    },

    /** A disk has room: entries stay whole until every older seal has idled out (R9). */
    confirm() {},

    async acquireLease(sessionId, ttlMs) {
      const holder = randomUUID()
      const tryToTake = () =>
        guarded(() => takeLease.run(sessionId, holder, clock.now() + ttlMs, clock.now()).changes === 1)
      // Before each try: a database that is locked keeps one waiting for a while.
      let takenAt = clock.now()
      while (!tryToTake()) {
        await delay(pollMs)
        takenAt = clock.now()
      }
      return {
        takenAt,
        renew: async (moreMs) =>
          guarded(() => renewLease.run(clock.now() + moreMs, sessionId, holder, clock.now()).changes === 1),
        release: async (othersWaitMs = 0) =>
          guarded(() => {
            if (othersWaitMs > 0) renewLease.run(clock.now() + othersWaitMs, sessionId, holder, clock.now())
            else dropLease.run(sessionId, holder)
          }),
      }
    },

    async recordAttempt(sessionId, version, keepUntil) {
      return atomically(() => {
        const known = read(sessionId)
        if (known?.ending) return 'ended'
        if (known && known.version !== version) return 'stale'
        writeAttempt.run(sessionId, version, clock.now(), keepUntil)
        sweep()
        return 'recorded'
      })
    },

    async clearAttempt(sessionId) {
      guarded(() => clearAttempt.run(sessionId))
    },

    async end(sessionId, keepUntil, ending = 'ended') {
      return atomically(() => {
        const known = read(sessionId)
        writeTombstone.run(sessionId, endings.indexOf(strongerEnding(ending, known?.ending)), keepUntil)
        sweep()
        return known
      })
    },

    async once(key, ttlMs, work) {
      const isFirst = atomically(() => {
        sweep()
        return claimResult.run(key, clock.now() + ttlMs, clock.now()).changes === 1
      })
      if (!isFirst) return settled(key, ttlMs)
      return settleWork(work, async (settled) => {
        const [value, error] = 'value' in settled ? [settled.value, null] : [null, settled.error]
        guarded(() => settleResult.run(value, error, key))
      })
    },

    async recall(key) {
      return guarded(() => first<{ value: string | null }>(readResult, key, clock.now())?.value ?? undefined)
    },

    count: async (key, windowMs) => guarded(() => count(key, windowMs)),
    index: {
      async add(key, sessionId, keepUntil) {
        guarded(() => addToIndex.run(key, sessionId, keepUntil))
      },
      async list(key, limit) {
        return guarded(() => listIndex.all(key, clock.now(), limit)).map(({ id }) => String(id))
      },
      async remove(key, sessionIds) {
        if (sessionIds.length === 0) return
        atomically(() => {
          for (const id of sessionIds) removeFromIndex.run(key, id)
        })
      },
    },

    async close() {
      if (counting.isOpen) counting.close()
      if (database.isOpen) database.close()
    },
  }
}

function toEntry(row: SessionRow, nowMs: number): EndedEntry {
  const { attempt_version: version, attempt_at: at } = row
  return {
    version: row.version,
    payload: row.payload ?? undefined,
    attempt: version === null || at === null ? undefined : { version, ageMs: nowMs - at },
    ending: endings[row.is_ended],
    seenAt: row.seen_at ?? undefined,
    revocation: row.revocation ?? undefined,
  }
}

function guarded<Value>(work: () => Value): Value {
  try {
    return work()
  } catch (cause) {
    if (cause instanceof CoatcheckError) throw cause
    throw unavailable(cause)
  }
}

function unavailable(cause: unknown): CoatcheckError {
  return new CoatcheckError('store_unavailable', { headers: { 'Retry-After': '2' }, cause })
}

/** What failed in another process, as far as the browser may know it. */
function toError(code: string): Error {
  return isErrorCode(code) ? new CoatcheckError(code) : new Error('it failed in another process')
}
