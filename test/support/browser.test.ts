import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { CookieJar, readForms, UserAgent } from './browser.ts'

describe('the cookie jar', () => {
  const page = 'https://app.example.com/a/b'

  test.each([
    ['Secure over plain HTTP', 'http://app.example.com/', 'a=1; Secure'],
    ['__Host- without Secure', page, '__Host-a=1; Path=/'],
    ['__Host- with a Domain', page, '__Host-a=1; Secure; Path=/; Domain=app.example.com'],
    ['__Host- without Path=/', page, '__Host-a=1; Secure'],
    ['__Host-Http- without HttpOnly', page, '__Host-Http-a=1; Secure; Path=/'],
    ['__secure- in small letters without Secure', page, '__secure-a=1'],
    ['the Domain of another host', page, 'a=1; Domain=other.example.com'],
    ['a Domain of one label', page, 'a=1; Domain=com'],
    ['SameSite=None without Secure', page, 'a=1; SameSite=None'],
    ['more than 4096 bytes', page, `a=${'x'.repeat(4096)}`],
    ['a control character', page, 'a=1\u0001'],
  ])('refuses a cookie with %s', (_, url, line) => {
    const jar = new CookieJar()
    jar.set(url, line)
    expect(jar.all()).toEqual([])
    expect(jar.refused).toHaveLength(1)
  })

  test.each([
    ['http://localhost:3000/', 'http://localhost:9999/x', 'a=1', true],
    ['http://localhost/', 'http://127.0.0.1/', 'a=1', false],
    ['http://localhost/', 'http://localhost/', '__Host-Http-a=1; Secure; HttpOnly; Path=/', true],
    [page, 'https://app.example.com/a/c', 'a=1', true],
    [page, 'https://app.example.com/', 'a=1', false],
    [page, 'https://app.example.com/abc', 'a=1; Path=/a', false],
    [page, 'https://app.example.com/a/', 'a=1; Path=/a', true],
    [page, 'https://www.example.com/a/b', 'a=1', false],
    [page, 'https://www.example.com/a/b', 'a=1; Domain=.example.com', true],
    [page, 'https://badexample.com/a/b', 'a=1; Domain=example.com', false],
    [page, 'http://app.example.com/a/b', 'a=1; Secure', false],
  ])('set by %s, asked for %s: %s is sent: %s', (from, to, line, isSent) => {
    const jar = new CookieJar()
    jar.set(from, line)
    expect(jar.match(to)).toHaveLength(isSent ? 1 : 0)
  })

  test('Max-Age goes before Expires, and either deletes', () => {
    const jar = new CookieJar()
    jar.set(page, 'a=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT')
    expect(jar.header(page)).toBe('a=1')
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 61_000 })
    expect(jar.header(page)).toBeUndefined()
    vi.useRealTimers()
    for (const end of ['Max-Age=0', 'Max-Age=-1', 'Expires=Thu, 01 Jan 1970 00:00:00 GMT']) {
      jar.set(page, 'b=1')
      jar.set(page, `b=; ${end}`)
      expect([end, jar.all()]).toEqual([end, []])
    }
  })

  test('Strict stays at home, Lax travels with a navigation, None with everything', () => {
    const jar = new CookieJar()
    for (const policy of ['Strict', 'Lax', 'None']) jar.set(page, `${policy}=1; SameSite=${policy}; Secure`)
    expect(jar.header(page, { isSameSite: false, isSafeNavigation: true })).toBe('Lax=1; None=1')
    expect(jar.header(page, { isSameSite: false, isSafeNavigation: false })).toBe('None=1')
    expect(jar.header(page)).toBe('Strict=1; Lax=1; None=1')
  })

  test('the longest path comes first, and script sees no HttpOnly', () => {
    const jar = new CookieJar()
    jar.set(page, 'root=1; Path=/; HttpOnly')
    jar.set(page, 'deep=1; Path=/a')
    expect(jar.header(page)).toBe('deep=1; root=1')
    expect(jar.documentCookie(page)).toBe('deep=1')
  })
})

