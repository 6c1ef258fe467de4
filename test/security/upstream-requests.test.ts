/**
 * What reaches the API: one request with one framing, fields of the list alone, and of the caller's identity nothing but
 * the token. Written on a raw socket, read by an API that forgives nothing.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Attacked, answerTo, connectTo, startAttacked, statusesOf } from './attacked.ts'
import type { WireRequest } from './recording-upstream.ts'

describe.each([
  ['our own server', 'own'],
  ['another server, with our runtime', 'other'],
] as const)('under %s', (_whose, server) => {
  let attacked: Attacked
  let cookie: string
  beforeAll(async () => {
    attacked = await startAttacked({
      server,
      routes: [
        { path: '/api/*', upstream: '/v1', auth: 'session', methods: ['GET', 'POST'], requestHeaders: ['x-tenant'] },
        { path: '/open/*', upstream: '/open', auth: 'none', reason: 'a test', methods: ['GET', 'POST'] },
      ],
    })
    cookie = (await attacked.signedIn()).cookies.header(attacked.origin) ?? ''
  })
  afterAll(() => attacked.stop())
  beforeEach(() => attacked.upstream.reset())

  const call = (fields: readonly string[], { line = 'GET /api/x HTTP/1.1', body = '' } = {}) =>
    answerTo(
      attacked.port,
      `${[line, `Host: ${attacked.host}`, `Cookie: ${cookie}`, 'X-CSRF: 1', ...fields].join('\r\n')}\r\n\r\n${body}` +
        `GET /open/last HTTP/1.1\r\nHost: ${attacked.host}\r\nConnection: close\r\n\r\n`,
    )

  /** Of the call itself; the one after it ends the connection. */
  function reached(): WireRequest {
    expect(attacked.upstream.garbage()).toEqual([])
    const [request, ...more] = attacked.upstream.requests().filter(({ target }) => target !== '/open/last')
    expect(more).toEqual([])
    if (!request) throw new Error('nothing reached the API')
    return request
  }
  const namesOf = ({ fields }: WireRequest) => fields.map(([name]) => name.toLowerCase()).sort()
  const valuesOf = ({ fields }: WireRequest, wanted: string) =>
    fields.filter(([name]) => name.toLowerCase() === wanted).map(([, value]) => value)

  /** What a call without any field of its own has at the API. */
  const always = ['authorization', 'connection', 'host', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto']

  describe('fields of a caller', () => {
    /** Names that some server behind takes for others: WSGI, PHP and CGI read `-` and `_` as one (CVE-2025-64484). */
    const spellings = (name: string) => [
      name,
      name.toUpperCase(),
      name.replaceAll('-', '_'),
      name.replaceAll('-', '_').toUpperCase(),
      name.replace('-', '_'),
      name.replaceAll('-', '.'),
      name.replaceAll('-', '--'),
      `HTTP_${name.replaceAll('-', '_')}`,
      `HTTP-${name}`,
      `${name}-`,
      `_${name}`,
      `${name}_`,
      `${name}.`,
      `${name}'`,
      `|${name}`,
    ]
    const dangerous = [
      ...['authorization', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-forwarded-user', 'forwarded'],
      ...['x-forwarded-access-token', 'x-forwarded-email', 'x-forwarded-groups', 'x-forwarded-preferred-username'],
      ...['x-forwarded-uri', 'x-forwarded-method', 'x-forwarded-prefix', 'x-forwarded-port', 'x-forwarded-client-cert'],
      ...['x-real-ip', 'x-original-url', 'x-rewrite-url', 'x-original-method', 'x-http-method-override', 'x-user'],
      ...['x-auth-request-user', 'x-auth-request-email', 'x-remote-user', 'remote-user', 'x-middleware-subrequest'],
      ...['proxy-authorization', 'x-csrf', 'true-client-ip', 'cf-connecting-ip', 'x-envoy-original-path', 'x-host'],
      ...['x-ms-client-principal', 'x-goog-iap-jwt-assertion', 'x-amzn-oidc-identity', 'x-ssl-client-verify', 'dpop'],
      ...['content_length', 'transfer_encoding', 'accept_encoding', 'content_type', 'x_tenant', 'x-tenant_'],
    ]

    it.each(dangerous)('%s does not pass, however it is spelled', async (name) => {
      const fields = [...new Set(spellings(name))].map((spelling) => `${spelling}: forged-value`)
      // Its own name is a check of ours: a forged one would be refused.
      const sent = fields.filter((field) => !/^x-csrf:/i.test(field))
      expect(statusesOf(await call(sent))).toEqual([200, 200])
      expect(namesOf(reached())).toEqual(always)
      expect(attacked.upstream.bytes()).not.toContain('forged-value')
    })

    it('that an operator lets through passes under its own name alone', async () => {
      await call(['X_Tenant: a', 'X-Tenant: b', 'X.Tenant: c', 'XTenant: d'])
      expect(namesOf(reached())).toEqual([...always, 'x-tenant'].sort())
      expect(valuesOf(reached(), 'x-tenant')).toEqual(['b'])
    })

    it('say nothing of where it comes from: ours are the only ones', async () => {
      await call(['X-Forwarded-For: 203.0.113.9', 'X-Forwarded-Host: evil.example', 'X-Forwarded-Proto: https'])
      const request = reached()
      expect(valuesOf(request, 'x-forwarded-host')).toEqual([attacked.host])
      expect(valuesOf(request, 'x-forwarded-proto')).toEqual(['http'])
      expect(valuesOf(request, 'x-forwarded-for')[0]).toMatch(/^(127\.0\.0\.1|::1)$/)
    })

    it('named like members of every object are names like others', async () => {
      await call(['__proto__: x', 'constructor: x', 'hasOwnProperty: x', 'toString: x', 'prototype: x', 'then: x'])
      expect(namesOf(reached())).toEqual(always)
      expect(({} as Record<string, unknown>).x).toBeUndefined()
    })

    it('in thousands: refused by Node’s limit, or none of them passes', async () => {
      for (const count of [500, 1000, 2500]) {
        attacked.upstream.reset()
        const [status] = statusesOf(await call(Array.from({ length: count }, (_, index) => `A${index}:`)))
        expect([200, 431]).toContain(status)
        if (status === 200) expect(namesOf(reached())).toEqual(always)
      }
    })
  })

  describe('Connection', () => {
    it.each([
      'keep-alive, Authorization, X-Forwarded-For, X-Forwarded-Host, X-Forwarded-Proto, Host',
      'authorization,x-forwarded-for,x-forwarded-host,x-forwarded-proto,host,connection',
      'Keep-Alive, Cookie, X-CSRF, Authorization',
      'Transfer-Encoding, Content-Length, Content-Type',
      'upgrade, http2-settings, te',
      ', ,"authorization",authorization;q=1',
    ])('%j takes none of our own fields away (CVE-2025-48865)', async (connection) => {
      const answer = await call([`Connection: ${connection}`, 'Content-Length: 5'], {
        line: 'POST /api/x HTTP/1.1',
        body: 'abcde',
      })
      expect(statusesOf(answer)[0]).toBe(200)
      const request = reached()
      expect(namesOf(request)).toEqual(expect.arrayContaining(always))
      expect(valuesOf(request, 'authorization')[0]).toMatch(/^Bearer ey/)
      expect(request.body).toBe('abcde')
    })

    it('takes the caller’s own fields away, as RFC 9110 §7.6.1 says', async () => {
      await call(['Connection: Accept-Language, Prefer', 'Accept-Language: de', 'Prefer: x', 'Accept: text/plain'])
      expect(namesOf(reached())).toEqual([...always, 'accept'].sort())
    })
  })

  describe('Upgrade', () => {
    it.each(['h2c', 'H2C', 'h2c, websocket', 'TLS/1.0', 'HTTP/2.0'])(
      '%s is plain HTTP, here and at the API',
      async (to) => {
        const answer = await call([
          'Connection: Upgrade, HTTP2-Settings',
          `Upgrade: ${to}`,
          'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA',
        ])
        // And the last on its connection: Node throws away what came in one piece with it.
        expect(statusesOf(answer)).toEqual([200])
        expect(namesOf(reached())).toEqual(always)
        expect(attacked.upstream.requests()).toHaveLength(1)
      },
    )

    it('leaves no half of a request behind that looks like a whole one', async () => {
      const half = `POST /open/x HTTP/1.1\r\nHost: ${attacked.host}\r\nContent-Length: 60\r\n\r\n`
      const upgrade = `GET /open/x HTTP/1.1\r\nHost: ${attacked.host}\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n`
      const { socket, closed } = connectTo(attacked.port, upgrade + half)
      await expect.poll(() => attacked.upstream.requests().length).toBe(1)
      socket.write(`GET /open/smuggled HTTP/1.1\r\nHost: ${attacked.host}\r\n\r\n`)
      expect(statusesOf(await closed).length).toBeLessThanOrEqual(1)
      expect(attacked.upstream.bytes()).not.toContain('smuggled')
    })

    it('that was answered with 101 by the API is no tunnel', async () => {
      attacked.upstream.answerWith((socket) => {
        socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\ntunnelled')
      })
      const answer = await answerTo(
        attacked.port,
        `GET /open/x HTTP/1.1\r\nHost: ${attacked.host}\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n`,
      )
      expect(statusesOf(answer)).toEqual([502])
      expect(answer).not.toContain('tunnelled')
    })

    it('HTTP/2 by prior knowledge is refused', async () => {
      const answer = await answerTo(attacked.port, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0')
      expect(statusesOf(answer)[0]).toBe(400)
      expect(attacked.upstream.bytes()).toBe('')
    })
  })

  describe('the framing at the API', () => {
    it.each<readonly [string, string[], string, string]>([
      ['a length', ['Content-Length: 11'], 'hello world', 'hello world'],
      ['chunks', ['Transfer-Encoding: chunked'], '5;x=y\r\nhello\r\n006\r\n world\r\n0\r\nX: y\r\n\r\n', 'hello world'],
      ['no content', ['Content-Length: 0'], '', ''],
      ['a length that Connection names', ['Content-Length: 5', 'Connection: Content-Length'], 'hello', 'hello'],
      [
        'chunks that Connection names',
        ['Transfer-Encoding: chunked', 'Connection: Transfer-Encoding'],
        '5\r\nhello\r\n0\r\n\r\n',
        'hello',
      ],
      ['Expect', ['Content-Length: 5', 'Expect: 100-continue'], 'hello', 'hello'],
      ['codings that TE takes', ['Content-Length: 5', 'TE: trailers, gzip'], 'hello', 'hello'],
      [
        'trailers that are announced',
        ['Transfer-Encoding: chunked', 'Trailer: Authorization'],
        '5\r\nhello\r\n0\r\nAuthorization: x\r\n\r\n',
        'hello',
      ],
    ])('of %s is one, and written anew', async (_what, fields, body, expected) => {
      await call(fields, { line: 'POST /api/x HTTP/1.1', body })
      const request = reached()
      expect(request.body).toBe(expected)
      const framing = request.fields.filter(([name]) => /^(content-length|transfer-encoding)$/i.test(name))
      expect(framing).toHaveLength(1)
      expect(request.trailers).not.toMatch(/authorization/i)
      expect(request.raw).not.toContain('x=y')
    })

    it('a target that ends a line early does not get there', async () => {
      for (const target of ['/api/x%0d%0aX:%20y', '/api/x%0aGET%20/admin', '/api/x\x0d', '/api/x\t']) {
        attacked.upstream.reset()
        const answer = await call([], { line: `GET ${target} HTTP/1.1` })
        expect(statusesOf(answer)[0]).toBe(400)
        expect(attacked.upstream.bytes()).not.toContain('/v1')
      }
    })
  })
})
