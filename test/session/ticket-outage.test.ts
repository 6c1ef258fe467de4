/** A ticket store that is out, at each step: nobody is signed out, and nothing is half done (protocol.md C1, C2, E4). */
import { beforeEach, describe, expect, it } from 'vitest'
import type { Coordinator, SessionStore } from '../../src/coordinator.ts'
import { CoatcheckError } from '../../src/errors.ts'
import { memoryStore } from '../../src/session/stores/memory-store.ts'
import { Browser, movableClock, opened, type Process, signIn, startProcess } from './processes.ts'

const ada = { sub: 'ada-subject', sid: 'ada-sid-1' }
const isOut = { code: 'store_unavailable', status: 503, headers: { 'Retry-After': '2' } }
const keepAlive = () => undefined

let clock: ReturnType<typeof movableClock>
let store: SessionStore
let one: Process
let two: Process
/** Operations that do not answer. */
let broken: Set<string>
const everything = [
  ...['read', 'commit', 'touch', 'readNotes', 'end', 'recordAttempt', 'acquireLease', 'once', 'recall'],
  ...['add', 'list', 'remove'],
]

beforeEach(() => {
  clock = movableClock()
  broken = new Set()
  const { coordinator, ...rest } = memoryStore({ clock })
  const guarded = <Part extends object>(part: Part): Part =>
    new Proxy(part, {
      get(target, name) {
        const value = Reflect.get(target, name)
        if (typeof value !== 'function') return value
        return (...parameters: unknown[]) => {
          if (broken.has(String(name))) {
            return Promise.reject(new CoatcheckError('store_unavailable', { headers: { 'Retry-After': '2' } }))
          }
          return value.apply(target, parameters)
        }
      },
    })
  const failing: Coordinator = guarded({ ...coordinator, index: guarded(coordinator.index) })
  store = { ...rest, coordinator: failing }
  one = startProcess(store, clock)
  two = startProcess(store, clock)
})

describe('a ticket store that is out', () => {
  it('lets a session that this process has seen go on while its access token lives', async () => {
    const browser = await signIn(one, ada, clock)
    broken = new Set(everything)
    clock.advance(60_000)
    const open = await opened(one, browser)
    expect(open.isConfirmed).toBe(false)
    await one.sessions.refresh(open, keepAlive)
    expect(await one.sessions.cookies(open, browser.cookies, true)).toEqual([])
    clock.advance(300_000)
    const later = await opened(one, browser)
    await expect(one.sessions.refresh(later, keepAlive)).rejects.toMatchObject(isOut)
    broken.clear()
    const back = await opened(one, browser)
    await one.sessions.refresh(back, keepAlive)
    expect(back.session.version).toBe(2)
  })

  it('tells everybody else to come back, and it is the same session then', async () => {
    const browser = await signIn(one, ada, clock)
    broken = new Set(everything)
    await expect(two.sessions.open(browser.cookies)).rejects.toMatchObject(isOut)
    broken.clear()
    expect((await opened(two, browser)).session.claims.name).toBe('Ada Lovelace')
  })

  it.each(['once', 'add', 'commit', 'end'])(
    'begins no session where `%s` fails, and leaves the one before',
    async (name) => {
      const browser = await signIn(one, ada, clock)
      const before = (await opened(one, browser)).session.id
      broken = new Set([name])
      await expect(signIn(one, ada, clock, browser)).rejects.toMatchObject(isOut)
      broken.clear()
      expect((await opened(one, browser)).session.id).toBe(before)
    },
  )

  it('does not say that a session is ended that is not, and revokes all that is known: it may have ended', async () => {
    const browser = await signIn(one, ada, clock)
    const open = await opened(one, browser)
    broken = new Set(['end'])
    await expect(one.sessions.end(open)).rejects.toMatchObject(isOut)
    expect(one.revoked).toEqual([open.session.tokens.refreshToken])
    broken.clear()
    expect(await one.sessions.open(browser.cookies)).toBeDefined()
  })

  it.each(['list', 'readNotes', 'end'])('does not say that others are ended where `%s` fails', async (name) => {
    const other = await signIn(one, { ...ada, sid: 'ada-sid-2' }, clock, new Browser())
    const browser = await signIn(one, ada, clock)
    const { session } = await opened(one, browser)
    broken = new Set([name])
    await expect(one.sessions.own?.endOthers(session)).rejects.toMatchObject(isOut)
    broken.clear()
    expect(await one.sessions.open(other.cookies)).toBeDefined()
    expect(one.revoked).toEqual([])
  })

  it('answers without its idle clock moved on, and moves it with the next call', async () => {
    const browser = await signIn(one, ada, clock)
    clock.advance(25 * 60_000)
    const open = await opened(one, browser)
    broken = new Set(['touch'])
    expect(await one.sessions.cookies(open, browser.cookies, true)).toEqual([])
    broken.clear()
    clock.advance(61_000)
    await one.sessions.cookies(await opened(one, browser), browser.cookies, true)
    clock.advance(25 * 60_000)
    expect(await two.sessions.open(browser.cookies)).toBeDefined()
  })

  it('keeps refreshed tokens in this process until they are written', async () => {
    const browser = await signIn(one, ada, clock)
    clock.advance(301_000)
    const open = await opened(one, browser)
    broken = new Set(['commit'])
    await one.sessions.refresh(open, keepAlive)
    expect(open.session.version).toBe(2)
    expect((await opened(one, browser)).session.tokens).toEqual(open.session.tokens)
    broken.clear()
    await expect.poll(async () => (await opened(two, browser)).session.version, { timeout: 5000 }).toBe(2)
  })
})

describe('a ticket whose entry is lost', () => {
  it('is nobody’s in every process, also in one that remembers the session', async () => {
    let isLost = false
    const { coordinator } = store
    const read: Coordinator['read'] = async (id, holds) => (isLost ? undefined : coordinator.read(id, holds))
    const process = startProcess({ ...store, coordinator: { ...memoryStore({ clock }).coordinator, read } }, clock)
    const browser = await signIn(one, ada, clock)
    await opened(process, browser)
    isLost = true
    clock.advance(1000)
    expect(await process.sessions.open(browser.cookies)).toBeUndefined()
  })
})
