/** A version that could not be written, and whose writer has ended: Workers end what outlives a request (protocol.md R5). */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { CoatcheckError } from '../../src/errors.ts'
import { sqliteCoordinator } from '../../src/node/sqlite-coordinator.ts'
import { sqliteStore } from '../../src/node/sqlite-store.ts'
import { cookieStore } from '../../src/session/stores/cookie-store.ts'
import { movableClock, opened, signIn, startProcess } from '../session/processes.ts'

const ada = { sub: 'ada-subject', sid: 'ada-sid-1' }
const keepAlive = () => undefined

let clock: ReturnType<typeof movableClock>
let folder: string
beforeEach(async () => {
  clock = movableClock()
  folder = await mkdtemp(path.join(tmpdir(), 'coatcheck-left-'))
})
afterEach(async () => {
  vi.useRealTimers()
  await rm(folder, { recursive: true })
})

const settings = () => ({ file: path.join(folder, 'sessions.sqlite'), clock })

it.each([
  ['in cookies', () => cookieStore({ coordinator: sqliteCoordinator(settings()) })],
  ['behind tickets', () => sqliteStore(settings())],
])('is written by the next refresh of this process, which goes on from it: sessions %s', async (_where, make) => {
  const { coordinator, ...store } = make()
  let takesWrites = true
  const commit: typeof coordinator.commit = async (...entry) => {
    if (!takesWrites) throw new CoatcheckError('store_unavailable')
    return coordinator.commit(...entry)
  }
  const one = startProcess({ ...store, coordinator: { ...coordinator, commit } }, clock)
  const browser = await signIn(one, ada, clock)

  clock.advance(310_000)
  takesWrites = false
  // What would write it later never comes to do so.
  vi.useFakeTimers({ toFake: ['setTimeout'] })
  const open = await opened(one, browser)
  await one.sessions.refresh(open, keepAlive)
  expect([open.session.version, (await coordinator.read(open.session.id))?.version ?? 1]).toEqual([2, 1])
  vi.useRealTimers()

  takesWrites = true
  clock.advance(310_000)
  const later = await opened(one, browser)
  await one.sessions.refresh(later, keepAlive)
  expect(later.session.version).toBe(3)
  expect((await coordinator.read(later.session.id))?.version).toBe(3)
  await coordinator.close()
})
