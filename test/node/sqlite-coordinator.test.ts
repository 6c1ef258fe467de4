import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CoatcheckError } from '../../src/errors.ts'
import { sqliteCoordinator } from '../../src/node/sqlite-coordinator.ts'
import { describeCoordinator } from '../session/coordinator-suite.ts'

let folder: string
let count = 0
const nextFile = () => path.join(folder, `ledger-${++count}.sqlite`)

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'coatcheck-sqlite-'))
})
afterAll(() => rm(folder, { recursive: true }))

describeCoordinator('SQLite', async () => {
  let offset = 0
  const clock = { now: () => Date.now() + offset }
  const file = nextFile()
  const coordinator = sqliteCoordinator({ file, clock })
  const other = sqliteCoordinator({ file, clock })
  return {
    coordinator,
    other,
    clock,
    async advance(ms) {
      offset += ms
    },
    async stop() {
      await coordinator.close()
      await other.close()
    },
  }
})

/** A process of its own that does `body` with `coordinator`, then waits to be killed. */
async function processThat(file: string, body: string): Promise<ChildProcess> {
  const module = pathToFileURL(path.resolve('src/node/sqlite-coordinator.ts')).href
  const code = `import { sqliteCoordinator } from '${module}'
const coordinator = sqliteCoordinator({ file: ${JSON.stringify(file)} })
${body}
process.stdout.write('done')
setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
  for await (const chunk of child.stdout ?? []) if (String(chunk).includes('done')) break
  return child
}

async function kill(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}

describe('what has expired', () => {
  const start = Date.now()
  const minute = 60_000
  const expired = 5000

  /** A file in which so many rows of each table expire within a minute, and one a table that does not. */
  async function fullFile() {
    const file = nextFile()
    let now = start
    const coordinator = sqliteCoordinator({ file, clock: { now: () => now } })
    const book = new DatabaseSync(file)
    const rows = (last: number, sql: string) =>
      book.exec(`WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ${last}) ${sql} FROM n`)
    const until = `iif(i = 0, ${start + 60 * minute}, ${start + minute / 2})`
    rows(
      expired,
      `INSERT INTO session (id, version, payload, keep_until) SELECT 'old' || i, 1, hex(zeroblob(2000)), ${until}`,
    )
    rows(expired, `INSERT INTO lease (id, holder, expires_at) SELECT 'old' || i, 'gone', ${until}`)
    rows(expired, `INSERT INTO result (key, value, expires_at) SELECT 'old' || i, 'done', ${until}`)
    rows(expired, `INSERT INTO session_index (key, id, keep_until) SELECT 'key', 'old' || i, ${until}`)
    const left = (table: string) =>
      Number(
        book.prepare(`SELECT count(*) AS n FROM ${table} WHERE ${table === 'result' ? 'key' : 'id'} LIKE 'old%'`).get()
          ?.n,
      )
    return {
      coordinator,
      left: () => ['session', 'lease', 'result', 'session_index'].map(left),
      advance(ms: number) {
        now += ms
      },
      entry: (version: number) => ({ version, payload: 'p', keepUntil: now + 60 * minute }),
      async close() {
        book.close()
        await coordinator.close()
      },
    }
  }

  it('leaves the file with the writes of a minute later, however much it is', async () => {
    const { coordinator, left, advance, entry, close } = await fullFile()
    await coordinator.commit('s', 0, entry(1))
    expect(left()).toEqual(Array(4).fill(expired + 1))
    advance(minute)
    await coordinator.commit('s', 1, entry(2))
    // Not all in one write: others wait for it.
    expect(Math.min(...left())).toBeGreaterThan(expired / 2)
    for (let version = 2; version < 40; version++) await coordinator.commit('s', version, entry(version + 1))
    expect(left()).toEqual([1, 1, 1, 1])
    await close()
  })

  it('leaves it with writes of every kind that may add a row', async () => {
    const { coordinator, left, advance, close } = await fullFile()
    const later = start + 60 * minute
    advance(minute)
    let before = left()
    const writes = [
      () => coordinator.end('s', later),
      () => coordinator.recordAttempt('t', 1, later),
      () => coordinator.once('k', minute, async () => 'done'),
    ]
    for (const write of writes) {
      await write()
      const after = left()
      for (const [table, count] of after.entries()) expect(count).toBeLessThan(before[table] ?? 0)
      before = after
    }
    await close()
  })
})

describe('a process that is killed', () => {
  const until = Date.now() + 60_000

  it('has lost nothing of what it said was written', async () => {
    const file = nextFile()
    await kill(
      await processThat(
        file,
        `await coordinator.commit('s', 1, { version: 2, payload: 'p', keepUntil: ${until} })
