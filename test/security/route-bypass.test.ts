/**
 * Ways around a route's policy: by spellings of the path, by the query or a fragment, by fields that name another target
 * or host, by pretending to be a health check. Nobody is signed in here; the API answers everything, so that whatever gets
 * past shows.
 */
import { createServer, type Server } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { hostileTargets } from '../gateway/hostile-targets.ts'
import { type Attacked, answerTo, startAttacked, statusesOf } from './attacked.ts'

describe.each([
  ['our own server', 'own'],
  ['another server, with our runtime', 'other'],
] as const)('under %s', (_whose, server) => {
  let attacked: Attacked
  /** Listens where no input may lead us. */
  let elsewhere: Server
  let elsewhereOrigin: string
  let visits = 0
  beforeAll(async () => {
    attacked = await startAttacked({ server, config: { thirdPartyInitiatedLogin: true } })
    elsewhere = createServer((socket) => {
      visits++
      socket.destroy()
    })
    await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve))
    const address = elsewhere.address()
    elsewhereOrigin = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
  })
  afterAll(async () => {
    await attacked.stop()
    elsewhere.close()
  })
  beforeEach(() => {
    attacked.upstream.reset()
    visits = 0
  })

  const get = (target: string, fields: readonly string[] = [], method = 'GET') =>
    answerTo(
      attacked.port,
      `${[`${method} ${target} HTTP/1.1`, `Host: ${attacked.host}`, ...fields, 'Connection: close'].join('\r\n')}\r\n\r\n`,
    )

  /** Without a listener for CONNECT, which we have and others have not, Node ends the connection and says nothing. */
  const statusOf = (answer: string, isConnect: boolean) =>
    isConnect && server === 'other' && answer === '' ? 405 : statusesOf(answer)[0]

  /** The socket writes a byte a character. */
  const utf8 = (text: string) => Buffer.from(text).toString('latin1')

  /** What is for nobody without a session: refused, and not at the API. */
  async function expectNoWayIn(target: string, fields: readonly string[] = [], method = 'GET'): Promise<void> {
    const status = statusOf(await get(target, fields, method), method === 'CONNECT')
    expect([303, 400, 401, 403, 404, 405, 415, 421, 501], `${method} ${target} is ${status}`).toContain(status)
    expect(attacked.upstream.requests().filter(({ target: reached }) => !reached.startsWith('/open/'))).toEqual([])
  }

  describe('a path with an open route somewhere in it', () => {
    it.each([
      // The query and the fragment (CVE-2025-54576, CVE-2026-41059).
      ...[
        '/api/admin/x?/open/x',
        '/api/admin/x?a=/open/',
        '/api/x?x=1&y=/open/x/..',
        '/api/x?%2fopen%2fx',
        '/api/x?;/open/',
      ],
      ...['/api/admin/x#/open/x', '/api/x%23/open/x', '/api/x%3F/open/x', '/api/x%3f/../../open/x', '/api/x?#/open/x'],
      // Down from the open route.
      ...['/open/../api/x', '/open/..%2fapi/x', '/open/%2e%2e/api/x', '/open/%252e%252e/api/x', '/open/..;/api/x'],
      ...[
        '/open/.%2e/api/x',
        '/open/..\\api\\x',
        '/open/..%5capi/x',
        '/open/..%255capi/x',
        '/open//../api/x',
        '/open/./../api/x',
      ],
      ...['/open/%c0%ae%c0%ae/api/x', '/open/%e0%80%ae%e0%80%ae/api/x', '/open/..%00/api/x', '/open/..%c0%afapi/x'],
      ...['/open/%u002e%u002e/api/x', '/open/..%09/api/x', '/open/ ../api/x'],
      // Up to the protected one.
      ...[
        '//api/x',
        '/./api/x',
        '/%61pi/x',
        '/api%2fx',
        '/api%2Fadmin%2Fx',
        '/api\\x',
        '/api;/x',
        '/api;x=/open/x',
        '/api/x;/open/x',
      ],
      ...['/API/x', '/Api/admin/x', '/api/ADMIN/x', '/api/admin%2fx', '/api/admin/', '/api/admin', '/api/admin%00/x'],
      ...[
        '/api/x/%2e%2e/admin/x',
        '/api/;/admin/x',
        '/api/admin;.css/x',
        '/api/admin/x/.css',
        '/api/admin/x%0a.css',
        '/api/.;/admin/x',
      ],
      ...[
        '/open',
        '/Open/../api/x',
        '/openx/../api/x',
        '/open%2f..%2fapi/x',
        '/api/x/open/x',
        '/api/open/',
        '/bff/../api/x',
      ],
    ])('%s is no way in', (target) => expectNoWayIn(target))

    it('nor is anything of the hostile table, as anything but its own bytes', async () => {
      const answers = await Promise.all(
        hostileTargets.map(async (target) => [target, statusesOf(await get(utf8(target)))[0]] as const),
      )
      expect(answers.filter(([, status]) => status !== 400 && status !== 404 && status !== 505)).toEqual([])
      expect(attacked.upstream.bytes()).toBe('')
    })
  })

  describe('a field that names another target', () => {
    it.each([
      ...['X-Original-URL', 'X-Original-URI', 'X-Rewrite-URL', 'X-Forwarded-Uri', 'X-Forwarded-Path', 'X-Override-URL'],
      ...[
        'X-Envoy-Original-Path',
        'X-Forwarded-Prefix',
        'X-Forwarded-Request-Uri',
        'X-Accel-Redirect',
        'X-Matched-Path',
      ],
      ...['Content-Location', 'Destination', 'Referer', 'X-Invoke-Path', 'X-Url-Scheme', 'X-Proxy-URL', 'Base-Url'],
    ])('%s opens nothing, and moves nothing (CVE-2026-40575)', async (name) => {
      await expectNoWayIn('/api/admin/x', [`${name}: /open/x`])
      expect(attacked.upstream.bytes()).toBe('')
      await get('/open/x', [`${name}: /admin/x`])
      expect(attacked.upstream.requests().map(({ target }) => target)).toEqual(['/open/x'])
    })

    it.each(['X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override', 'X-Original-Method'])(
      '%s makes no other method',
      async (name) => {
        await get('/open/x', [`${name}: DELETE`])
        expect(attacked.upstream.requests()).toMatchObject([{ method: 'GET' }])
        expect(attacked.upstream.bytes()).not.toContain('DELETE')
        await get('/open/x?_method=DELETE')
        expect(attacked.upstream.requests().map(({ method }) => method)).toEqual(['GET', 'GET'])
      },
    )

    it('Next.js’s own for its middleware changes nothing here, and does not pass (CVE-2025-29927)', async () => {
      const fields = ['x-middleware-subrequest: middleware:middleware:middleware', 'x-middleware-rewrite: /admin']
      await expectNoWayIn('/api/admin/x', fields)
      await get('/open/x', fields)
      expect(attacked.upstream.bytes()).not.toContain('middleware')
    })
  })

  describe('a method', () => {
    it.each([
      ...[
        'OPTIONS',
        'TRACE',
        'TRACK',
        'CONNECT',
        'PROPFIND',
        'MOVE',
        'COPY',
        'LOCK',
        'SEARCH',
        'QUERY',
        'PURGE',
        'BIND',
      ],
      ...['LINK', 'M-SEARCH', 'REPORT', 'SUBSCRIBE', 'SOURCE', 'get', 'Get', 'GETT', 'DEBUG', 'HACK', 'DELETE'],
    ])('%s is no way in', (method) => expectNoWayIn('/api/admin/x', [], method))

    it.each(['OPTIONS', 'TRACE', 'PROPFIND', 'PURGE', 'QUERY'])(
      '%s does not pass on an open route either',
      async (method) => {
        expect([400, 405]).toContain(statusesOf(await get('/open/x', [], method))[0])
        expect(attacked.upstream.bytes()).toBe('')
      },
    )
  })

  describe('who says to be a health check or a machine of ours', () => {
    it.each([
      ...[
        'GoogleHC/1.0',
        'kube-probe/1.30',
        'ELB-HealthChecker/2.0',
        'Amazon-Route53-Health-Check-Service',
        'Prometheus/2.0',
      ],
      ...['Consul Health Check', 'Googlebot/2.1', 'curl/8', 'internal', ''],
    ])('as %j gets no further', async (agent) => {
      await expectNoWayIn('/api/x', [`User-Agent: ${agent}`])
      await expectNoWayIn('/api/admin/x', [`User-Agent: ${agent}`])
      expect(attacked.upstream.bytes()).toBe('')
    })

    it.each([
      ...[
        '/healthz',
        '/readyz',
        '/livez',
        '/health',
        '/ping',
        '/ready',
        '/metrics',
        '/status',
        '/verify',
        '/debug',
        '/oauth2/auth',
      ],
      ...[
        '/.well-known/openid-configuration',
        '/bff/verify',
        '/bff/healthz',
        '/bff/metrics',
        '/bff',
        '/bff/',
        '/server-status',
      ],
    ])('at %s finds nothing on the public listener', async (target) => {
      expect(statusesOf(await get(target, ['User-Agent: kube-probe/1.30']))).toEqual([404])
    })

    it.each([
      ...[
        'X-Forwarded-For: 127.0.0.1',
        'X-Real-IP: 127.0.0.1',
        'Forwarded: for=127.0.0.1',
        'True-Client-IP: 127.0.0.1',
      ],
      ...[
        'X-Forwarded-For: ::1',
        'X-Client-IP: 10.0.0.1',
        'X-Forwarded-User: admin',
        'Authorization: Bearer x',
        'X-Internal: true',
      ],
      ...['X-Forwarded-Proto: https', 'X-Auth-Request-User: ada', 'Remote-User: ada', 'X-Forwarded-Access-Token: x'],
      ...['Authorization: Basic YWRhOmFkYS1kZW1v', 'Proxy-Authorization: Basic YTph', 'X-Client-Verify: SUCCESS'],
    ])('with %s is nobody', (field) => expectNoWayIn('/api/x', [field, 'X-CSRF: 1']))
  })

  describe('another host', () => {
    const forms = () => {
      const [, port] = attacked.host.split(':')
      return {
        other: 'evil.example',
        'ours with another port': 'localhost:1',
        'ours without its port': 'localhost',
        'a rebound name': `rebound.evil.example:${port}`,
        'the loopback address': `127.0.0.1:${port}`,
        'a dot at the end': `localhost.:${port}`,
        'a user': `evil@localhost:${port}`,
        'ours as a user': `${attacked.host}@evil.example`,
        'a path': `${attacked.host}/x`,
        'a query': `${attacked.host}?x`,
        'a fragment': `${attacked.host}#x`,
        'a list': `${attacked.host}, evil.example`,
        'a space in it': `${attacked.host} evil.example`,
        'a sibling': `evil.localhost:${port}`,
        'a prefix': `evillocalhost:${port}`,
        'a port that is none': 'localhost:abc',
        'zeros before the port': `localhost:0${port}`,
        'a name that encodes ours': `%6cocalhost:${port}`,
        nothing: '',
      }
    }
    it.each(Object.keys({ ...attackedForms() }))('%s is not answered for', async (form) => {
      const host = (forms() as Record<string, string>)[form]
      for (const target of ['/open/x', '/bff/login', '/bff/session', '/']) {
        const answer = await answerTo(
          attacked.port,
          `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
        )
        expect([400, 421], form).toContain(statusesOf(answer)[0])
        expect(answer).not.toContain('evil')
      }
      expect(attacked.upstream.bytes()).toBe('')
    })
    function attackedForms() {
      attacked ??= { host: 'localhost:1' } as Attacked
      return forms()
    }

    it.each<[string, (host: string) => string]>([
      ['two of them', (host) => `GET /open/x HTTP/1.1\r\nHost: ${host}\r\nHost: evil.example\r\n`],
      ['two of them, the other way round', (host) => `GET /open/x HTTP/1.1\r\nHost: evil.example\r\nHost: ${host}\r\n`],
      ['twice the same', (host) => `GET /open/x HTTP/1.1\r\nHost: ${host}\r\nhost: ${host}\r\n`],
      ['none', () => 'GET /open/x HTTP/1.1\r\n'],
      ['none, of HTTP/1.0', () => 'GET /open/x HTTP/1.0\r\n'],
      ['a folded one', (host) => `GET /open/x HTTP/1.1\r\nHost: ${host}\r\n evil.example\r\n`],
      ['a space before the colon', (host) => `GET /open/x HTTP/1.1\r\nHost : ${host}\r\n`],
      ['absolute-form', (host) => `GET http://${host}/open/x HTTP/1.1\r\nHost: ${host}\r\n`],
      ['absolute-form of another host', (host) => `GET http://evil.example/open/x HTTP/1.1\r\nHost: ${host}\r\n`],
      [
        'absolute-form of ours, with another Host',
        (host) => `GET http://${host}/open/x HTTP/1.1\r\nHost: evil.example\r\n`,
      ],
      ['absolute-form of the API', (host) => `GET ${attacked.upstream.origin}/admin/x HTTP/1.1\r\nHost: ${host}\r\n`],
      ['absolute-form of somewhere else', (host) => `GET ${elsewhereOrigin}/ HTTP/1.1\r\nHost: ${host}\r\n`],
      ['authority-form', (host) => `GET ${host} HTTP/1.1\r\nHost: ${host}\r\n`],
      ['CONNECT', (host) => `CONNECT ${elsewhereOrigin.slice(7)} HTTP/1.1\r\nHost: ${host}\r\n`],
      ['asterisk-form', (host) => `OPTIONS * HTTP/1.1\r\nHost: ${host}\r\n`],
    ])('%s is refused', async (what, head) => {
      const answer = await answerTo(attacked.port, `${head(attacked.host)}Connection: close\r\n\r\n`)
      expect([400, 405, 421]).toContain(statusOf(answer, what === 'CONNECT'))
      expect(attacked.upstream.bytes()).toBe('')
      expect(visits).toBe(0)
    })

    it('in fields of proxies is not what our redirects are made of', async () => {
      const fields = [
        'X-Forwarded-Host: evil.example',
        'X-Forwarded-Proto: ftp',
        'Forwarded: host=evil.example;proto=ftp',
        'X-Host: evil.example',
        'X-Original-Host: evil.example',
        'X-Forwarded-Server: evil.example',
      ]
      for (const target of [
        '/bff/login',
        '/bff/callback?code=x&state=y',
        '/bff/logout/continue',
        '/bff/login?return_to=/a',
      ]) {
        const answer = await get(target, fields)
        expect(answer).not.toContain('evil')
        expect(answer).not.toContain('ftp')
      }
    })
  })

  describe('an address in an input', () => {
    it('makes us visit nobody: return_to, Host, target, sign-in and third-party parameters, callback (SSRF)', async () => {
      const url = encodeURIComponent(`${elsewhereOrigin}/`)
      const targets = [
        ...[
          'return_to',
          'iss',
          'target_link_uri',
          'login_hint',
          'redirect_uri',
          'request_uri',
          'acr_values',
          'ui_locales',
        ].map((name) => `/bff/login?${name}=${url}`),
        `/bff/login?iss=${url}&login_hint=x&target_link_uri=${url}`,
        ...['iss', 'state', 'code', 'error_uri', 'response', 'session_state', 'jku'].map(
          (name) => `/bff/callback?${name}=${url}`,
        ),
        `/bff/session?issuer=${url}`,
        `/bff/logout/continue?post_logout_redirect_uri=${url}`,
        `/open/x?url=${url}`,
        `/${elsewhereOrigin}/`,
      ]
      for (const target of targets) {
        const answer = await get(target, [`Referer: ${elsewhereOrigin}/`, `Origin: ${elsewhereOrigin}`])
        // The sign-in page of the provider may get it as a parameter; we lead nobody there.
        const [, location] = /\r\nlocation: (\S+)/i.exec(answer) ?? []
        if (location !== undefined)
          expect([attacked.origin, attacked.provider.issuer]).toContain(new URL(location).origin)
      }
      attacked.upstream.answerWith(`HTTP/1.1 302 Found\r\nLocation: ${elsewhereOrigin}/\r\nContent-Length: 0\r\n\r\n`)
      expect(statusesOf(await get('/open/x'))).toEqual([502])
      expect(visits).toBe(0)
    })

    it('begins a sign-in at nobody but the configured issuer', async () => {
      for (const iss of [
        elsewhereOrigin,
        `${attacked.provider.issuer}/`,
        `${attacked.provider.issuer}.evil.example`,
        '',
      ]) {
        const answer = await get(`/bff/login?iss=${encodeURIComponent(iss)}&return_to=//evil.example`, [
          'Sec-Fetch-Site: cross-site',
          'Sec-Fetch-Mode: navigate',
          'Sec-Fetch-Dest: document',
        ])
        expect(statusesOf(answer)).toEqual([400])
        expect(answer).not.toMatch(/set-cookie/i)
      }
    })
  })
})
