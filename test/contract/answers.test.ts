import { once } from 'node:events'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { UserAgent } from '../support/browser.ts'
import { defaultRoutes, type System, startSystem } from '../support/system.ts'

let system: System
let browser: UserAgent
beforeAll(async () => {
  system = await startSystem({
    routes: [
      ...defaultRoutes,
      { path: '/api/small', upstream: '/small', auth: 'session', methods: ['POST'], bodyLimitBytes: 1000 },
      { path: '/api/slow', upstream: '/slow', auth: 'session', timeout: '1s' },
      { path: '/api/private', upstream: '/private', auth: 'session', cache: 'private' },
    ],
  })
  browser = await system.signedIn()
})
afterAll(() => system.stop())
beforeEach(() => system.upstream.reset())

const code = async (answer: Response) => ((await answer.json()) as { code?: string }).code

describe("an upstream's answer", () => {
  it('keeps its status, its body and its type, and loses what speaks of our origin', async () => {
    system.upstream.on('/v1/hostile', (_incoming, outgoing) => {
      outgoing.writeHead(418, {
        'Content-Type': 'text/plain',
        'X-Harmless': 'yes',
        'Set-Cookie': ['__Host-Http-coatcheck=planted; Path=/; Secure', 'other=1'],
        'Clear-Site-Data': '"*"',
        'Service-Worker-Allowed': '/',
        'Access-Control-Allow-Origin': '*',
        'Strict-Transport-Security': 'max-age=0',
        Refresh: '0; url=https://evil.example',
        'Alt-Svc': 'h3=":443"',
        'Content-Security-Policy': 'default-src *',
        'WWW-Authenticate': 'Basic realm="phish"',
        Link: '</x.js>; rel=preload; as=script',
        'Cache-Control': 'public, max-age=9999',
      })
      outgoing.end('short and stout')
    })
    const answer = await system.call(browser, '/api/hostile')
    expect(answer.status).toBe(418)
    expect(await answer.text()).toBe('short and stout')
    expect(answer.headers.get('x-harmless')).toBe('yes')
    expect(answer.headers.getSetCookie()).toEqual([])
    for (const name of [
      'clear-site-data',
      'service-worker-allowed',
      'access-control-allow-origin',
      'strict-transport-security',
      'refresh',
      'alt-svc',
      'www-authenticate',
      'link',
    ]) {
      expect(answer.headers.get(name), name).toBeNull()
    }
    expect(answer.headers.get('cache-control')).toBe('private, no-store')
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
    expect(answer.headers.get('cross-origin-resource-policy')).toBe('same-origin')
    expect(answer.headers.get('content-security-policy')).toBe("sandbox; default-src 'none'; frame-ancestors 'none'")
  })

  it.each([
    ['text/html', '<script>alert(1)</script>'],
    ['image/svg+xml', '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'],
    ['application/xhtml+xml', '<html/>'],
  ])('of the type %s is an attachment, not a page of ours', async (type, body) => {
    system.upstream.on('/v1/upload', (_incoming, outgoing) => {
      outgoing.writeHead(200, { 'Content-Type': type, 'Content-Disposition': 'inline' }).end(body)
    })
    const answer = await system.call(browser, '/api/upload')
    expect(answer.headers.get('content-disposition')).toMatch(/^attachment/)
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
  })

  it('may be kept by the browser alone where the route says so', async () => {
    system.upstream.on('/private', (_incoming, outgoing) => {
      outgoing.writeHead(200, { 'Cache-Control': 'public, s-maxage=60, max-age=30', ETag: '"a"' }).end('x')
    })
    const answer = await system.call(browser, '/api/private')
    expect(answer.headers.get('cache-control')).toMatch(/private/)
    expect(answer.headers.get('cache-control')).not.toMatch(/public|s-maxage/)
    expect(answer.headers.get('vary')?.toLowerCase()).toContain('cookie')
  })

  it('that redirects inside its base redirects inside ours', async () => {
    system.upstream.on('/v1/old', (_incoming, outgoing) => {
      outgoing.writeHead(302, { Location: `${system.upstream.origin}/v1/new?a=b` }).end()
    })
    const answer = await system.call(browser, '/api/old')
    expect(answer.status).toBe(302)
    expect(answer.headers.get('location')).toBe('/api/new?a=b')
    expect(system.upstream.requests).toHaveLength(1)
  })

  it.each(['https://evil.example/', '//evil.example/', '/outside', 'http://169.254.169.254/'])(
    'that redirects to %s is 502',
    async (location) => {
      system.upstream.on(
        '/v1/away',
        (_incoming, outgoing) => void outgoing.writeHead(302, { Location: location }).end(),
      )
      const answer = await system.call(browser, '/api/away')
      expect(answer.status).toBe(502)
      expect(await code(answer)).toBe('upstream_redirect')
    },
  )

  it('to HEAD has its head and no body', async () => {
    system.upstream.on(
      '/v1/head',
      (_incoming, outgoing) => void outgoing.writeHead(200, { 'Content-Length': '42' }).end(),
    )
    const answer = await system.call(browser, '/api/head', { method: 'HEAD' })
    expect(answer.status).toBe(200)
    expect(await answer.text()).toBe('')
  })

  it.each([204, 304])('of %s has no body', async (status) => {
    system.upstream.on('/v1/empty', (_incoming, outgoing) => void outgoing.writeHead(status).end())
    const answer = await system.call(browser, '/api/empty')
    expect(answer.status).toBe(status)
  })
})