await coordinator.recordAttempt('s', 2, ${until})
await coordinator.end('t', ${until})`,
      ),
    )
    const next = sqliteCoordinator({ file })
    expect(await next.read('s')).toMatchObject({ version: 2, payload: 'p', attempt: { version: 2 } })
    expect((await next.read('t'))?.ending).toBe('ended')
    await next.close()
  })

  it('keeps nobody waiting for its lease longer than the lease', async () => {
    const file = nextFile()
    const child = await processThat(file, "await coordinator.acquireLease('s', 500)")
    const next = sqliteCoordinator({ file })
    await kill(child)
    const lease = await next.acquireLease('s', 500)
    expect(await lease.renew(500)).toBe(true)
    await next.close()
  })

  it('lets nobody do again what it began and may have done', async () => {
    const file = nextFile()
    await kill(
      await processThat(
        file,
        "await new Promise((began) => void coordinator.once('k', 1000, () => new Promise(() => began())))",
      ),
    )
    const next = sqliteCoordinator({ file })
    await expect(next.once('k', 1000, async () => 'again')).rejects.toMatchObject({ code: 'store_unavailable' })
    await next.close()
  })
})

describe('a file that cannot be used', () => {
  it('is named with the reason', async () => {
    expect(() => sqliteCoordinator({ file: path.join(folder, 'no/such/folder.sqlite') })).toThrow(
      /sqliteCoordinator: cannot use .*no\/such\/folder\.sqlite: unable to open/,
    )
    const text = path.join(folder, 'text.sqlite')
    await writeFile(text, 'this is no database, and long enough to be looked at as one '.repeat(20))
    expect(() => sqliteCoordinator({ file: text })).toThrow(/cannot use .*not a database/)
  })

  it('of another release is left as it is', () => {
    const file = nextFile()
    const database = new DatabaseSync(file)
    database.exec('PRAGMA user_version = 9')
    database.close()
    expect(() => sqliteCoordinator({ file })).toThrow('written by another release')
  })

  it('that others have locked is a store that cannot be asked, and works when they are done', async () => {
    const file = nextFile()
    const coordinator = sqliteCoordinator({ file })
    const holder = new DatabaseSync(file)
    holder.exec('BEGIN IMMEDIATE')
    const entry = { version: 2, payload: 'p', keepUntil: Date.now() + 60_000 }
    await expect(coordinator.commit('s', 1, entry)).rejects.toMatchObject({ code: 'store_unavailable' })
    expect(await coordinator.read('s')).toBeUndefined()
    holder.exec('ROLLBACK')
    holder.close()
    expect(await coordinator.commit('s', 1, entry)).toBe('committed')
    await coordinator.close()
    await expect(coordinator.read('s')).rejects.toMatchObject({ code: 'store_unavailable' })
  })

  it('does not take away what was done once, or why it failed, while it could not be written (R12)', async () => {
    const file = nextFile()
    const coordinator = sqliteCoordinator({ file })
    const holder = new DatabaseSync(file)
    const lock = () => holder.exec('BEGIN IMMEDIATE')
    const done = coordinator.once('done', 60_000, async () => {
      lock()
      return 'value'
    })
    expect(await done).toBe('value')
    holder.exec('ROLLBACK')
    const failed = coordinator.once('failed', 60_000, async () => {
      lock()
      throw new CoatcheckError('provider_unavailable')
    })
    await expect(failed).rejects.toMatchObject({ code: 'provider_unavailable' })
    holder.close()
    await coordinator.close()
  })
})
