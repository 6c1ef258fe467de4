import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import type { Coordinator } from '../../src/coordinator.ts'
import { sessionCookieName } from '../../src/session/cookie-names.ts'
import { noLogoutMarks } from '../../src/session/logout-marks.ts'
import { encodeSession } from '../../src/session/session-codec.ts'
import { type Sessions, sessions } from '../../src/session/sessions.ts'
import { memoryCoordinator } from '../../src/session/stores/memory-coordinator.ts'

const nowMs = Date.parse('2026-11-25T09:00:00Z')

async function signedIn() {
  let offsetMs = 0
  const clock = { now: () => nowMs + offsetMs }
  const memory = memoryCoordinator({ clock })
  let reads = 0
  const coordinator: Coordinator = {
    ...memory,
    read(id) {
      reads += 1
      return memory.read(id)
    },
  }
  const all = sessions({
    secrets: [randomBytes(32).toString('base64url')],
    context: { origin: 'https://app.example.com', issuer: 'https://login.example.com', clientId: 'app' },
    coordinator,
    logoutMarks: noLogoutMarks,
    clock,
    report: () => undefined,
    grant: {
      refresh: () => Promise.reject(new Error('nobody refreshes here')),
      revoke: async () => undefined,
      requestLimitMs: 1000,
    },
    idleSeconds: 1800,
    absoluteSeconds: 3600,
    callerLimitMs: 1000,
    onEnd: () => undefined,
    cookie: 'session',
  })
  const cookies = await signIn(all)
  reads = 0
  return {
    all,
    cookies,
    coordinator: memory,
    reads: () => reads,
    pass: (ms: number) => {
      offsetMs += ms
    },
  }
}

async function signIn(all: Sessions): Promise<ReadonlyMap<string, string>> {
  const issuedAt = nowMs / 1000
  const tokens = {
    accessToken: 'a'.repeat(40),
    refreshToken: 'r',
    scope: 'openid',
    issuedAt,
    expiresAt: issuedAt + 3600,
  }
  const start = { issuer: 'https://login.example.com', tokens, idToken: undefined, idTokenClaims: {}, shownClaims: {} }
  const session = await all.begin(
    { key: 'code', secret: 'state', rivals: [], device: 'a test' },
    new Map(),
    async () => start,
  )
  const [cookie] = await all.firstCookies(session)
  return new Map([[sessionCookieName, cookie?.value ?? '']])
}

test('an answer that carries no cookie asks the coordinator once, when the session is opened', async () => {
  const { all, cookies, reads, pass } = await signedIn()
  const open = await all.open(cookies)
  pass(999)
  expect(open && (await all.cookies(open, cookies, true))).toEqual([])
  expect(reads()).toBe(1)
})

test('an answer that took a second asks again, and brings the version that was made meanwhile', async () => {
  const { all, cookies, coordinator, reads, pass } = await signedIn()
  const open = await all.open(cookies)
  if (!open) throw new Error('the session does not open')
  const next = { ...open.session, version: 2 }
  await coordinator.commit(next.id, 1, { version: 2, payload: encodeSession(next), keepUntil: nowMs + 3_600_000 })
  pass(1000)
  const [cookie] = await all.cookies(open, cookies, false)
  expect(reads()).toBe(2)
  const reopened = await all.open(new Map([[sessionCookieName, cookie?.value ?? '']]))
  expect(reopened?.presented.version).toBe(2)
})

test('an answer that took a second puts nothing out once the session has ended', async () => {
  const { all, cookies, coordinator, pass } = await signedIn()
  const open = await all.open(cookies)
  if (!open) throw new Error('the session does not open')
  await coordinator.end(open.session.id, nowMs + 3_600_000)
  // Long enough that the idle clock would be written on.
  pass(120_000)
  expect(await all.cookies(open, cookies, true)).toEqual([])
})

test('an idle clock that is written on asks again at once', async () => {
  const { all, cookies, coordinator, pass } = await signedIn()
  pass(120_000)
  const open = await all.open(cookies)
  if (!open) throw new Error('the session does not open')
  await coordinator.end(open.session.id, nowMs + 3_600_000)
  expect(await all.cookies(open, cookies, true)).toEqual([])
})

test('a seal that was opened lately does not open with another character, although its digest is the same', async () => {
  const { all, cookies } = await signedIn()
  const seal = cookies.get(sessionCookieName) ?? ''
  expect(await all.open(cookies)).toBeDefined()
  const middle = Math.floor(seal.length / 2)
  for (const at of [10, middle, seal.length - 120]) {
    const other = seal[at] === 'a' ? 'b' : 'a'
    const altered = seal.slice(0, at) + other + seal.slice(at + 1)
    expect(await all.open(new Map([[sessionCookieName, altered]]))).toBeUndefined()
  }
  expect(await all.open(cookies)).toBeDefined()
})
