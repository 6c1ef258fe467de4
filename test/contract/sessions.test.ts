import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { UserAgent } from '../support/browser.ts'
import { type System, startSystem } from '../support/system.ts'

interface Listed {
  id: string
  created_at: number
  last_seen_at: number
  device: string
  current: boolean
}

let system: System
beforeAll(async () => {
  system = await startSystem({ cookie: 'ticket' })
})
afterAll(() => system.stop())

const list = async (browser: UserAgent): Promise<Listed[]> => {
  const answer = await system.call(browser, '/bff/sessions')
  expect(answer.status).toBe(200)
  return ((await answer.json()) as { sessions: Listed[] }).sessions
}
const end = (browser: UserAgent, path: string) => system.call(browser, `/bff/sessions${path}`, { method: 'DELETE' })
const isSignedIn = async (browser: UserAgent) => (await system.call(browser, '/api/x')).status === 200

/** A browser whose person has proved who they are just now, as far as the provider says so. */
async function recently(username = 'ada'): Promise<UserAgent> {
  const browser = new UserAgent()
  const login = `${system.origin}/bff/login?return_to=/&max_age=60`
  await browser.signIn(login, { username, password: `${username}-demo` })
  return browser
}

/** Whatever the tests before have left. */
async function only(browser: UserAgent): Promise<void> {
  expect((await end(browser, '?except=current')).status).toBe(200)
}

describe('a person’s own sessions', () => {
  it('are listed with times, and which is this one', async () => {
    const browser = await recently()
    await only(browser)
    await system.signedIn()
    const sessions = await list(browser)
    expect(sessions).toHaveLength(2)
    expect(sessions.filter(({ current }) => current)).toHaveLength(1)
    for (const one of sessions) {
      expect(Object.keys(one).sort()).toEqual(['created_at', 'current', 'device', 'id', 'last_seen_at'])
      expect(one.id).toMatch(/^[\w-]{43}$/)
      expect(Math.abs(one.created_at - Date.now() / 1000)).toBeLessThan(60)
    }
    expect(new Set(sessions.map(({ id }) => id)).size).toBe(2)
  })

  it('are nobody else’s', async () => {
    const ada = await recently()
    const grace = await recently('grace')
    const ids = (await list(grace)).map(({ id }) => id)
    expect((await list(ada)).filter(({ id }) => ids.includes(id))).toEqual([])
    for (const id of ids) {
      const answer = await end(ada, `/${id}`)
      expect(answer.status).toBe(404)
      expect(await answer.json()).toMatchObject({ code: 'session_not_found' })
    }
    expect(await isSignedIn(grace)).toBe(true)
  })

  it('are for who shows that a page of ours asks, and for who is signed in', async () => {
    const browser = await recently()
    expect((await browser.fetch(`${system.origin}/bff/sessions`)).status).toBe(403)
    const bare = await browser.fetch(`${system.origin}/bff/sessions?except=current`, { method: 'DELETE' })
    expect(bare.status).toBe(403)
    expect((await system.call(new UserAgent(), '/bff/sessions')).status).toBe(401)
    expect((await end(new UserAgent(), '?except=current')).status).toBe(401)
  })

  it('can be ended one by one, and are over within a second, wherever their cookie was copied to', async () => {
    const browser = await recently()
    await only(browser)
    const other = await system.signedIn()
    expect(await isSignedIn(other)).toBe(true)
    const [listed] = (await list(browser)).filter(({ current }) => !current)
    expect((await end(browser, `/${listed?.id}`)).status).toBe(204)
    await system.advance(1000)
    expect(await isSignedIn(other)).toBe(false)
    expect(await isSignedIn(browser)).toBe(true)
    expect(await list(browser)).toHaveLength(1)
    expect((await end(browser, `/${listed?.id}`)).status).toBe(404)
  })

  it('can be ended all but this one, if that was meant', async () => {
    const browser = await recently()
    const others = [await system.signedIn(), await system.signedIn()]
    for (const query of ['', '?except=', '?except=others', '?except=current&x=1']) {
      expect((await end(browser, query)).status, query).toBe(400)
    }
    const answer = await end(browser, '?except=current')
    expect(((await answer.json()) as { ended: number }).ended).toBeGreaterThanOrEqual(2)
    await system.advance(1000)
    for (const other of others) expect(await isSignedIn(other)).toBe(false)
    expect(await isSignedIn(browser)).toBe(true)
  })

  it('are not ended by whoever finds a browser open: that needs a recent sign-in', async () => {
    const browser = await system.signedIn()
    const other = await system.signedIn()
    for (const path of ['?except=current', `/${(await list(browser)).find(({ current }) => !current)?.id}`]) {
      const answer = await end(browser, path)
      expect(answer.status).toBe(401)
      expect(await answer.json()).toMatchObject({ code: 'step_up_required', max_age: 60, login_url: '/bff/login' })
    }
    await system.advance(1000)
    expect(await isSignedIn(other)).toBe(true)
  })

  it('leave this one to signing out', async () => {
    const browser = await recently()
    const current = (await list(browser)).find((one) => one.current)
    const answer = await end(browser, `/${current?.id}`)
    expect(answer.status).toBe(400)
    expect(await isSignedIn(browser)).toBe(true)
  })

  it.each(['x', 'undefined', '__proto__', 'constructor', '*', "'%20OR%201=1--", 'session:x', 'a'.repeat(4000)])(
    'are not found by an id that is none: %s',
    async (id) => {
      const browser = await recently()
      expect([400, 404]).toContain((await end(browser, `/${id}`)).status)
      expect(await isSignedIn(browser)).toBe(true)
    },
  )

  it('are gone from the list once they are signed out or superseded', async () => {
    const browser = await recently()
    await only(browser)
    const other = await system.signedIn()
    await system.call(other, '/bff/logout', { method: 'POST' })
    expect(await list(browser)).toHaveLength(1)
    await browser.signIn(`${system.origin}/bff/login?return_to=/`, { username: 'ada', password: 'ada-demo' })
    expect(await list(browser)).toHaveLength(1)
  })

  it('take GET and DELETE', async () => {
    const browser = await recently()
    const answer = await system.call(browser, '/bff/sessions', { method: 'POST' })
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, HEAD, DELETE'])
    expect((await system.call(browser, '/bff/sessions/x')).status).toBe(405)
  })
})