describe('the browser', () => {
  let server: Server
  let port: number
  let received: IncomingMessage[]
  let answer: (request: IncomingMessage, response: ServerResponse) => void

  beforeEach(async () => {
    received = []
    server = createServer((request, response) => {
      received.push(request)
      answer(request, response)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    port = (server.address() as AddressInfo).port
  })

  afterEach(async () => {
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  })

  test('sends the Fetch Metadata of a page, of a navigation, and of another site', async () => {
    answer = (_, response) => response.end()
    const browser = new UserAgent()
    const url = `http://127.0.0.1:${port}/`
    await browser.fetch(url)
    await browser.navigate(url)
    await browser.navigate(url, { from: 'http://localhost:1/' })
    await browser.fetch(url, { from: `http://127.0.0.1:1/`, method: 'POST', body: 'x' })
    const seen = received.map(({ headers }) => [
      headers['sec-fetch-site'],
      headers['sec-fetch-mode'],
      headers['sec-fetch-dest'],
      headers.origin,
    ])
    expect(seen).toEqual([
      ['same-origin', 'cors', 'empty', undefined],
      ['none', 'navigate', 'document', undefined],
      ['cross-site', 'navigate', 'document', undefined],
      ['same-site', 'cors', 'empty', 'http://127.0.0.1:1'],
    ])
  })

  test('an old browser sends none, and a header can be left out or set', async () => {
    answer = (_, response) => response.end()
    await new UserAgent({ sendsFetchMetadata: false }).fetch(`http://127.0.0.1:${port}/`, {
      headers: { 'user-agent': null, 'X-CSRF': '1' },
    })
    const [request] = received
    expect(request?.headers).not.toHaveProperty('sec-fetch-site')
    expect(request?.headers).not.toHaveProperty('user-agent')
    expect(request?.headers['x-csrf']).toBe('1')
  })

  test('follows redirects with the cookies that they set; a POST becomes a GET after 303 and not after 307', async () => {
    answer = (request, response) => {
      const next: Record<string, [number, string]> = { '/a': [307, '/b'], '/b': [303, '/c'] }
      const [status, location] = next[request.url ?? ''] ?? [200, undefined]
      response.writeHead(status, {
        ...(location && { Location: location }),
        'Set-Cookie': `at=${request.url?.slice(1)}`,
      })
      response.end()
    }
    const response = await new UserAgent().navigate(`http://127.0.0.1:${port}/a`, { method: 'POST', body: 'x' })
    expect(response.url).toBe(`http://127.0.0.1:${port}/c`)
    expect(received.map(({ method, headers }) => [method, headers.cookie])).toEqual([
      ['POST', undefined],
      ['POST', 'at=a'],
      ['GET', 'at=b'],
    ])
  })

  test('gives up on redirects without end', async () => {
    answer = (_, response) => response.writeHead(302, { Location: '/' }).end()
    await expect(new UserAgent({ maxRedirects: 3 }).navigate(`http://127.0.0.1:${port}/`)).rejects.toThrow(/redirects/)
  })

  test('says what it met instead of an authorization request', async () => {
    answer = (_, response) => response.writeHead(503).end('<p>out of order</p>')
    const start = new UserAgent().signIn(`http://127.0.0.1:${port}/bff/login`, { username: 'ada', password: 'x' })
    await expect(start).rejects.toThrow('/bff/login ended with 503: out of order')
  })
})

test('forms are read with their buttons, entities and the buttons outside', () => {
  const markup = `<form id="f.1" method="POST" action="/go?a=1&amp;b=2"><input name=plain value='&lt;&#39;&#x41;'>
    <input type="checkbox" name="off"><input type=checkbox name=on value=yes checked></form>
    <button form="f.1" name="answer" value="no">Not &amp; now</button><button type="button" form="f.1">Other</button>`
  const [form] = readForms(markup, 'https://example.com/x')
  expect(form?.action.href).toBe('https://example.com/go?a=1&b=2')
  expect([...(form?.fields ?? [])]).toEqual([
    ['plain', "<'A"],
    ['on', 'yes'],
  ])
  expect(form?.buttons).toEqual([{ name: 'answer', value: 'no', text: 'Not & now' }])
})
