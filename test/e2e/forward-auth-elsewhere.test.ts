/** Forward auth by a real Traefik and a real Envoy, where they are installed, with the configurations of docs/forward-auth.md. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { UserAgent } from '../support/browser.ts'
import { hasEnvoy, startEnvoy } from '../support/envoy.ts'
import {
  documentedConfigs,
  droppedFields,
  type ForwardAuthSystem,
  refusals,
  signedInBrowser,
  startForwardAuth,
} from '../support/forward-auth.ts'
import { freePort } from '../support/free-port.ts'
import type { RunningProxy } from '../support/proxy-process.ts'
import { otherTestSecret } from '../support/system.ts'
import { hasTraefik, startTraefik } from '../support/traefik.ts'
import { messageOf, pageSocket, takeWebSockets } from '../support/websocket-upstream.ts'

interface Kind {
  readonly proxy: 'traefik' | 'envoy'
  readonly isThere: boolean
  start(port: number, system: ForwardAuthSystem): Promise<RunningProxy>
}

const kinds: readonly Kind[] = [
  {
    proxy: 'traefik',
    isThere: hasTraefik,
    start: async (port, system) => startTraefik(port, await documentedConfigs('Traefik', system)),
  },
  {
    proxy: 'envoy',
    isThere: hasEnvoy,
    start: async (port, system) =>
      startEnvoy(port, await documentedConfigs('Envoy', system), {
        orders: system.upstream.origin,
        coatcheck: system.publicOrigin,
        coatcheck_internal: system.internal,
      }),
  },
]

describe.each(kinds)('$proxy', ({ proxy, isThere, start }) => {
  let system: ForwardAuthSystem
  let running: RunningProxy
  let browser: UserAgent

  beforeAll(async () => {
    if (!isThere) return
    system = await startForwardAuth(proxy)
    running = await start(system.port, system)
    await serves(system.origin)
  })
  afterAll(async () => {
    await running?.stop()
    await system?.close()
  })
  beforeEach(async () => {
    if (!isThere) return
    system.clock.offset = 0
    system.upstream.reset()
    browser = await signedInBrowser(system)
  })

  const call = (path: string, init: Parameters<UserAgent['fetch']>[1] = {}) =>
    browser.fetch(system.origin + path, { ...init, headers: { 'X-CSRF': '1', ...init.headers } })

  /** As no browser would write it, with all that a page's own call has. Gives the whole answer. */
  async function rawCall(target: string, more: readonly string[] = [], port = system.port): Promise<string> {
    const socket = connect(port, '127.0.0.1')
    const fields = [
      `Host: ${new URL(system.origin).host}`,
      `Cookie: ${browser.cookies.header(system.origin)}`,
      ...['X-CSRF: 1', 'Sec-Fetch-Site: same-origin', 'Sec-Fetch-Mode: cors', 'Sec-Fetch-Dest: empty', ...more],
    ]
    if (!more.some((field) => field.startsWith('Connection:'))) fields.push('Connection: close')
    socket.write(`GET ${target} HTTP/1.1\r\n${fields.join('\r\n')}\r\n\r\n`)
    let text = ''
    for await (const chunk of socket.setEncoding('latin1')) text += chunk
    return text
  }

  it.skipIf(!isThere)('passes a call on with the token, and neither the cookie nor X-CSRF', async () => {
    const answer = await call('/api/orders/17?x=1', { headers: { Authorization: 'Bearer of-the-callers' } })
    expect(answer.status).toBe(200)
    const [request] = system.upstream.requests
    expect(request?.target).toBe('/v1/17?x=1')
    expect(request?.headers.authorization).toMatch(/^Bearer ey/)
    for (const name of ['cookie', 'x-csrf', 'x-coatcheck-secret', 'x-http-method-override']) {
      expect(request?.headers).not.toHaveProperty(name)
    }
  })

  it.skipIf(!isThere)('takes a body along', async () => {
    const answer = await call('/api/orders/new', { method: 'POST', body: 'an order' })
    expect(await answer.json()).toMatchObject({ method: 'POST', body: 'an order' })
  })

  it.skipIf(!isThere)("brings the API's answer as data, without what it says about our origin", async () => {
    system.upstream.on('/v1/x', (_incoming, outgoing) => {
      outgoing.setHeader('set-cookie', ['__Host-Http-coatcheck=evil', 'other=evil'])
      outgoing.setHeader('cache-control', 'public, max-age=60')
      outgoing.setHeader('clear-site-data', '"*"')
      outgoing.setHeader('content-type', 'text/html')
      outgoing.end('<script>1</script>')
    })
    const { headers } = await call('/api/orders/x')
    expect(headers.getSetCookie()).toEqual([])
    expect(headers.get('clear-site-data')).toBeNull()
    expect(headers.get('cache-control')).toBe('private, no-store')
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('content-security-policy')).toBe("sandbox; default-src 'none'; frame-ancestors 'none'")
  })

  it.skipIf(!isThere)('lets it say nothing else to browsers and caches about our origin', async () => {
    const names = await droppedFields('nginx')
    // In two answers: Envoy takes no more than a hundred fields in one.
    for (const half of [names.slice(0, 50), names.slice(50)]) {
      system.upstream.on('/v1/x', (_incoming, outgoing) => {
        for (const name of [...half, 'x-total']) outgoing.setHeader(name, 'https://evil.example/')
        outgoing.end('x')
      })
      const { headers } = await call('/api/orders/x')
      expect([...headers].filter(([, value]) => value.includes('evil')).map(([name]) => name)).toEqual(['x-total'])
    }
  })

  it.skipIf(!isThere)('after a refresh brings the newest cookie, all of its parts', async () => {
    system.clock.offset = 700_000
    system.provider.token.forget()
    system.upstream.on('/v1/x', (_incoming, outgoing) => {
      outgoing.setHeader('set-cookie', '__Host-Http-coatcheck=evil')
      outgoing.end('x')
    })
    const before = browser.cookies.header(system.origin)
    const answer = await call('/api/orders/x')
    expect(answer.status).toBe(200)
    expect(system.provider.token.count({ grantType: 'refresh_token' })).toBe(1)
    const cookies = answer.headers.getSetCookie()
    expect(cookies.length).toBeGreaterThan(0)
    for (const cookie of cookies) {
      expect(cookie).toMatch(/^__Host-Http-coatcheck[^,]*; Path=\/; HttpOnly; Secure; SameSite=Strict$/)
      expect(cookie).not.toContain('evil')
    }
    expect(browser.cookies.header(system.origin)).not.toBe(before)
    // It is whole: the next call is served by it, without another refresh.
    expect((await call('/api/orders/y')).status).toBe(200)
    expect(system.provider.token.count({ grantType: 'refresh_token' })).toBe(1)
  })

  it.skipIf(!isThere).each(refusals)(
    'refuses what Coatcheck refuses, with its words: %s',
    async (_name, path, init, status, code) => {
      const answer = await browser.fetch(system.origin + path, {
        ...init,
        headers: { 'X-CSRF': '1', ...init?.headers },
      })
      expect([answer.status, await answer.json()]).toEqual([status, expect.objectContaining({ code, status })])
      expect(answer.headers.get('content-type')).toBe('application/problem+json')
      expect(answer.headers.get('cache-control')).toContain('no-store')
      expect(answer.headers.get('authorization')).toBeNull()
      expect(system.upstream.requests).toEqual([])
    },
  )

  it.skipIf(!isThere)('is not told of another request by a caller', async () => {
    const url = `${system.origin}/api/orders/x`
    for (const more of [
      [`X-Original-URL: ${url}`, 'X-Original-Method: GET', 'X-Rewrite-URL: /api/orders/x'],
      ['X-Forwarded-Uri: /api/orders/x', 'X-Forwarded-Method: GET', `X-Forwarded-Host: ${new URL(url).host}`],
      ['X-Envoy-Original-Path: /api/orders/x', 'X-Envoy-Original-Method: GET', 'X-Replaced-Path: /api/orders/x'],
      [`X-Coatcheck-Secret: ${otherTestSecret}`, 'Forwarded: host=other;proto=http'],
    ]) {
      expect(await rawCall('/api/orders/admin/x', more)).toContain('insufficient_scope')
    }
    expect(system.upstream.requests).toEqual([])
  })

  it.skipIf(!isThere)('lets no caller take off what it asks with, by naming it in Connection', async () => {
    const named = [
      'X-Coatcheck-Secret',
      'X-Forwarded-Proto',
      'X-Forwarded-Uri',
      'X-Forwarded-Method',
      'X-Forwarded-Host',
    ]
    for (const name of [...named, 'X-Forwarded-For', 'Cookie', 'Origin', 'X-CSRF', 'Sec-Fetch-Site']) {
      await rawCall('/api/orders/admin/x', [`Connection: close, ${name}`])
    }
    expect(system.upstream.requests).toEqual([])
    for (const name of [...named, 'Cookie', 'X-CSRF']) await rawCall('/api/orders/x', [`Connection: close, ${name}`])
    for (const { headers } of system.upstream.requests) {
      expect(headers).not.toHaveProperty('cookie')
      expect(headers).not.toHaveProperty('x-coatcheck-secret')
    }
  })

  it
    .skipIf(!isThere)
    .each([
      ...['/api//orders/admin/x', '//api/orders/admin/x', '/api/orders//admin/x', '/api/orders/./admin/x'],
      ...[
        '/api/orders/x/../admin/y',
        '/api/orders/x/%2e%2e/admin/y',
        '/api/orders/x/..%2fadmin/y',
        '/x/../api/orders/admin/y',
      ],
      ...[
        '/api/%6frders/admin/x',
        '/api/orders%2Fadmin/x',
        '/api/orders/%61dmin/x',
        '/api/orders/admin%2Fx',
        '/api/orders/Admin/x',
      ],
      ...[
        '/api/orders/x%00/../admin/y',
        '/api/orders/a%5C..%5Cadmin',
        '/api/orders/x#/../admin',
        '/api/orders/\\admin\\x',
      ],
      ...[
        '/api/orders/admin;y=1/x',
        '/api/orders/..;/admin/x',
        '/api/orders/x/%252e%252e/admin/y',
        '/api/orders/admin/',
      ],
      ...['/api/orders/?/../admin/x', '/api/orders/%3f/../admin/x', '/api/orders/%0d%0a/../admin/x'],
    ])('is led past the scope of a route by no path: %s', async (path) => {
    const answer = await rawCall(path)
    for (const { target } of system.upstream.requests) expect(decodeURIComponent(pathOf(target))).not.toMatch(/admin/i)
    if (system.upstream.requests.length === 0) expect(answer).toMatch(/^HTTP\/1\.1 (3|4)\d\d /)
  })

  it.skipIf(!isThere).each([
    ['/api/orders/a%20b', '/v1/a%20b'],
    ['/api/orders/%C3%A4', '/v1/%C3%A4'],
    ['/api/orders/a,b?x=/../%2e%2e/', '/v1/a,b?x=/../%2e%2e/'],
  ])('sends what was verified: %s', async (path, target) => {
    expect(await rawCall(path)).toMatch(/^HTTP\/1\.1 200 /)
    expect(system.upstream.requests.map((request) => request.target)).toEqual([target])
  })

  it.skipIf(!isThere)('hands what it asks with to nobody outside', async () => {
    for (const path of ['/verify', '/verify/api/orders/x']) {
      const answer = await call(path)
      expect([answer.status, answer.headers.get('authorization')]).toEqual([404, null])
    }
  })

  it.skipIf(!isThere)('lets a WebSocket through to Coatcheck, and none to an API of its own', async () => {
    takeWebSockets(system.upstream)
    const socket = pageSocket(browser, system.origin, '/live')
    const echo = messageOf(socket)
    socket.on('open', () => socket.send('hello'))
    expect(await echo).toBe('hello')
    socket.terminate()

    const own = pageSocket(browser, system.origin, '/api/orders/x')
    const [error] = await once(own, 'error')
    expect(String(error)).toMatch(/Unexpected server response: [34]\d\d/)
  })

  it.skipIf(!isThere).each(['websocket', 'WebSocket', 'something-else', 'h2c'])(
    'hands no connection over to the API: Upgrade: %s',
    async (protocol) => {
      let upgrades = 0
      system.upstream.onUpgrade((_incoming, socket) => {
        upgrades += 1
        socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n')
      })
      const answer = await rawCall('/api/orders/x', ['Connection: close, Upgrade', `Upgrade: ${protocol}`])
      expect(answer).toMatch(/^HTTP\/1\.1 (200|403) /)
      expect(upgrades).toBe(0)
    },
  )

  it.skipIf(!isThere)('passes nothing on where Coatcheck does not answer', async () => {
    const [port, nobody] = [await freePort(), await freePort()]
    const alone = await start(port, { ...system, internal: `http://127.0.0.1:${nobody}` })
    try {
      await serves(`http://127.0.0.1:${port}`)
      expect(await rawCall('/api/orders/x', [], port)).toMatch(/^HTTP\/1\.1 5\d\d /)
      expect(system.upstream.requests).toEqual([])
    } finally {
      await alone.stop()
    }
  })
})

it.each(['Traefik', 'Envoy'] as const)(
  'the docs have %s drop of an answer what they have nginx drop',
  async (section) => {
    const ofNginx = await droppedFields('nginx')
    expect(ofNginx.length).toBeGreaterThan(80)
    // nginx sends no trailers, nor does Envoy.
    const more = section === 'Traefik' ? ['trailer'] : []
    expect(await droppedFields(section)).toEqual([...ofNginx, ...more].sort())
  },
)

/** It listens before it has read its routes. */
async function serves(origin: string): Promise<void> {
  while ((await fetch(`${origin}/bff/session`, { headers: { 'X-CSRF': '1' } })).status === 404)
    await new Promise(setImmediate)
}

function pathOf(target: string): string {
  return target.split('?', 1)[0] ?? ''
}
