/**
 * An API, or who has got hold of one, that attacks with its answers: second answers in one, cookies and orders about our
 * origin, words to caches, floods of 1xx, bombs. Written byte by byte; the browser's side is read from the socket.
 */
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { resolveConfig } from '../../src/config/resolve.ts'
import type { UserConfig } from '../../src/config/user-config.ts'
import type { RouteConfig } from '../../src/config/user-routes.ts'
import { testSecret } from '../support/system.ts'
import { type Attacked, answerTo, startAttacked, statusesOf } from './attacked.ts'

/** Trailer fields that a configuration may name, and that speak for our origin all the same. */
const spokenInTrailers = [
  ...['set-cookie2', 'clear-site-data', 'refresh', 'strict-transport-security', 'alt-svc', 'nel', 'report-to'],
  ...['service-worker-allowed', 'sourcemap', 'x-accel-redirect', 'public-key-pins', 'set-login'],
]

let attacked: Attacked
beforeAll(async () => {
  attacked = await startAttacked({
    routes: [
      { path: '/api/*', upstream: '/v1', auth: 'session' },
      { path: '/kept/*', upstream: '/kept', auth: 'session', cache: 'private' },
      { path: '/open/*', upstream: '/open', auth: 'none', reason: 'a test' },
      { path: '/page/*', upstream: '/page', auth: 'none', reason: 'a test', content: 'page' },
      {
        ...{ path: '/hinted/*', upstream: '/page', auth: 'none', reason: 'a test', content: 'page' },
        ...{ earlyHints: true, trailers: ['server-timing', ...spokenInTrailers] },
      },
    ],
  })
})
afterAll(() => attacked.stop())
beforeEach(() => attacked.upstream.reset())

const get = (target = '/open/x', fields: readonly string[] = []) =>
  answerTo(
    attacked.port,
    `${[`GET ${target} HTTP/1.1`, `Host: ${attacked.host}`, ...fields, 'Connection: close'].join('\r\n')}\r\n\r\n`,
  )
const configWith = (headers: NonNullable<RouteConfig['headers']>): UserConfig => ({
  baseUrl: 'https://app.example.com',
  provider: { issuer: 'https://login.example.com', clientId: 'app', clientSecret: 'a-secret-of-nobody' },
  session: { secrets: [testSecret] },
  routes: [{ path: '/api/*', upstream: 'https://api.example.com', auth: 'session', headers }],
})
const headOf = (answer: string) => answer.slice(0, answer.indexOf('\r\n\r\n'))
const namesOf = (answer: string) =>
  headOf(answer)
    .split('\r\n')
    .slice(1)
    .map((line) => line.slice(0, line.indexOf(':')).toLowerCase())

/** All that our own server and rules may say, besides what the API says of its content. */
const allowed = new Set([
  ...[
    'date',
    'connection',
    'content-length',
    'transfer-encoding',
    'content-type',
    'content-disposition',
    'cache-control',
  ],
  ...[
    'x-content-type-options',
    'content-security-policy',
    'cross-origin-resource-policy',
    'referrer-policy',
    'vary',
    'etag',
  ],
])

