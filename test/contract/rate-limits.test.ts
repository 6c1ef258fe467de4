/** Limits as callers see them. When a window ends is the coordinator's own clock's to say: test/session/coordinator-suite.ts. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type System, startSystem } from '../support/system.ts'

const perHour = (per: 'session' | 'subject' | 'address' | 'route', requests: number) =>
  ({ per, requests, window: '1h' }) as const

let system: System

beforeAll(async () => {
  system = await startSystem({
    routes: [
      { path: '/api/session/*', upstream: '/v1', auth: 'session', rateLimits: [perHour('session', 5)] },
      { path: '/api/subject/*', upstream: '/v1', auth: 'session', rateLimits: [perHour('subject', 5)] },
      { path: '/api/route/*', upstream: '/v1', auth: 'session', rateLimits: [perHour('route', 5)] },
      {
        path: '/api/both/*',
        upstream: '/v1',
        auth: 'session',
        rateLimits: [perHour('session', 3), { per: 'session', requests: 10, window: '1d' }],
      },
      { path: '/api/free/*', upstream: '/v1', auth: 'session' },
      { path: '/public/*', upstream: '/public', auth: 'none', reason: 'a test', rateLimits: [perHour('route', 3)] },
    ],
  })
})
afterAll(() => system.stop())

const problem = async (answer: Response) => ((await answer.json()) as { code: string }).code

async function statuses(calls: number, call: () => Promise<Response>): Promise<number[]> {
  const answers = await Promise.all(Array.from({ length: calls }, call))
  return answers.map(({ status }) => status).sort()
}

it('a session gets so many calls and no more, however many it makes at once', async () => {
  const browser = await system.signedIn()
  expect(await statuses(12, () => system.call(browser, '/api/session/x'))).toEqual([
    ...Array(5).fill(200),
    ...Array(7).fill(429),
  ])
  const refused = await system.call(browser, '/api/session/x')
  expect([refused.status, await problem(refused)]).toEqual([429, 'rate_limited'])
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(3500)
  expect(refused.headers.get('ratelimit')).toMatch(/^"\/api\/session\/\* session 3600";r=0;t=3[56]\d\d$/)
  expect(refused.headers.get('ratelimit-policy')).toBe('"/api/session/* session 3600";q=5;w=3600')
})

it('the upstream is not troubled by who is over the limit', async () => {
  const browser = await system.signedIn()
  await statuses(5, () => system.call(browser, '/api/session/mine'))
  const before = system.upstream.requests.length
  expect(await statuses(3, () => system.call(browser, '/api/session/mine'))).toEqual([429, 429, 429])
  expect(system.upstream.requests.length).toBe(before)
})

it('each session has a count of its own, and a route without limits has none', async () => {
  const one = await system.signedIn()
  const two = await system.signedIn()
  expect(await statuses(6, () => system.call(one, '/api/session/x'))).toContain(429)
  expect((await system.call(two, '/api/session/x')).headers.get('ratelimit')).toMatch(/;r=4;/)
  expect(await statuses(8, () => system.call(one, '/api/free/x'))).toEqual(Array(8).fill(200))
  expect((await system.call(one, '/api/free/x')).headers.get('ratelimit')).toBeNull()
})

it('the sessions of one person share a count, and another person has another', async () => {
  const laptop = await system.signedIn()
  const phone = await system.signedIn()
  const other = await system.signedIn('grace')
  expect(await statuses(3, () => system.call(laptop, '/api/subject/x'))).toEqual([200, 200, 200])
  expect(await statuses(3, () => system.call(phone, '/api/subject/x'))).toEqual([200, 200, 429])
  expect((await system.call(other, '/api/subject/x')).status).toBe(200)
})

it('who is not let in does not use up what others may call', async () => {
  const stranger = () => fetch(`${system.origin}/api/route/x`, { headers: { 'X-CSRF': '1' } })
  expect(await statuses(10, stranger)).toEqual(Array(10).fill(401))
  const one = await system.signedIn()
  const two = await system.signedIn('grace')
  expect(await statuses(3, () => system.call(one, '/api/route/x'))).toEqual([200, 200, 200])
  expect(await statuses(3, () => system.call(two, '/api/route/x'))).toEqual([200, 200, 429])
})

it('of two limits both are told, and the first that is over refuses', async () => {
  const browser = await system.signedIn()
  const answer = await system.call(browser, '/api/both/x')
  expect(answer.headers.get('ratelimit')?.split(', ')).toHaveLength(2)
  expect(await statuses(3, () => system.call(browser, '/api/both/x'))).toEqual([200, 200, 429])
})

it('an open route is limited for everybody together', async () => {
  expect(await statuses(5, () => fetch(`${system.origin}/public/x`))).toEqual([200, 200, 200, 429, 429])
})

it('what is left is told by our endpoints too, and by us alone where the API tells of limits of its own', async () => {
  const limited = await startSystem({
    routes: [{ path: '/api/*', upstream: '/v1', auth: 'session' }],
    rateLimits: [perHour('address', 1000)],
  })
  try {
    const browser = await limited.signedIn()
    const leftOf = (answer: Response) => {
      const field = answer.headers.get('ratelimit') ?? ''
      expect(field).toMatch(/^"\* address 3600";r=\d+;t=\d+$/)
      return Number(/r=(\d+)/.exec(field)?.[1])
    }
    limited.upstream.on('/v1/x', (_incoming, outgoing) => {
      outgoing.writeHead(200, { RateLimit: '"theirs";r=1;t=2', 'RateLimit-Policy': '"theirs";q=1' }).end()
    })
    const called = await limited.call(browser, '/api/x')
    const asked = await limited.call(browser, '/bff/session')
    const refused = await limited.call(browser, '/bff/session', { headers: { 'X-CSRF': null } })
    expect([asked.status, refused.status]).toEqual([200, 403])
    expect([leftOf(called) - leftOf(asked), leftOf(asked) - leftOf(refused)]).toEqual([1, 1])
    expect(asked.headers.get('ratelimit-policy')).toBe('"* address 3600";q=1000;w=3600')
    expect(called.headers.get('ratelimit-policy')).toBe('"* address 3600";q=1000;w=3600')
  } finally {
    await limited.stop()
  }
})
