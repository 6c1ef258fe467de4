/** The app's pages from an origin elsewhere, in workerd. The rules one by one: test/origin-pages.test.ts. */
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { freePort } from '../support/free-port.ts'
import { startUpstream, type TestUpstream } from '../support/upstream.ts'
import { type RunningWorkerd, startWorkerd } from '../support/workerd.ts'
import { plainConfig } from './plain-config.ts'

describe.each([
  ['of the whole Worker', './plain-worker.ts'],
  ["in an app of one's own, by appPages", './own-app-worker.ts'],
])('pages %s', (_what, file) => {
  let cdn: TestUpstream
  let running: RunningWorkerd
  let origin: string
  beforeAll(async () => {
    cdn = await startUpstream()
    const port = await freePort()
    origin = `http://localhost:${port}`
    const entry = new URL(file, import.meta.url)
    const vars = { CONFIG: JSON.stringify(plainConfig(port, { spa: { origin: `${cdn.origin}/app/` } })) }
    running = await startWorkerd([{ name: 'coatcheck', entry, vars }], port)
  })
  afterAll(async () => {
    await running.stop()
    await cdn.stop()
  })
  beforeEach(() => cdn.reset())

  const get = (path: string, headers: Record<string, string> = {}) =>
    fetch(origin + path, { headers: { 'Accept-Encoding': 'identity', ...headers } })
  const navigation = { Accept: 'text/html' }

  it('a crowd gets the page by one request, with our headers', async () => {
    const gate = Promise.withResolvers<void>()
    cdn.on('/app/index.html', async (_incoming, outgoing) => {
      await gate.promise
      outgoing.setHeader('set-cookie', 'a=1')
      outgoing.setHeader('content-type', 'text/html')
      outgoing.end('the app')
    })
    const answers = ['/', '/orders', '/orders/1'].map((path) => get(path, navigation))
    while (cdn.requests.length === 0) await get('/bff/session', { 'X-CSRF': '1' })
    gate.resolve()
    for (const answer of await Promise.all(answers)) {
      expect([answer.status, await answer.text()]).toEqual([200, 'the app'])
      expect(answer.headers.get('content-security-policy')).toContain("object-src 'none'")
      expect(answer.headers.getSetCookie()).toEqual([])
    }
    expect(cdn.requests.map(({ target }) => target)).toEqual(['/app/index.html'])
  })

  it('a coding that was not asked for is refused', async () => {
    cdn.on('/app/assets/app-Dk3xQ9_a.js', (_incoming, outgoing) => {
      outgoing.setHeader('content-encoding', 'gzip')
      outgoing.end(gzipSync('console.log(1)'))
    })
    expect((await get('/assets/app-Dk3xQ9_a.js')).status).toBe(502)
  })

  it('a redirect is not followed', async () => {
    cdn.on('/app/other.html', (_incoming, outgoing) => outgoing.writeHead(302, { location: '/app/index.html' }).end())
    expect((await get('/other.html', navigation)).status).toBe(502)
    expect(cdn.requests.map(({ target }) => target)).toEqual(['/app/other.html'])
  })
})