describe('a sign-in of some time ago', () => {
  it('is not recent', async () => {
    const late = await startSystem({ cookie: 'ticket' })
    try {
      const browser = new UserAgent()
      const login = `${late.origin}/bff/login?return_to=/&max_age=60`
      await browser.signIn(login, { username: 'ada', password: 'ada-demo' })
      const endOthers = () => late.call(browser, '/bff/sessions?except=current', { method: 'DELETE' })
      expect((await endOthers()).status).toBe(200)
      await late.advance(301_000)
      expect((await endOthers()).status).toBe(401)
    } finally {
      await late.stop()
    }
  })
})

describe('a sign-in of tomorrow', () => {
  it('is not recent either, as one in milliseconds would be for ever', async () => {
    const early = await startSystem({ cookie: 'ticket' })
    try {
      const browser = new UserAgent()
      const login = `${early.origin}/bff/login?return_to=/&max_age=60`
      await browser.signIn(login, { username: 'ada', password: 'ada-demo' })
      await early.advance(-3_600_000)
      const answer = await early.call(browser, '/bff/sessions?except=current', { method: 'DELETE' })
      expect([answer.status, await answer.json()]).toMatchObject([401, { code: 'step_up_required' }])
    } finally {
      await early.stop()
    }
  })
})

describe('two sessions of one session at the provider', () => {
  it('share its grant: ending the one whose cookie was lost leaves the other its tokens (C3)', async () => {
    const short = await startSystem({ cookie: 'ticket', accessTokenSeconds: 60 })
    try {
      const browser = await short.signedIn()
      // The app's cookies are gone, the provider's are not.
      for (const name of ['__Host-Http-coatcheck', '__Host-Http-coatcheck-id'])
        browser.cookies.delete(short.origin, name)
      const login = `${short.origin}/bff/login?return_to=/&max_age=60`
      await browser.signIn(login, { username: 'ada', password: 'ada-demo' })
      const ended = await short.call(browser, '/bff/sessions?except=current', { method: 'DELETE' })
      expect(await ended.json()).toMatchObject({ ended: 1 })
      await short.advance(61_000)
      expect((await short.call(browser, '/api/x')).status).toBe(200)
    } finally {
      await short.stop()
    }
  })
})

describe('a ticket', () => {
  it('is small, one cookie, and stays the same while the session is used and refreshed', async () => {
    const short = await startSystem({ cookie: 'ticket', accessTokenSeconds: 60 })
    try {
      const browser = await short.signedIn()
      const before = browser.cookies.header(short.origin) ?? ''
      expect(before).not.toMatch(/__Host-Http-coatcheck\.0/)
      expect(before.length).toBeLessThan(1000)
      for (let round = 0; round < 3; round++) {
        await short.advance(61_000)
        const answer = await short.call(browser, '/api/x')
        expect([answer.status, answer.headers.getSetCookie()]).toEqual([200, []])
      }
      expect(short.provider.token.count({ grantType: 'refresh_token' })).toBe(3)
      expect(browser.cookies.header(short.origin)).toBe(before)
    } finally {
      await short.stop()
    }
  })

  it('keeps a session that is used, and idles out by the store’s clock', async () => {
    const idle = await startSystem({ cookie: 'ticket', session: { idleTimeout: '10m' }, accessTokenSeconds: 7200 })
    try {
      const browser = await idle.signedIn()
      for (let round = 0; round < 3; round++) {
        await idle.advance(8 * 60_000)
        expect((await idle.call(browser, '/api/x')).status).toBe(200)
      }
      // Looking without sliding is no use.
      await idle.advance(8 * 60_000)
      expect(await (await idle.call(browser, '/bff/session?slide=false')).json()).toMatchObject({ authenticated: true })
      await idle.advance(3 * 60_000)
      const over = await idle.call(browser, '/api/x')
      expect([over.status, over.headers.getSetCookie()]).toEqual([401, []])
    } finally {
      await idle.stop()
    }
  })
})

describe('with sessions in cookies', () => {
  it('nobody knows of all of them, and there is no such path', async () => {
    const plain = await startSystem({ cookie: 'session' })
    try {
      const browser = await plain.signedIn()
      for (const [path, method] of [
        ['', 'GET'],
        ['?except=current', 'DELETE'],
        ['/x', 'DELETE'],
      ]) {
        const answer = await plain.call(browser, `/bff/sessions${path}`, { method: method as string })
        expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([404, 'no_route'])
      }
    } finally {
      await plain.stop()
    }
  })
})

describe('a limit of sessions for a person', () => {
  it('ends the oldest at a sign-in', async () => {
    const limited = await startSystem({ cookie: 'ticket', session: { maxSessions: 2 } })
    try {
      const browsers: UserAgent[] = []
      for (let count = 0; count < 3; count++) {
        browsers.push(await limited.signedIn())
        await limited.advance(1500)
      }
      const statuses = await Promise.all(
        browsers.map(async (browser) => (await limited.call(browser, '/api/x')).status),
      )
      expect(statuses).toEqual([401, 200, 200])
    } finally {
      await limited.stop()
    }
  })
})
