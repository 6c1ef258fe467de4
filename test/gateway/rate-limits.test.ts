import { describe, expect, it } from 'vitest'
import type { RateLimit } from '../../src/config/types.ts'
import { CoatcheckError } from '../../src/errors.ts'
import { addressCaller, rateLimiter } from '../../src/gateway/rate-limits.ts'
import { memoryCoordinator } from '../../src/session/stores/memory-coordinator.ts'
import { tokenHandler } from '../../src/token-handler.ts'
import { webRuntime } from '../../src/web-runtime.ts'
import { good, goodRoute, mistakes, resolve } from '../config/good.ts'

const limit = (changes: Partial<RateLimit> = {}): RateLimit => ({
  name: 'test',
  per: 'session',
  requests: 2,
  windowSeconds: 10,
  ...changes,
})

function start() {
  let now = 1_000_000
  const clock = { now: () => now }
  const keys: string[] = []
  const memory = memoryCoordinator({ clock })
  let isOut = false
  const coordinator = {
    ...memory,
    count: async (key: string, windowMs: number) => {
      if (isOut) throw new CoatcheckError('store_unavailable')
      keys.push(key)
      return memory.count(key, windowMs)
    },
  }
  const events: string[] = []
  const limiter = rateLimiter(coordinator, clock, ({ event }) => events.push(event))
  return {
    keys,
    events,
    take: (limits: RateLimit[], caller: string) => limiter.take(limits, { session: caller }),
    pass: (ms: number) => {
      now += ms
    },
    storeGoesOut: () => {
      isOut = true
    },
  }
}

describe('a limit', () => {
  it('refuses once it is used up, until the window has passed', async () => {
    const { take, pass } = start()
    await take([limit()], 'ada')
    expect(Object.fromEntries(await take([limit()], 'ada'))).toEqual({
      'ratelimit-policy': '"test";q=2;w=10',
      ratelimit: '"test";r=0;t=10',
    })
    pass(4000)
    await expect(take([limit()], 'ada')).rejects.toMatchObject({
      code: 'rate_limited',
      headers: { 'Retry-After': '6', ratelimit: '"test";r=0;t=6' },
    })
    pass(6000)
    expect(await take([limit()], 'ada')).toContainEqual(['ratelimit', '"test";r=1;t=10'])
  })

  it('does not ask the store about who is over already', async () => {
    const { take, keys } = start()
    for (let call = 0; call < 2; call++) await take([limit()], 'ada')
    for (let call = 0; call < 20; call++) await expect(take([limit()], 'ada')).rejects.toThrow()
    expect(keys).toHaveLength(3)
  })

  it('tells the store neither who calls nor from where', async () => {
    const { take, keys } = start()
    await take([limit()], 'https://login.example.com ada@example.com')
    expect(keys).toHaveLength(1)
    expect(keys[0]).toMatch(/^[\w-]{43}$/)
  })

  it('is counted by each process where the store is out, and that is reported', async () => {
    const { take, events, storeGoesOut } = start()
    storeGoesOut()
    for (let call = 0; call < 2; call++) await take([limit()], 'ada')
    await expect(take([limit()], 'ada')).rejects.toMatchObject({ code: 'rate_limited' })
    expect(events).toContain('store_unavailable')
  })
})

it('the addresses of one IPv6 household are one caller', () => {
  expect(addressCaller('2001:db8:1:2:aaaa::1')).toEqual(addressCaller('2001:db8:1:2:bbbb::2'))
  expect(addressCaller('2001:db8:1:2::1')).not.toEqual(addressCaller('2001:db8:1:3::1'))
  expect(addressCaller(undefined)).toEqual({})
})

it('calls of our endpoints count with those of their address', async () => {
  const rateLimits = [{ per: 'address', requests: 2, window: '1m' }]
  const runtime = webRuntime({ peerAddress: () => '192.0.2.7' })
  const { routes } = tokenHandler(resolve(good({ rateLimits })), { runtime, report: () => undefined })
  const session = () =>
    routes.request('https://app.example.com/bff/session', { headers: { host: 'app.example.com', 'x-csrf': '1' } })
  expect([(await session()).status, (await session()).status, (await session()).status]).toEqual([200, 200, 429])
})

describe('a configuration', () => {
  const onRoute = (rateLimits: unknown, changes = {}) => good({ routes: [goodRoute({ rateLimits, ...changes })] })

  it.each<[string, unknown, RegExp]>([
    ['no list', { per: 'session' }, /rateLimits has to be a list/],
    ['an unknown caller', [{ per: 'user', requests: 1, window: '1m' }], /rateLimits\[0\]\.per is not known/],
    ['no number', [{ per: 'session', requests: '5', window: '1m' }], /requests has to be a number/],
    ['none at all', [{ per: 'session', requests: 0, window: '1m' }], /requests is not a whole number/],
    ['half a call', [{ per: 'session', requests: 0.5, window: '1m' }], /requests is not a whole number/],
    ['no window', [{ per: 'session', requests: 5 }], /window is not set|window has to be/],
    ['too long a window', [{ per: 'session', requests: 5, window: '2d' }], /window is out of bounds/],
    [
      'the same twice',
      [
        { per: 'session', requests: 5, window: '1m' },
        { per: 'session', requests: 6, window: '60s' },
      ],
      /rateLimits\[1\] has the same per and window/,
    ],
  ])('with %s is refused', (_what, rateLimits, expected) => {
    expect(mistakes(onRoute(rateLimits)).join('\n')).toMatch(expected)
  })

  it('cannot count sessions where nobody has one', () => {
    const open = { auth: 'none', reason: 'a test', rateLimits: [{ per: 'session', requests: 5, window: '1m' }] }
    expect(mistakes(good({ routes: [goodRoute(open)] })).join('\n')).toMatch(/per is 'session', and nobody is known/)
  })

  it('for all routes counts on an open route by address only', () => {
    const rateLimits = [
      { per: 'address', requests: 5, window: '1m' },
      { per: 'session', requests: 5, window: '1m' },
    ]
    const open = goodRoute({ path: '/open/*', upstream: 'https://open.internal', auth: 'none', reason: 'a test' })
    const [, route] = resolve(good({ rateLimits, routes: [goodRoute(), open] })).routes
    expect(route?.rateLimits.byAddress).toHaveLength(1)
    expect(route?.rateLimits.byCaller).toHaveLength(0)
  })
})
