import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { Hono } from 'hono'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { staticApp } from '../../src/node/static.ts'
import { closeEverything, rawClient, serving } from './loopback.ts'

let dir: string
let outside: string

const index = '<!doctype html><title>App</title>'
const script = 'console.log("a script long enough to be worth compressing")'

beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'coatcheck-spa-'))
  outside = await mkdtemp(path.join(tmpdir(), 'coatcheck-outside-'))
  await mkdir(path.join(dir, 'assets'))
  await mkdir(path.join(dir, 'docs'))
  await writeFile(path.join(dir, 'index.html'), index)
  await writeFile(path.join(dir, 'docs/index.html'), 'docs')
  await writeFile(path.join(dir, 'robots.txt'), 'User-agent: *')
  await writeFile(path.join(dir, 'a file é.txt'), 'spaced')
  await writeFile(path.join(dir, '.env'), 'SECRET=1')
  await writeFile(path.join(dir, 'assets/app-B3x9Kd0_.js'), script)
  await writeFile(path.join(dir, 'assets/app-B3x9Kd0_.js.br'), brotliCompressSync(script))
  await writeFile(path.join(dir, 'assets/app-B3x9Kd0_.js.gz'), gzipSync(script))
  await writeFile(path.join(dir, 'assets/logo-original.svg'), '<svg xmlns="http://www.w3.org/2000/svg"/>')
  await writeFile(path.join(outside, 'secret.txt'), 'secret')
  await symlink(path.join(outside, 'secret.txt'), path.join(dir, 'linked.txt'))
  await symlink(outside, path.join(dir, 'linked'))
})

afterEach(async () => {
  await closeEverything()
  await rm(dir, { recursive: true })
  await rm(outside, { recursive: true })
})

async function app(): Promise<Hono> {
  const pages = await staticApp(dir, [['content-security-policy', "default-src 'none'"]])
  return new Hono().all('*', async (c) => (await pages(c)) ?? c.text('nothing', 404))
}

