/** A session that is held twice is served, because it may be the browser's own, and told of (protocol.md R10). */
import { beforeEach, expect, it } from 'vitest'
import type { CoatcheckEvent } from '../../src/observability/events.ts'
import type { CookieChange, RequestCookies } from '../../src/session/cookie-names.ts'
import { noLogoutMarks } from '../../src/session/logout-marks.ts'
import { type Sessions, sessions } from '../../src/session/sessions.ts'
import { memoryCoordinator } from '../../src/session/stores/memory-coordinator.ts'
import type { TokenSet } from '../../src/tokens.ts'
import { testSecret } from '../support/system.ts'

let now: number
let events: CoatcheckEvent[]
let under: Sessions
let cookies: RequestCookies

const clock = { now: () => now }
const tokens = (count: number): TokenSet => ({
  accessToken: `access ${count}`,
  scope: 'orders:read',
  issuedAt: now / 1000,
  expiresAt: now / 1000 + 60,
  refreshToken: `refresh ${count}`,
})
const held = (changes: readonly CookieChange[]): RequestCookies =>
  new Map(changes.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]])))

beforeEach(async () => {
  now = 1_790_000_000_000
  events = []
  let count = 1
  under = sessions({
    secrets: [testSecret],
    context: { origin: 'https://app.example', issuer: 'https://login.example', clientId: 'app' },
    coordinator: memoryCoordinator({ clock }),
    cookie: 'session',
    logoutMarks: noLogoutMarks,
    clock,
    report: (event) => events.push(event),
    grant: {
      refresh: async () => ({ kind: 'refreshed', tokens: tokens(++count), idToken: undefined }),
      revoke: async () => undefined,
      requestLimitMs: 30_000,
    },
    idleSeconds: 1800,
    absoluteSeconds: 43_200,
    callerLimitMs: 10_000,
    onEnd: () => undefined,
  })
  const login = { key: 'login', secret: 'secret', rivals: [], device: '' }
  const session = await under.begin(login, new Map(), async () => ({
    issuer: 'https://login.example',
    tokens: tokens(1),
    idToken: undefined,
    idTokenClaims: { sub: 'ada' },
    shownClaims: {},
  }))
  cookies = held(await under.firstCookies(session))
})

const signs = () => events.flatMap((event) => (event.event === 'session_cloned' ? [event.sign] : []))

it('an old cookie, long after the browser has shown its successor', async () => {
  now += 61_000
  const open = await under.open(cookies)
  if (!open) throw new Error('nobody is signed in')
  await under.refresh(open, () => undefined)
  const newer = held(await under.cookies(open, cookies, true))
  await under.open(newer)
  now += 60_000
  expect((await under.open(cookies))?.session.version).toBe(2)
  expect(signs()).toEqual([])
  now += 120_000
  expect((await under.open(cookies))?.session.version).toBe(2)
  expect(signs()).toEqual(['old_version'])
})

it('two browsers at once', async () => {
  for (const device of ['Mozilla/5.0 (phone)', 'Mozilla/5.0 (laptop)', 'Mozilla/5.0 (phone)']) {
    now += 1000
    expect(await under.open(cookies, false, device)).toBeDefined()
  }
  expect(signs()).toEqual(['two_devices'])
  expect(JSON.stringify(events)).not.toContain('Mozilla')
})
