import { readFileSync } from 'node:fs'
import { describe, expect, it, test } from 'vitest'
import { refuseNodeOnly } from '../../src/config/node-only.ts'
import { good, goodRoute, mistakes, resolve } from './good.ts'

const certificate = readFileSync(new URL('../node/fixtures/localhost.cert.pem', import.meta.url), 'utf8')
const key = readFileSync(new URL('../node/fixtures/localhost.key.pem', import.meta.url), 'utf8')
const origin = 'https://orders.internal'

const upstreams = (...all: unknown[]) => good({ upstreams: all })

describe('upstreams that are right', () => {
  it('get every default, and belong to the routes that lead to their origin', () => {
    const config = resolve(upstreams({ origin }))
    expect(config.routes[0]?.upstream.settings).toBe(config.upstreams[0])
    expect(config.upstreams[0]).toEqual({
      origin,
      targets: [origin],
      tls: undefined,
      http2: false,
      connections: 128,
      queue: 1280,
      eventStreams: 8192,
      retries: 1,
      timeouts: { connectMs: 5000, headersMs: undefined, bodyMs: 60_000, totalMs: undefined },
      health: undefined,
      breaker: { failures: 5, pauseMs: 10_000, longestPauseMs: 300_000 },
    })
  })

  it('say everything', () => {
    const [upstream] = resolve(
      upstreams({
        origin,
        targets: ['https://10.0.0.1:8443', 'https://10.0.0.2:8443/'],
        tls: { ca: certificate, cert: certificate, key, servername: 'orders.example.com' },
        http2: true,
        connections: 10,
        queue: 0,
        eventStreams: 100,
        retries: 0,
        timeouts: { connect: '1s', headers: '2s', body: '3s', total: '1m' },
        health: { path: '/healthz?deep=1', interval: '5s' },
        breaker: { failures: 2, pause: '10m', longestPause: '5m' },
      }),
    ).upstreams
    expect(upstream).toMatchObject({
      targets: ['https://10.0.0.1:8443', 'https://10.0.0.2:8443'],
      tls: { ca: [certificate], cert: certificate, key, servername: 'orders.example.com' },
      queue: 0,
      timeouts: { connectMs: 1000, headersMs: 2000, bodyMs: 3000, totalMs: 60_000 },
      health: { path: '/healthz?deep=1', intervalMs: 5000, timeoutMs: 5000, unhealthyAfter: 2, healthyAfter: 2 },
      // The longest pause is never shorter than the first.
      breaker: { failures: 2, pauseMs: 600_000, longestPauseMs: 600_000 },
    })
  })

  it('give routes without a timeout theirs', () => {
    const timeouts = { headers: '7s' }
    const [without, own] = resolve(
      good({
        upstreams: [{ origin, timeouts }],
        routes: [goodRoute(), goodRoute({ path: '/api/slow/*', upstream: `${origin}/slow`, timeout: '50s' })],
      }),
    ).routes
    expect(without?.timeoutMs).toBe(7000)
    expect(own?.timeoutMs).toBe(50_000)
  })

  it('may have the breaker off', () => {
    expect(resolve(upstreams({ origin, breaker: false })).upstreams[0]?.breaker).toBeUndefined()
  })

  it('that no route leads to are noticed', () => {
    expect(resolve(upstreams({ origin: 'https://other.internal' })).notices).toContain(
      'upstreams names https://other.internal, and no route leads there',
    )
  })
})