describe('an upstream in trouble', () => {
  it('that hangs is 504', async () => {
    system.upstream.on('/slow', () => undefined)
    const answer = await system.call(browser, '/api/slow')
    expect(answer.status).toBe(504)
    expect(await code(answer)).toBe('upstream_timeout')
  })

  it('that resets the connection is 502', async () => {
    system.upstream.on('/v1/reset', (incoming) => void incoming.socket.destroy())
    const answer = await system.call(browser, '/api/reset')
    expect(answer.status).toBe(502)
    expect(await code(answer)).toBe('upstream_unreachable')
  })

  it('that cuts its body off is never a whole answer', async () => {
    system.upstream.on('/v1/cut', (incoming, outgoing) => {
      outgoing.writeHead(200, { 'Content-Length': '1000' })
      outgoing.write('the beginning', () => incoming.socket.destroy())
    })
    const read = system.call(browser, '/api/cut').then((answer) => answer.text())
    await expect(read).rejects.toThrow()
  })
})

describe('bodies', () => {
  it('over the limit are 413, announced or not', async () => {
    const announced = await system.call(browser, '/api/small', { method: 'POST', body: 'x'.repeat(1001) })
    expect(announced.status).toBe(413)
    expect(await code(announced)).toBe('payload_too_large')
    const chunks = new ReadableStream<Uint8Array>({
      start(controller) {
        for (let count = 0; count < 30; count++) controller.enqueue(new Uint8Array(100))
        controller.close()
      },
    })
    expect((await system.call(browser, '/api/small', { method: 'POST', body: chunks })).status).toBe(413)
  })

  it('stream down as they come', async () => {
    const { promise: firstWasRead, resolve } = Promise.withResolvers<void>()
    system.upstream.on('/v1/stream', async (_incoming, outgoing) => {
      outgoing.writeHead(200, { 'Content-Type': 'text/event-stream' })
      outgoing.write('data: 1\n\n')
      await firstWasRead
      outgoing.end('data: 2\n\n')
    })
    const answer = await system.call(browser, '/api/stream', { headers: { Accept: 'text/event-stream' } })
    const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader()
    expect((await reader?.read())?.value).toBe('data: 1\n\n')
    resolve()
    expect((await reader?.read())?.value).toBe('data: 2\n\n')
  })

  it('stop upstream when the client goes away', async () => {
    const { promise: closed, resolve } = Promise.withResolvers<void>()
    system.upstream.on('/v1/endless', async (_incoming, outgoing) => {
      outgoing.writeHead(200, { 'Content-Type': 'text/event-stream' })
      outgoing.write('data: 1\n\n')
      // A feed that goes on, where the runtime sees that a client has left when it next writes to it.
      const beat = system.noticesSilentLeaving ? undefined : setInterval(() => outgoing.write(':\n\n'), 50)
      await once(outgoing, 'close')
      clearInterval(beat)
      resolve()
    })
    const abort = new AbortController()
    const answer = await system.call(browser, '/api/endless', { signal: abort.signal })
    await answer.body?.getReader().read()
    abort.abort()
    await closed
  })

  it('of a megabyte come back whole', async () => {
    const body = 'x'.repeat(1024 * 1024)
    const answer = await system.call(browser, '/api/large', { method: 'POST', body })
    expect(((await answer.json()) as { body: string }).body).toHaveLength(body.length)
  })
})
