import { copyFile, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, it } from 'vitest'
import { sqliteCoordinator } from '../../src/node/sqlite-coordinator.ts'
import { sqliteStore } from '../../src/node/sqlite-store.ts'
import { cookieStore } from '../../src/session/stores/cookie-store.ts'
import { expectNothingIn } from '../session/dump.ts'
import { describeStore, describeTicketStore } from '../session/store-suite.ts'

async function inFolder() {
  const folder = await mkdtemp(path.join(tmpdir(), 'coatcheck-store-'))
  return { folder, file: path.join(folder, 'sessions.sqlite') }
}

describeStore('cookie store on SQLite', async () => {
  const { folder, file } = await inFolder()
  const [store, other] = [1, 2].map(() => cookieStore({ coordinator: sqliteCoordinator({ file }) }))
  if (!store || !other) throw new Error('two processes')
  const stop = async () => {
    await Promise.all([store.coordinator.close(), other.coordinator.close()])
    await rm(folder, { recursive: true })
  }
  return { store, other, stop }
})

describeTicketStore('SQLite', async () => {
  const { folder, file } = await inFolder()
  const store = sqliteStore({ file })
  const other = sqliteStore({ file })
  const stop = async () => {
    await Promise.all([store.coordinator.close(), other.coordinator.close()])
    await rm(folder, { recursive: true })
  }
  return { store, other, stop }
})

describe('a copy of the SQLite file, with its write-ahead log', () => {
  it('shows nothing of anybody, and opens neither with the server’s secret nor with another ticket (S1)', async () => {
    const { folder, file } = await inFolder()
    const store = sqliteStore({ file })
    try {
      await expectNothingIn(store, async () => {
        const copy = path.join(folder, 'copy')
        const names = await readdir(folder)
        await mkdir(copy)
        await Promise.all(names.map((name) => copyFile(path.join(folder, name), path.join(copy, name))))
        const raw = await Promise.all(names.map((name) => readFile(path.join(copy, name), 'latin1')))
        return [...raw, rowsOf(path.join(copy, 'sessions.sqlite'))].join('\n')
      })
    } finally {
      await store.coordinator.close()
      await rm(folder, { recursive: true })
    }
  })
})

function rowsOf(file: string): string {
  const database = new DatabaseSync(file)
  const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all()
  const rows = tables.flatMap(({ name }) => database.prepare(`SELECT * FROM ${String(name)}`).all())
  database.close()
  return rows.flatMap((row) => Object.values(row).map(String)).join('\n')
}
