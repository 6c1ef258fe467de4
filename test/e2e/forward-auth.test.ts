/** Forward auth by a real nginx, with the configuration of docs/forward-auth.md. */
import { connect } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { RunningProvider } from '../../spa-example/provider/index.ts'
import type { UserAgent } from '../support/browser.ts'
import {
  documentedConfigs,
  type ForwardAuthSystem,
  type Refusal,
  refusals,
  signedInBrowser,
  startForwardAuth,
} from '../support/forward-auth.ts'
import { freePort } from '../support/free-port.ts'
import { startNginx } from '../support/nginx.ts'
import type { RunningProxy } from '../support/proxy-process.ts'
import { otherTestSecret, testSecret } from '../support/system.ts'
import type { TestUpstream } from '../support/upstream.ts'
import { messageOf, pageSocket, takeWebSockets } from '../support/websocket-upstream.ts'

let system: ForwardAuthSystem
let origin: string
let internal: string
let provider: RunningProvider
let upstream: TestUpstream
let nginx: RunningProxy
/** What the page has for nginx: for its `http` block, and for its `server` block. */
let documented: { around: string; locations: string }
let browser: UserAgent

beforeAll(async () => {
  system = await startForwardAuth('nginx')
  ;({ origin, internal, provider, upstream } = system)
  const [around = '', locations = ''] = await documentedConfigs('nginx', system)
  documented = { around, locations }
  nginx = await startNginx(system.port, locations, around)
})
afterAll(async () => {
  await nginx?.stop()
  await system?.close()
})
beforeEach(async () => {
  system.clock.offset = 0
  upstream.reset()
  browser = await signedInBrowser(system)
})

const call = (path: string, init: Parameters<UserAgent['fetch']>[1] = {}) =>
  browser.fetch(origin + path, { ...init, headers: { 'X-CSRF': '1', ...init.headers } })
const codeOf = async (answer: Response) => ((await answer.json()) as { code: string }).code