test.each<[string, unknown, string]>([
  ['no list', { origin }, 'upstreams has to be a list'],
  ['an unset variable', [{ origin: undefined }], 'upstreams[0].origin is not set'],
  ['a path', [{ origin: `${origin}/v1` }], 'upstreams[0].origin is more than an origin'],
  ['an unknown setting', [{ origin, http3: true }], 'upstreams[0].http3 is not a known setting → write http2'],
  ['no target', [{ origin, targets: [] }], 'upstreams[0].targets is empty'],
  ['a target in plain http', [{ origin, targets: ['http://10.0.0.1'] }], 'upstreams[0].targets[0] is not https'],
  [
    'a loopback origin whose target is elsewhere, in plain http',
    [{ origin: 'http://localhost:4000', targets: ['http://10.0.0.1'] }],
    'upstreams[0].targets[0] is plain http, and its host is not this machine',
  ],
  ['this server', [{ origin: 'https://app.example.com' }], 'upstreams[0].origin is this server itself'],
  ['this server as a target', [{ origin, targets: ['https://app.example.com'] }], 'targets[0] is this server itself'],
  ['the same origin twice', [{ origin }, { origin }], 'upstreams[1] names https://orders.internal, as upstreams[0]'],
  [
    'one machine under two names',
    [{ origin: 'http://localhost:1' }, { origin: 'http://127.0.0.1:1' }],
    'upstreams[1] names http://localhost:1, as upstreams[0] does',
  ],
  [
    'an origin that is a target of another',
    [{ origin: 'https://a.internal', targets: ['https://b.internal'] }, { origin: 'https://b.internal' }],
    'upstreams[1] names https://b.internal, as upstreams[0] does',
  ],
  ['TLS in plain http', [{ origin: 'http://localhost:1', tls: {} }], 'upstreams[0].tls is of no use'],
  ['a file name for a certificate', [{ origin, tls: { ca: 'ca.pem' } }], 'upstreams[0].tls.ca[0] is no certificate'],
  ['a certificate without its key', [{ origin, tls: { cert: certificate } }], 'upstreams[0].tls.key is not set'],
  ['a key that is none', [{ origin, tls: { cert: certificate, key: certificate } }], 'tls.key is no private key'],
  ['no connection', [{ origin, connections: 0 }], 'upstreams[0].connections is not a whole number'],
  ['a time that is none', [{ origin, timeouts: { total: 'soon' } }], 'upstreams[0].timeouts.total is not a duration'],
  ['a health check without a path', [{ origin, health: {} }], 'upstreams[0].health.path is not set'],
  ['a health check elsewhere', [{ origin, health: { path: 'http://x/' } }], 'upstreams[0].health.path is not a path'],
  ['a breaker that is true', [{ origin, breaker: true }], 'upstreams[0].breaker has to be an object'],
])('%s is refused', (_what, said, mistake) => {
  expect(mistakes(good({ upstreams: said })).join('\n')).toContain(mistake)
})

test('a key is never shown, wherever it was written', () => {
  const said = mistakes(upstreams({ origin, tls: { key, [key]: 1 }, [key]: 1 })).join('\n')
  expect(said).not.toContain(key.split('\n')[1])
})

describe('one resource', () => {
  const open = { auth: 'none', reason: 'a test' }

  it('is the same under the name of an upstream and under that of its target', () => {
    const config = good({
      upstreams: [{ origin, targets: ['https://10.0.0.1'] }],
      routes: [goodRoute(), goodRoute({ path: '/open/*', upstream: 'https://10.0.0.1/v1', ...open })],
    })
    expect(mistakes(config).join('\n')).toContain(
      "routes[1] reaches a resource with auth 'none' that routes[0] reaches",
    )
  })

  it('goes by the name that upstreams has, so that no route evades its settings', () => {
    const config = good({
      upstreams: [{ origin: 'http://localhost:4000' }],
      routes: [goodRoute({ upstream: 'http://127.0.0.1:4000/v1' })],
    })
    expect(mistakes(config).join('\n')).toContain(
      'routes[0].upstream is another name of http://localhost:4000, whose settings it would go without → write http://localhost:4000/v1',
    )
  })
})

describe('trailers', () => {
  it('are named in any case', () => {
    const [route] = resolve(good({ routes: [goodRoute({ trailers: ['Server-Timing'] })] })).routes
    expect(route?.trailers).toEqual(new Set(['server-timing']))
  })

  it.each([
    'Content-Length',
    'set-cookie',
    'Transfer-Encoding',
    'cache-control',
    'If-Match',
    'content-security-policy',
  ])('%s may not be one', (name) => {
    expect(mistakes(good({ routes: [goodRoute({ trailers: [name] })] })).join('\n')).toContain(
      'routes[0].trailers[0] is a field that may not be a trailer',
    )
  })
})

describe('where there is only fetch', () => {
  it('everything that it cannot do is refused by name', () => {
    const config = resolve(
      good({
        maxRequests: 10,
        upstreams: [
          {
            origin,
            tls: { ca: certificate },
            http2: true,
            health: { path: '/' },
            timeouts: { headers: '1s', body: '1s' },
          },
        ],
        routes: [goodRoute({ earlyHints: true, trailers: ['server-timing'] })],
      }),
    )
    expect(() => refuseNodeOnly(config)).toThrow(/maxRequests is for Node only/)
    expect(config.nodeOnly).toEqual([
      'maxRequests',
      'upstreams[0].tls',
      'upstreams[0].http2',
      'upstreams[0].health',
      'upstreams[0].timeouts.body',
      'routes[0].earlyHints',
      'routes[0].trailers',
    ])
  })

  it('the time limit of a head is not', () => {
    const config = resolve(upstreams({ origin, timeouts: { headers: '1s' } }))
    expect(() => refuseNodeOnly(config)).not.toThrow()
  })
})
