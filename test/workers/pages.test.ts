/** The app's pages from a real static assets binding, as `wrangler dev` makes it. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startWranglerDev } from '../../spa-example/workers/wrangler-dev.ts'
import { freePort } from '../support/free-port.ts'
import { compatibility } from '../support/workerd.ts'
import { plainConfig } from './plain-config.ts'

const files: Readonly<Record<string, string>> = {
  'index.html': '<!doctype html><title>The app</title>',
  'about/index.html': '<!doctype html><title>About</title>',
  'page.html': '<!doctype html><title>A page</title>',
  'favicon.svg': '<svg xmlns="http://www.w3.org/2000/svg"/>',
  'assets/app-Dk3xQ9_a.js': 'console.log("app")',
  'assets/plain.js': 'console.log("plain")',
  '.well-known/hidden.txt': 'hidden',
}

const navigation = { Accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }

// Nobody has to know wrangler's assets options: whatever they are, pages are what they are on Node, and safe.
describe.each([
  ['the options of our wrangler.toml', 'html_handling = "none"\nnot_found_handling = "none"'],
  ['the options that wrangler has by itself', ''],
  ["wrangler's own single-page-application fallback", 'not_found_handling = "single-page-application"'],
])('an assets binding with %s', (_name, options) => {
  let origin: string
  let folder: string
  let app: { close(): Promise<void> } | undefined
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'coatcheck-pages-'))
    for (const [name, text] of Object.entries(files)) {
      const file = path.join(folder, 'pages', name)
      await mkdir(path.dirname(file), { recursive: true })
      await writeFile(file, text)
    }
    const config = path.join(folder, 'wrangler.toml')
    const main = fileURLToPath(new URL('./plain-worker.ts', import.meta.url))
    const flags = compatibility.flags.map((flag) => JSON.stringify(flag)).join(', ')
    await writeFile(
      config,
      `name = "pages"
main = ${JSON.stringify(main)}
compatibility_date = "${compatibility.date}"
compatibility_flags = [${flags}]
[assets]
directory = "pages"
binding = "ASSETS"
run_worker_first = true
${options}
`,
    )
    const port = await freePort()
    origin = `http://localhost:${port}`
    const env = { CONFIG: JSON.stringify(plainConfig(port, { spa: { dir: 'pages' } })) }
    app = await startWranglerDev({ port, env, config })
  })
  afterAll(async () => {
    await app?.close()
    await rm(folder, { recursive: true, force: true })
  })

  const get = (target: string, headers: Record<string, string> = {}, method = 'GET') =>
    fetch(origin + target, { method, headers, redirect: 'manual' })

  it.each(['/', '/index.html', '/orders', '/orders/17?tab=a', '/users/john.doe'])(
    'gives the app at %s, never kept and with its policy',
    async (target) => {
      const answer = await get(target, navigation)
      expect(answer.status).toBe(200)
      expect(await answer.text()).toBe(files['index.html'])
      expect(answer.headers.get('content-type')).toMatch(/^text\/html/)
      expect(answer.headers.get('cache-control')).toBe('no-cache')
      const policy = answer.headers.get('content-security-policy') ?? ''
      expect(policy).toContain(`script-src ${origin}/assets/`)
      expect(policy).toContain("frame-ancestors 'none'")
      expect(policy).not.toContain('unsafe-inline')
      expect(answer.headers.get('cross-origin-opener-policy')).toBe('same-origin')
      expect(answer.headers.get('referrer-policy')).toBe('same-origin')
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
    },
  )

  it.each([
    ['/about/', 'about/index.html'],
    ['/page.html', 'page.html'],
  ])('gives the document at %s', async (target, file) => {
    const answer = await get(target, navigation)
    expect(answer.status).toBe(200)
    expect(await answer.text()).toBe(files[file])
    expect(answer.headers.get('cache-control')).toBe('no-cache')
  })

  it('keeps what has a hash in its name for a year, and nothing else', async () => {
    const hashed = await get('/assets/app-Dk3xQ9_a.js')
    expect(await hashed.text()).toBe(files['assets/app-Dk3xQ9_a.js'])
    expect(hashed.headers.get('content-type')).toMatch(/^text\/javascript/)
    expect(hashed.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
    expect((await get('/assets/plain.js')).headers.get('cache-control')).toBe('public, max-age=300')
    const icon = await get('/favicon.svg')
    expect(icon.headers.get('content-type')).toMatch(/^image\/svg\+xml/)
    expect(icon.headers.get('x-content-type-options')).toBe('nosniff')
  })

  it.each(['/assets/gone-Dk3xQ9_b.js', '/gone.css', '/gone.png'])(
    'answers 404 to %s, never with a page',
    async (target) => {
      for (const headers of [{}, { Accept: '*/*' }, navigation]) {
        const answer = await get(target, headers)
        expect(answer.status).toBe(404)
        expect(answer.headers.get('content-type')).toBe('application/problem+json')
        expect(answer.headers.get('cache-control')).toBe('no-store')
      }
    },
  )

  it.each(['/.well-known/hidden.txt', '/assets/../.well-known/hidden.txt', '/%2e%2e/wrangler.toml', '/_headers'])(
    'does not publish %s',
    async (target) => {
      const answer = await get(target)
      expect([400, 404]).toContain(answer.status)
      expect(await answer.text()).not.toContain('hidden')
    },
  )

  it('answers HEAD as GET, without a body', async () => {
    const answer = await get('/', navigation, 'HEAD')
    expect(answer.status).toBe(200)
    expect(await answer.text()).toBe('')
    expect(answer.headers.get('content-security-policy')).toContain('script-src')
    expect(answer.headers.get('cache-control')).toBe('no-cache')
  })

  it('answers 304 to who has it, also for the app under another path', async () => {
    for (const target of ['/', '/orders', '/assets/app-Dk3xQ9_a.js']) {
      const etag = (await get(target, navigation)).headers.get('etag') ?? ''
      expect(etag).not.toBe('')
      const again = await get(target, { ...navigation, 'If-None-Match': etag })
      expect(again.status).toBe(304)
      expect(await again.text()).toBe('')
      expect(again.headers.get('etag')).toBe(etag)
      expect(again.headers.get('cache-control')).toMatch(target.startsWith('/assets') ? /immutable/ : /^no-cache$/)
    }
  })

  it('is behind Coatcheck, and takes no write and no endpoint from it', async () => {
    expect((await get('/bff/session', { 'X-CSRF': '1' })).headers.get('content-type')).toBe('application/json')
    expect((await get('/bff/nothing', navigation)).status).toBe(404)
    expect((await get('/', navigation, 'POST')).status).toBe(404)
  })
})