describe('a call that nginx passes on', () => {
  it('carries the token, and neither the cookie nor X-CSRF', async () => {
    const answer = await call('/api/orders/17?x=1')
    expect(answer.status).toBe(200)
    const [request] = upstream.requests
    expect(request?.target).toBe('/v1/17?x=1')
    expect(request?.headers.authorization).toMatch(/^Bearer ey/)
    expect(request?.headers).not.toHaveProperty('cookie')
    expect(request?.headers).not.toHaveProperty('x-csrf')
    expect(request?.headers).not.toHaveProperty('x-coatcheck-secret')
  })

  it('carries no header by which a caller would say who calls, from where, or what is meant', async () => {
    const spoofed = [
      ...['X-HTTP-Method-Override', 'X-Method-Override', 'X-Original-Method', 'X-Original-URL', 'X-Rewrite-URL'],
      ...['X-User', 'X-Forwarded-User', 'X-Auth-Request-Email', 'X-Forwarded-Host', 'X-Forwarded-Prefix', 'Forwarded'],
      ...['X-Real-IP', 'True-Client-IP', 'X-Coatcheck-Secret', 'X-Coatcheck-Code', 'X-Anything', 'Via'],
    ]
    const headers = { ...Object.fromEntries(spoofed.map((name) => [name, 'DELETE'])), 'X-Forwarded-For': '10.9.9.9' }
    const answer = await call('/api/orders/17', {
      headers: { ...headers, 'If-None-Match': '"1"', 'Accept-Language': 'de' },
    })
    expect(answer.status).toBe(200)
    const passed = upstream.requests[0]?.headers ?? {}
    expect(Object.entries(passed).filter(([, value]) => value === 'DELETE')).toEqual([])
    expect(passed['x-forwarded-for']).toMatch(/^(127\.0\.0\.1|::1)$/)
    expect(passed).toMatchObject({ 'if-none-match': '"1"', 'accept-language': 'de' })
  })

  it('takes a body along', async () => {
    const answer = await call('/api/orders/new', { method: 'POST', body: 'an order' })
    expect(await answer.json()).toMatchObject({ method: 'POST', body: 'an order' })
  })

  it("brings the API's answer as data, without what it says about our origin", async () => {
    upstream.on('/v1/x', (_incoming, outgoing) => {
      outgoing.setHeader('set-cookie', '__Host-Http-coatcheck=evil')
      outgoing.setHeader('cache-control', 'public, max-age=60')
      outgoing.setHeader('content-type', 'text/html')
      outgoing.end('<script>1</script>')
    })
    const answer = await call('/api/orders/x')
    expect(answer.headers.getSetCookie()).toEqual([])
    expect(answer.headers.get('cache-control')).toBe('private, no-store')
    expect(answer.headers.get('content-security-policy')).toContain('sandbox')
  })

  it('says nothing else to browsers and caches about our origin', async () => {
    const names = [
      ...['Refresh', 'Alt-Svc', 'NEL', 'Report-To', 'Reporting-Endpoints', 'SourceMap', 'Speculation-Rules', 'Link'],
      ...['Access-Control-Allow-Origin', 'Access-Control-Allow-Methods', 'Access-Control-Expose-Headers', 'Pragma'],
      ...['CDN-Cache-Control', 'Surrogate-Control', 'Authorization', 'WWW-Authenticate', 'Clear-Site-Data', 'Expires'],
      ...['Service-Worker-Allowed', 'Origin-Trial', 'Set-Cookie2', 'Set-Login', 'Strict-Transport-Security'],
      ...['Content-Security-Policy', 'X-Content-Type-Options', 'Cross-Origin-Resource-Policy', 'Content-Location'],
      ...['Location', 'Permissions-Policy', 'Timing-Allow-Origin', 'Set-Cookie', 'X-Coatcheck-Code', 'Via'],
    ]
    upstream.on('/v1/x', (_incoming, outgoing) => {
      for (const name of names) outgoing.setHeader(name, 'https://evil.example/')
      outgoing.setHeader('x-total', 'https://evil.example/')
      outgoing.end('x')
    })
    const answer = await call('/api/orders/x')
    expect([...answer.headers].filter(([, value]) => value.includes('evil')).map(([name]) => name)).toEqual(['x-total'])
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
    expect(answer.headers.get('cross-origin-resource-policy')).toBe('same-origin')
  })

  it.each<[string, string | null]>([
    ['/v1/17', '/api/orders/17'],
    ['UPSTREAM/v1/17?a=b#c', '/api/orders/17?a=b#c'],
    ['/other/17', null],
    ['//evil.example/v1/17', null],
    ['https://evil.example/v1/17', null],
    ['/v1/\\\\evil.example', null],
  ])('leads from %s to %s', async (location, ours) => {
    upstream.on('/v1/x', (_incoming, outgoing) => {
      outgoing.writeHead(303, { location: location.replace('UPSTREAM', upstream.origin) }).end()
    })
    const answer = await call('/api/orders/x')
    expect([answer.status, answer.headers.get('location')]).toEqual([303, ours])
  })

  it('after a refresh brings the newest cookie, all of its parts', async () => {
    system.clock.offset = 700_000
    provider.token.forget()
    const before = browser.cookies.header(origin)
    const answer = await call('/api/orders/x')
    expect(answer.status).toBe(200)
    expect(provider.token.count({ grantType: 'refresh_token' })).toBe(1)
    const cookies = answer.headers.getSetCookie()
    expect(cookies.length).toBeGreaterThan(0)
    for (const cookie of cookies)
      expect(cookie).toMatch(/^__Host-Http-coatcheck[^,]*; Path=\/; HttpOnly; Secure; SameSite=Strict$/)
    expect(browser.cookies.header(origin)).not.toBe(before)
    // It is whole: the next call is served by it, without another refresh.
    expect((await call('/api/orders/y')).status).toBe(200)
    expect(provider.token.count({ grantType: 'refresh_token' })).toBe(1)
  })
})