describe('an answer with two ends', () => {
  it.each([
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 7\r\n\r\nok',
    'HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok',
    'HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\nok\r\n0\r\n\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\nok\r\n0\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok',
    'HTTP/1.1 200 OK\r\nX: a\r\n Content-Length: 2\r\n\r\nok',
    'HTTP/1.1 200 OK\nContent-Length: 2\n\nok',
    'HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b=c\r\nContent-Length: 2\r\n\r\nok',
    'HTTP/1.1 200 OK\r\nX: a\nSet-Cookie: b=c\r\nContent-Length: 2\r\n\r\nok',
    'HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 2\r\n\r\nok',
    'HTTP/1.1 200 O\rK\r\nContent-Length: 2\r\n\r\nok',
    'HTTP/1.1 999 Odd\r\nContent-Length: 2\r\n\r\nok',
    'HTTP/1.1 099 Odd\r\nContent-Length: 2\r\n\r\nok',
    'HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok',
    'ICY 200 OK\r\nContent-Length: 2\r\n\r\nok',
    `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(200_000)}\r\nContent-Length: 2\r\n\r\nok`,
    `HTTP/1.1 200 OK\r\n${'X: y\r\n'.repeat(50_000)}Content-Length: 2\r\n\r\nok`,
  ])('%j is one answer, or none', async (answer) => {
    attacked.upstream.answerWith((socket) => socket.end(answer, 'latin1'))
    const text = await get()
    expect(statusesOf(text)).toHaveLength(1)
    expect(namesOf(text)).not.toContain('set-cookie')
    // One framing, towards the browser too.
    expect(
      namesOf(text).filter((name) => name === 'content-length' || name === 'transfer-encoding').length,
    ).toBeLessThan(2)
  })

  it('a second one behind the first is nobody’s', async () => {
    const poison = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison'
    let isFirst = true
    attacked.upstream.answerWith((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok${isFirst ? poison : ''}`)
      isFirst = false
    })
    const answers = [await get('/open/1'), await get('/open/2'), await get('/open/3')]
    expect(answers.join()).not.toContain('poison')
    expect(answers.map((answer) => statusesOf(answer)[0])).toEqual([200, 200, 200])
  })

  it('one that comes before it was asked for is nobody’s', async () => {
    const ended = new Promise<void>((resolve) => {
      attacked.upstream.answerWith((socket) => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
        setImmediate(() => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison'))
        socket.once('close', resolve)
      })
    })
    expect(await get('/open/1')).not.toContain('poison')
    // The connection that spoke unasked is not used again.
    await ended
    attacked.upstream.answerWith('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    const answers = await Promise.all(Array.from({ length: 5 }, (_, index) => get(`/open/${index}`)))
    expect(answers.join()).not.toContain('poison')
  })

  it.each([
    ['HEAD', '200 OK\r\nContent-Length: LENGTH'],
    ['GET', '204 No Content\r\nContent-Length: LENGTH'],
    ['GET', '304 Not Modified\r\nContent-Length: LENGTH'],
    ['GET', '204 No Content\r\nTransfer-Encoding: chunked'],
    ['GET', '205 Reset Content\r\nContent-Length: LENGTH'],
  ])('a body behind one that has none (%s, %j) is nobody’s answer', async (method, status) => {
    const poison = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison'
    attacked.upstream.answerWith((socket, { target }) => {
      if (target === '/open/first') {
        socket.write(`HTTP/1.1 ${status.replace('LENGTH', String(poison.length))}\r\n\r\n${poison}`)
      } else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    })
    const first = await answerTo(
      attacked.port,
      `${method} /open/first HTTP/1.1\r\nHost: ${attacked.host}\r\nConnection: close\r\n\r\n`,
    )
    expect(statusesOf(first)).toHaveLength(1)
    for (let count = 0; count < 3; count++) {
      const answer = await get(`/open/${count}`)
      expect(answer).not.toContain('poison')
      expect(statusesOf(answer)).toEqual([200])
    }
  })

  it('a part of one is not sent as a whole', async () => {
    attacked.upstream.answerWith((socket) =>
      socket.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n'),
    )
    expect(await get()).not.toMatch(/0\r\n\r\n$/)
  })
})

describe('an answer that splits ours', () => {
  it.each([
    ...['a\r\nSet-Cookie: x=y', 'a%0d%0aSet-Cookie:%20x=y', 'a\u010d\u010aSet-Cookie: x=y', 'a\\r\\nSet-Cookie: x=y'],
    ...['\u560d\u560aSet-Cookie: x=y', 'a\r\n\r\n<script>'],
  ])('by the value %j has no field more, and no second body', async (value) => {
    attacked.upstream.answerWith(
      (socket) => void socket.end(Buffer.from(`HTTP/1.1 200 OK\r\nX-Note: ${value}\r\nContent-Length: 2\r\n\r\nok`)),
    )
    const answer = await get()
    expect(namesOf(answer)).not.toContain('set-cookie')
    expect(statusesOf(answer)).toHaveLength(1)
  })

  it.each([
    '/open/a%0d%0aSet-Cookie:%20x=y',
    '/open/a\r\nSet-Cookie: x=y',
    '/v1/x',
    '//evil.example/x',
    'https://evil.example/',
    '/open/%0aX',
    'javascript:alert(1)',
    '/open/../bff/logout/continue',
  ])('by the Location %j is 502, or stays ours', async (location) => {
    attacked.upstream.answerWith((socket) =>
      socket.end(`HTTP/1.1 302 Found\r\nLocation: ${location}\r\nContent-Length: 0\r\n\r\n`),
    )
    const answer = await get()
    expect(namesOf(answer)).not.toContain('set-cookie')
    const [, sent] = /\r\nlocation: (.*)\r\n/i.exec(`${headOf(answer)}\r\n`) ?? []
    if (sent !== undefined) expect(sent).toMatch(/^\/open\//)
    else expect(statusesOf(answer)).toEqual([502])
  })

  it('by the configuration does not start', () => {
    for (const value of ['a\r\nSet-Cookie: x=y', 'a\nb', 'a\0b', '\u010d\u010a']) {
      for (const rules of [
        { set: { 'x-note': value } },
        { add: { 'x-note': value } },
        { set: { [`x-${value}`]: 'a' } },
      ]) {
        for (const headers of [{ request: rules }, { response: rules }]) {
          expect(() => resolveConfig(configWith(headers), {}), JSON.stringify(headers)).toThrow('headers')
        }
      }
    }
    expect(() => resolveConfig(configWith({ response: { set: { 'x-note': 'a' } } }), {})).not.toThrow()
  })

  it('by its reason phrase does not: ours is the standard’s', async () => {
    attacked.upstream.answerWith('HTTP/1.1 200 <script>alert(1)</script>\r\nContent-Length: 2\r\n\r\nok')
    expect((await get()).split('\r\n')[0]).toBe('HTTP/1.1 200 OK')
  })
})

describe('an answer that speaks for our origin', () => {
  const ours = ['__Host-Http-coatcheck', '__Host-Http-coatcheck.0', '__Host-Http-coatcheck-id', '__Host-coatcheck', 'x']
  const fields = [
    ...ours.map((name) => `Set-Cookie: ${name}=evil; Path=/; Secure; HttpOnly`),
    ...ours.map((name) => `SET-COOKIE: ${name}=evil; Domain=localhost`),
    ...[
      'Set-Cookie2: a=evil',
      'Clear-Site-Data: "*"',
      'Refresh: 0;url=https://evil.example',
      'Strict-Transport-Security: max-age=0',
    ],
    ...[
      'Access-Control-Allow-Origin: https://evil.example',
      'Access-Control-Allow-Credentials: true',
      'Service-Worker-Allowed: /',
    ],
    ...[
      'Alt-Svc: h3="evil.example:443"',
      'Public-Key-Pins: x',
      'NEL: {}',
      'Report-To: {}',
      'Reporting-Endpoints: a="//evil"',
    ],
    ...[
      'SourceMap: //evil.example/x',
      'X-SourceMap: //evil',
      'Link: <//evil.example/x>; rel=preload; as=script',
      'P3P: x',
    ],
    ...[
      'X-Accel-Redirect: /internal',
      'X-Sendfile: /etc/passwd',
      'X-Reproxy-URL: //evil',
      'X-LIGHTTPD-send-file: /etc/passwd',
    ],
    ...['WWW-Authenticate: Basic realm="evil"', 'Proxy-Authenticate: Basic', 'Authentication-Info: x', 'DPoP-Nonce: x'],
    ...[
      'Content-Security-Policy: script-src *',
      'X-Frame-Options: ALLOWALL',
      'Cross-Origin-Resource-Policy: cross-origin',
    ],
    ...[
      'X-Content-Type-Options: sniff',
      'Permissions-Policy: camera=*',
      'Origin-Agent-Cluster: ?0',
      'Speculation-Rules: "//evil"',
    ],
    ...['Upgrade: h2c', 'Keep-Alive: timeout=99999', 'Proxy-Connection: keep-alive', 'Server: evil/1', 'Via: 1.1 evil'],
    ...['X-Middleware-Rewrite: //evil', 'X-Coatcheck-Held: 0', 'Set-Login: logged-out', 'Accept-CH: Sec-CH-UA-Full'],
    ...[
      'Integrity-Policy: x',
      'Use-As-Dictionary: match="*"',
      'No-Vary-Search: params',
      'Attribution-Reporting-Register-Source: {}',
    ],
    ...['Sec-Session-Registration: (ES256);path="//evil"', 'Secure-Session-Registration: x', 'Shared-Storage-Write: x'],
  ]

  it.each(['/open/x', '/api/x', '/kept/x'])('is not heard, on %s', async (target) => {
    const browser = await attacked.signedIn()
    attacked.upstream.answerWith(
      `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n${fields.join('\r\n')}\r\nContent-Length: 2\r\n\r\n{}`,
    )
    const answer = await get(target, [`Cookie: ${browser.cookies.header(attacked.origin)}`, 'X-CSRF: 1'])
    expect(statusesOf(answer)).toEqual([200])
    // What an API asks for is for the caller, where it is the caller who has a token.
    const challenges = target === '/open/x' ? ['www-authenticate', 'authentication-info', 'dpop-nonce'] : []
    const others = namesOf(answer).filter((name) => !allowed.has(name) && !challenges.includes(name))
    expect(others).toEqual([])
    expect(headOf(answer).replace(/www-authenticate: .*/i, '')).not.toContain('evil')
  })

  it('is not heard in 1xx answers and trailers either', async () => {
    const hints = ['Link: </next>; rel=next', ...fields].join('\r\n')
    const trailers = ['Server-Timing: db;dur=1', ...spokenInTrailers.map((name) => `${name}: evil`), ...fields]
    attacked.upstream.answerWith(
      [
        `HTTP/1.1 103 Early Hints\r\n${hints}\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked`,
        `Trailer: Server-Timing, Set-Cookie, ${spokenInTrailers.join(', ')}\r\n\r\n2\r\nok\r\n0`,
        `${trailers.join('\r\n')}\r\n\r\n`,
      ].join('\r\n'),
    )
    const answer = await get('/hinted/x')
    // Both pass, so that what does not is left out.
    expect(answer).toMatch(/^HTTP\/1\.1 103 Early Hints\r\nLink: <\/next>; rel=next\r\n\r\nHTTP\/1\.1 200 OK\r\n/)
    expect(answer).toMatch(/\r\n2\r\nok\r\n0\r\nserver-timing: db;dur=1\r\n\r\n$/i)
    expect(answer).not.toContain('evil')
    // The announcement is a list of what the route names; none of it is a field.
    expect(answer.toLowerCase()).not.toMatch(/^set-cookie/m)
  })
})

describe('a word to caches', () => {
  const words = [
    'Cache-Control: public, s-maxage=31536000, immutable',
    'CDN-Cache-Control: max-age=31536000',
    'Cloudflare-CDN-Cache-Control: public',
    'Surrogate-Control: max-age=31536000',
    'Edge-Control: cache-maxage=1y',
    'Expires: Fri, 01 Jan 2038 00:00:00 GMT',
    'Pragma: cache',
    'Surrogate-Key: all',
    'Cache-Tag: all',
  ]
  const answerWithWords = () =>
    attacked.upstream.answerWith(
      `HTTP/1.1 200 OK\r\nContent-Type: text/css\r\n${words.join('\r\n')}\r\nContent-Length: 2\r\n\r\nok`,
    )
  const cacheControls = (answer: string) =>
    [...headOf(answer).matchAll(/\r\ncache-control: (.*)/gi)].map(([, value]) => value)

  it.each([...['/api/x', '/kept/x', '/api/account/x.css', '/api/x.js?v=1', '/kept/logo.png', '/kept/robots.txt']])(
    'beside a cookie of ours is private, no-store, on %s (CVE-2025-48947, CVE-2025-64762)',
    async (target) => {
      const browser = await attacked.signedIn()
      // The idle clock is written on with the next answer.
      attacked.advance(120_000)
      answerWithWords()
      const answer = await get(target, [`Cookie: ${browser.cookies.header(attacked.origin)}`, 'X-CSRF: 1'])
      expect(namesOf(answer)).toContain('set-cookie')
      expect(cacheControls(answer)).toEqual(['private, no-store'])
      expect(headOf(answer)).not.toMatch(/s-maxage|cdn-cache|surrogate|edge-control|cache-tag/i)
    },
  )

  it('on a session route is for the browser alone, also under the name of a picture (cache deception)', async () => {
    const browser = await attacked.signedIn()
    answerWithWords()
    for (const target of ['/api/me/avatar.png', '/kept/me/avatar.png', '/kept/x.css?cb=1']) {
      const answer = await get(target, [`Cookie: ${browser.cookies.header(attacked.origin)}`, 'X-CSRF: 1'])
      expect(cacheControls(answer)[0]).toMatch(/^private/)
      expect(headOf(answer)).not.toMatch(/public|s-maxage|cdn-cache|surrogate/i)
    }
  })

  it('is ours on every answer that sets a cookie, from the sign-in to the sign-out', async () => {
    const { port } = attacked
    const browser = await attacked.signedIn()
    const cookie = `Cookie: ${browser.cookies.header(attacked.origin)}`
    for (const [line, fields] of [
      ['GET /bff/login HTTP/1.1', []],
      ['GET /bff/session HTTP/1.1', [cookie, 'X-CSRF: 1']],
      ['POST /bff/logout HTTP/1.1', [cookie, 'X-CSRF: 1', 'Content-Length: 0']],
    ] as const) {
      const answer = await answerTo(
        port,
        `${[line, `Host: ${attacked.host}`, ...fields, 'Connection: close'].join('\r\n')}\r\n\r\n`,
      )
      expect(cacheControls(answer), line).toEqual(['no-store'])
    }
  })

  it('cannot be had by fields that no cache has as a key: answers do not depend on them (poisoning)', async () => {
    const poison = [
      'X-Forwarded-Host: evil.example',
      'X-Forwarded-Scheme: nothttps',
      'X-Original-URL: /evil',
      'X-Host: evil.example',
    ]
    attacked.upstream.answerWith((socket, request) => {
      const text = request.fields.map((field) => field.join(': ')).join('\n')
      socket.write(`HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${text.length}\r\n\r\n${text}`)
    })
    const withoutDate = (answer: string) => answer.replace(/\r\ndate: .*/i, '')
    const plain = withoutDate(await get('/open/x'))
    for (const field of poison) expect(withoutDate(await get('/open/x', [field]))).toBe(plain)
  })
})

describe('a flood', () => {
  it('of 1xx answers is not kept, and not passed on', async () => {
    const flood = 'HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n'.repeat(20_000)
    attacked.upstream.answerWith((socket) => {
      socket.write(flood)
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    })
    const answer = await get()
    expect(answer.length).toBeLessThan(2000)
    expect(statusesOf(answer)).toEqual([502])
  })

  it('of 1xx answers without an end is ended by their number', async () => {
    attacked.upstream.answerWith((socket) => {
      const timer = setInterval(() => socket.write('HTTP/1.1 103 Early Hints\r\n\r\n'), 1)
      socket.once('close', () => clearInterval(timer))
    })
    expect(statusesOf(await get())).toEqual([502])
  })

  it('that is small on the wire stays so: a gzip bomb passes as it came, and is not blown up here', async () => {
    const bomb = gzipSync(Buffer.alloc(64 * 2 ** 20), { level: 9 })
    expect(bomb.byteLength).toBeLessThan(2 ** 19)
    attacked.upstream.answerWith((socket) => {
      socket.write(
        `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip, gzip\r\nContent-Length: ${bomb.byteLength}\r\n\r\n`,
      )
      socket.write(bomb)
    })
    const before = process.memoryUsage.rss()
    const answers = await Promise.all(Array.from({ length: 10 }, () => get('/open/x', ['Accept-Encoding: gzip'])))
    for (const answer of answers) {
      expect(Buffer.from(answer.slice(answer.indexOf('\r\n\r\n') + 4), 'latin1').equals(bomb)).toBe(true)
      expect(headOf(answer)).toMatch(/content-encoding: gzip, gzip/i)
    }
    // Ten of them would be 640 MB.
    expect(process.memoryUsage.rss() - before).toBeLessThan(200 * 2 ** 20)
  })
})