const html = { headers: { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' } }

describe('what is served', () => {
  test('index.html is asked for again each time, under the policy of the page', async () => {
    const pages = await app()
    for (const name of ['/', '/index.html', '/?a=b']) {
      const response = await pages.request(name)
      expect(await response.text()).toBe(index)
      expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8')
      expect(response.headers.get('cache-control')).toBe('no-cache')
      expect(response.headers.get('content-security-policy')).toBe("default-src 'none'")
      expect(response.headers.get('x-content-type-options')).toBe('nosniff')
    }
  })

  test('an asset with a hash in its name is kept for ever, without the policy that may change', async () => {
    const response = await (await app()).request('/assets/app-B3x9Kd0_.js')
    expect(await response.text()).toBe(script)
    expect(response.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
    expect(response.headers.get('content-type')).toBe('text/javascript; charset=utf-8')
    expect(response.headers.has('content-security-policy')).toBe(false)
    expect(response.headers.get('x-content-type-options')).toBe('nosniff')
  })

  test('an asset with a word for a hash, or any other file, is kept for a short time', async () => {
    const pages = await app()
    for (const name of ['/assets/logo-original.svg', '/robots.txt']) {
      const response = await pages.request(name)
      expect(response.status).toBe(200)
      expect(response.headers.get('cache-control')).toBe('public, max-age=300')
      expect(response.headers.get('content-security-policy')).toBe("default-src 'none'")
    }
  })

  test('a folder has its own index.html, and names may be encoded', async () => {
    const pages = await app()
    expect(await (await pages.request('/docs/')).text()).toBe('docs')
    expect(await (await pages.request('/a%20file%20%C3%A9.txt')).text()).toBe('spaced')
  })

  test('a large file is streamed from the disk, and not served once it has changed there', async () => {
    const large = path.join(dir, 'film.mp4')
    const bytes = Buffer.alloc(3 * 1024 * 1024, 'film')
    await writeFile(large, bytes)
    const pages = await app()
    const { url } = await serving(pages)
    const response = await fetch(`${url}/film.mp4`)
    expect(response.headers.get('content-length')).toBe(String(bytes.byteLength))
    expect(Buffer.from(await response.arrayBuffer()).equals(bytes)).toBe(true)
    await writeFile(large, bytes.subarray(1))
    expect((await fetch(`${url}/film.mp4`)).status).toBe(404)
    await rm(large)
    expect((await fetch(`${url}/film.mp4`)).status).toBe(404)
  })
})

describe('paths of the app itself', () => {
  test.each(['/orders', '/orders/17', '/users/john.doe', '/orders?sort=date', '/a/b/c/'])(
    'a navigation to %s gets index.html',
    async (target) => {
      const response = await (await app()).request(target, html)
      expect([response.status, await response.text()]).toEqual([200, index])
      expect(response.headers.get('cache-control')).toBe('no-cache')
    },
  )

  test('HEAD gets its head', async () => {
    const response = await (await app()).request('/orders', { method: 'HEAD', ...html })
    expect([response.status, response.headers.get('content-length')]).toEqual([200, String(index.length)])
  })

  test.each([
    ['a script that is not there', '/assets/old-B3x9Kd0_.js', html],
    ['an image that is not there', '/logo.png', html],
    ['a fetch', '/orders', { headers: { accept: 'application/json' } }],
    ['a fetch without a wish', '/orders', {}],
    ['a form', '/orders', { method: 'POST', ...html }],
    ['a form to index.html', '/index.html', { method: 'POST', ...html }],
  ])('%s gets 404', async (_name, target, init) => {
    expect((await (await app()).request(target, init)).status).toBe(404)
  })
})

describe('what is not served', () => {
  const targets = [
    '/.env',
    '/%2eenv',
    '/linked.txt',
    '/linked/secret.txt',
    '/../secret.txt',
    '/assets/../../etc/passwd',
    '/%2e%2e/%2e%2e/etc/passwd',
    '/..%2f..%2fetc%2fpasswd',
    '/..%5c..%5cetc%5cpasswd',
    '/assets/..\\..\\etc\\passwd',
    '//etc/passwd',
    '/assets//app-B3x9Kd0_.js',
    '/assets/app-B3x9Kd0_.js%00',
    '/assets/app-B3x9Kd0_.js.br',
    '/assets/app-B3x9Kd0_.js/',
    '/assets%2fapp-B3x9Kd0_.js',
    '/assets',
    '/%ff',
    '/%',
    '/constructor',
    '/__proto__',
  ]
  test.each(targets)('%s', async (target) => {
    const { port } = await serving(await app())
    const answer = await rawClient(port, `GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`).closed
    expect(answer).toMatch(/^HTTP\/1\.1 40[04] /)
    expect(answer).not.toMatch(/secret|SECRET|root:/)
  })

  test('a file that came after the start', async () => {
    const pages = await app()
    await writeFile(path.join(dir, 'new.txt'), 'new')
    expect((await pages.request('/new.txt')).status).toBe(404)
  })

  test('a folder without index.html: the start stops, and says why', async () => {
    await rm(path.join(dir, 'index.html'))
    await expect(staticApp(dir, [])).rejects.toThrow(/no index\.html/)
  })

  test('a folder that is not there: the start stops, and says why', async () => {
    await expect(staticApp(path.join(dir, 'dist'), [])).rejects.toThrow(
      /spa\.dir names .*no such folder\s.*build the app first/s,
    )
  })
})

describe('compressed files', () => {
  test.each([
    ['br, gzip', 'br'],
    ['gzip, deflate', 'gzip'],
    ['GZIP;q=0.5', 'gzip'],
    ['br;q=0, gzip', 'gzip'],
    ['br;q=0.000, gzip;q=0', null],
    ['identity', null],
    ['x-br', null],
    ['', null],
  ])('Accept-Encoding %j gets %j', async (accepted, coding) => {
    const { url } = await serving(await app())
    const response = await fetch(`${url}/assets/app-B3x9Kd0_.js`, { headers: { 'accept-encoding': accepted } })
    expect(response.headers.get('content-encoding')).toBe(coding)
    expect(response.headers.get('vary')).toBe('Accept-Encoding')
    expect(await response.text()).toBe(script)
  })

  test('what has none beside it does not vary', async () => {
    expect((await (await app()).request('/robots.txt')).headers.has('vary')).toBe(false)
  })
})

describe('entity tags', () => {
  test('a client that has the newest gets 304, with the fields that a cache needs', async () => {
    const pages = await app()
    const etag = (await pages.request('/')).headers.get('etag') as string
    for (const tag of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const response = await pages.request('/', { headers: { 'if-none-match': tag } })
      expect([response.status, await response.text()]).toEqual([304, ''])
      expect(response.headers.get('etag')).toBe(etag)
      expect(response.headers.get('cache-control')).toBe('no-cache')
    }
    expect((await pages.request('/', { headers: { 'if-none-match': '"other"' } })).status).toBe(200)
  })

  test('each coding has its own', async () => {
    const pages = await app()
    const tagOf = async (accepted: string) =>
      (await pages.request('/assets/app-B3x9Kd0_.js', { headers: { 'accept-encoding': accepted } })).headers.get('etag')
    expect(new Set([await tagOf('br'), await tagOf('gzip'), await tagOf('identity')]).size).toBe(3)
  })
})