describe('what Coatcheck refuses, nginx refuses, with the code', () => {
  it.each<Refusal>([...refusals, ['a path that is not canonical', '/api/orders/a%2Fb', {}, 403, 'path_not_canonical']])(
    '%s',
    async (_name, path, init, status, code) => {
      const answer = await browser.fetch(origin + path, {
        ...init,
        headers: { 'X-CSRF': '1', ...init?.headers },
      })
      expect([answer.status, await codeOf(answer)]).toEqual([status, code])
      expect(answer.headers.get('content-type')).toBe('application/problem+json')
      expect(upstream.requests).toEqual([])
    },
  )

  it('a caller that tells of another request than its own', async () => {
    const answer = await call('/api/orders/admin/x', {
      headers: {
        'X-Original-URL': `${origin}/api/orders/x`,
        'X-Original-Method': 'GET',
        'X-Forwarded-Uri': '/api/orders/x',
        'X-Original-URI': '/api/orders/x',
      },
    })
    expect(await codeOf(answer)).toBe('insufficient_scope')
    expect(upstream.requests).toEqual([])
  })

  it.each([
    // nginx chooses its location by a path that it has decoded, merged and shortened.
    ...['/api//orders/x', '//api/orders/x', '/api/orders//x', '/api/./orders/x', '/api/orders/./x', '/api/orders/..'],
    ...['/api/orders/x/../admin/y', '/api/orders/x/%2e%2e/admin/y', '/api/orders/%2E%2E/x', '/x/../api/orders/y'],
    ...['/api/%6frders/x', '/api/orders%2Fx', '/api%2Forders/x', '/api/orders/%61dmin/x', '/api/orders/admin%2Fx'],
    ...[
      '/api/orders/x%00',
      '/api/orders/%0d%0aX-A:%20b',
      '/api/orders/a%5Cb',
      '/api/orders/x#/admin',
      '/api/orders/\\x',
    ],
    ...['/api/orders/x;y=1', '/api/orders/x%3By', '/api/orders/..;/x', '/api/orders/%252e%252e/x', '/api/orders/a b'],
  ])('a path that nginx and Coatcheck would read differently: %s', async (path) => {
    const answer = await rawCall(path)
    expect(answer).toMatch(/^HTTP\/1\.1 (400|403|404) /)
    expect(upstream.requests).toEqual([])
  })

  it.each([
    ['/api/orders/a%20b', '/v1/a%20b'],
    ['/api/orders/%C3%A4', '/v1/%C3%A4'],
    ['/api/orders/a%3Fadmin=1', '/v1/a%3Fadmin=1'],
    ['/api/orders/a%23b', '/v1/a%23b'],
    ['/api/orders/a,b?x=/../%2e%2e/', '/v1/a,b?x=/../%2e%2e/'],
  ])('or nginx sends what was verified: %s', async (path, target) => {
    expect(await rawCall(path)).toMatch(/^HTTP\/1\.1 200 /)
    expect(upstream.requests.map((request) => request.target)).toEqual([target])
  })

  it.each<[string, string, string]>([
    ['absolute-form', `http://evil.example/api/orders/x`, ''],
    ['another Host', '/api/orders/x', 'evil.example'],
    ['a Host with a name before it', '/api/orders/x', 'evil@HOST'],
    ['a Host with a path', '/api/orders/x', 'HOST/api/orders/y?'],
    ['a Host with a comma', '/api/orders/x', 'HOST,evil.example'],
    ['a Host with a space', '/api/orders/x', 'HOST /x'],
  ])('a request with %s', async (_what, path, host) => {
    const answer = await rawCall(path, {
      host: host === '' ? 'evil.example' : host.replace('HOST', new URL(origin).host),
    })
    expect(answer).toMatch(/^HTTP\/1\.1 (400|403|404) /)
    expect(upstream.requests).toEqual([])
  })

  it('what nginx asks with cannot be asked for from outside', async () => {
    const answer = await call('/coatcheck-verify')
    expect(answer.status).toBe(404)
    expect(answer.headers.get('authorization')).toBeNull()
    expect(await codeOf(await call('/verify'))).toBe('no_route')
  })
})

describe('an API that sends nginx to where the token is, by X-Accel-Redirect', () => {
  const sendAway = (to: string) =>
    upstream.on('/v1/x', (_incoming, outgoing) => {
      outgoing.setHeader('x-accel-redirect', to)
      outgoing.end('from the API')
    })

  it('is not obeyed', async () => {
    for (const to of ['/coatcheck-verify', '/api/orders/y', '/', '@coatcheck_403']) {
      sendAway(to)
      const answer = await call('/api/orders/x')
      expect([answer.status, answer.headers.get('authorization')]).toEqual([200, null])
      expect(await answer.text()).toBe('from the API')
    }
  })

  const guards = {
    proxy_ignore_headers: /^ *proxy_ignore_headers .*$/gm,
    'X-Original-Answered-By': /\$upstream_addr(?=")/g,
    proxy_hide_header: /^ *proxy_hide_header (Authorization|X-Coatcheck-Set-Cookie-\d);$/gm,
  }

  it.each(Object.keys(guards) as (keyof typeof guards)[])(
    'gets no token where %s alone is left of the three',
    async (left) => {
      const port = await freePort()
      let { locations, around } = documented
      for (const [name, guard] of Object.entries(guards)) {
        expect(locations).toMatch(guard)
        if (name !== left) locations = locations.replace(guard, '')
      }
      const careless = await startNginx(port, locations, around)
      try {
        sendAway('/coatcheck-verify')
        // The token is older than its end allows for, so that there are new cookies too.
        system.clock.offset = 700_000
        const answer = await rawCall('/api/orders/x', { port })
        expect(upstream.requests).toHaveLength(1)
        expect(answer).toMatch(left === 'X-Original-Answered-By' ? /^HTTP\/1\.1 403 / : /^HTTP\/1\.1 200 /)
        expect(answer).not.toMatch(/bearer|x-coatcheck-set-cookie/i)
      } finally {
        await careless.stop()
      }
    },
  )
})

it('a WebSocket passes through nginx to Coatcheck, and to its API', async () => {
  takeWebSockets(upstream)
  const socket = pageSocket(browser, origin, '/live')
  const echo = messageOf(socket)
  socket.on('open', () => socket.send('hello'))
  expect(await echo).toBe('hello')
  socket.terminate()
})

it.each(['websocket', 'something-else', 'h2c'])(
  'no connection is handed over to an API: Upgrade: %s',
  async (protocol) => {
    let upgrades = 0
    upstream.onUpgrade((_incoming, socket) => {
      upgrades += 1
      socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n')
    })
    const connection = ['Connection: close, Upgrade', `Upgrade: ${protocol}`]
    expect(await rawCall('/api/orders/x', { connection })).toMatch(/^HTTP\/1\.1 200 /)
    expect(upgrades).toBe(0)
    expect(upstream.requests[0]?.headers).not.toHaveProperty('upgrade')
  },
)

/** As no browser would write it, with all that a page's own call has. Gives the whole answer. */
async function rawCall(
  target: string,
  { host = new URL(origin).host, port = system.port, connection = ['Connection: close'] } = {},
): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  const fields = [
    `Host: ${host}`,
    `Cookie: ${browser.cookies.header(origin)}`,
    'X-CSRF: 1',
    'Sec-Fetch-Site: same-origin',
  ]
  const more = ['Sec-Fetch-Mode: cors', 'Sec-Fetch-Dest: empty', ...connection]
  socket.write(`GET ${target} HTTP/1.1\r\n${[...fields, ...more].join('\r\n')}\r\n\r\n`)
  let text = ''
  for await (const chunk of socket.setEncoding('latin1')) text += chunk
  return text
}

describe('/verify, asked by somebody else than the proxy', () => {
  const asking = (headers: Record<string, string>) =>
    fetch(`${internal}/verify`, {
      headers: {
        'X-Original-URL': `${origin}/api/orders/x`,
        'X-Original-Method': 'GET',
        'X-Original-Answered-By': 'nobody',
        'X-CSRF': '1',
        'Sec-Fetch-Site': 'same-origin',
        'Sec-Fetch-Mode': 'cors',
        'Sec-Fetch-Dest': 'empty',
        Cookie: browser.cookies.header(origin) ?? '',
        ...headers,
      },
    })

  it('gives the token to who knows the secret, so that what follows can fail', async () => {
    const answer = await asking({ 'X-Coatcheck-Secret': otherTestSecret })
    expect(answer.status).toBe(200)
    expect(answer.headers.get('authorization')).toMatch(/^Bearer ey/)
    expect(answer.headers.get('cache-control')).toBe('no-store')
  })

  it.each<[string, Record<string, string>]>([
    ['without the secret', {}],
    ['with another', { 'X-Coatcheck-Secret': testSecret }],
    ['with a part of it', { 'X-Coatcheck-Secret': otherTestSecret.slice(0, 20) }],
    ['with nothing for one', { 'X-Coatcheck-Secret': '' }],
  ])('%s gives nothing', async (_name, headers) => {
    const answer = await asking(headers)
    expect([answer.status, await codeOf(answer)]).toEqual([403, 'browser_refused'])
    expect(answer.headers.get('authorization')).toBeNull()
  })
})
