import { describe, expect, it } from 'vitest'
import { problemOf } from '../../src/client/index.ts'
import { settle } from './fake-browser.ts'
import { problem, signedIn } from './fake-server.ts'
import { openPage } from './setup.ts'

describe('what a call carries', () => {
  it('names the session that the page believes in, and says 1 where there is none', async () => {
    const page = await openPage()
    await page.client.fetch('/api/orders')
    expect(page.server.requests.at(-1)?.headers.get('x-csrf')).toBe('ref-ann')
    expect(page.server.requests.at(-1)?.credentials).toBe('same-origin')

    const anonymous = await openPage({ user: null })
    await anonymous.client.fetch('/api/orders')
    expect(anonymous.server.requests.at(-1)?.headers.get('x-csrf')).toBe('1')
  })

  it('keeps the headers that the caller set, on init and on a Request, and its word on credentials does not count', async () => {
    const page = await openPage()
    await page.client.fetch('/api/orders', { headers: { 'Content-Type': 'text/csv', 'x-csrf': 'forged' } })
    expect(page.server.requests.at(-1)?.headers.get('content-type')).toBe('text/csv')
    expect(page.server.requests.at(-1)?.headers.get('x-csrf')).toBe('ref-ann')

    const request = new Request('https://app.example.com/api/orders', { headers: { prefer: 'wait' }, method: 'DELETE' })
    await page.client.fetch(request, { credentials: 'include' })
    const sent = page.server.requests.at(-1)
    expect([sent?.method, sent?.headers.get('prefer'), sent?.headers.get('x-csrf')]).toEqual([
      'DELETE',
      'wait',
      'ref-ann',
    ])
    expect(sent?.credentials).toBe('same-origin')
  })

  it.each([
    'https://elsewhere.example/x',
    'https://api.app.example.com/x',
    'http://app.example.com/x',
    'https://app.example.com:8443/x',
    '//elsewhere.example/x',
    '/\\elsewhere.example/x',
  ])('is nothing of ours towards %s', async (address) => {
    const page = await openPage()
    const sent: (RequestInit | undefined)[] = []
    const other = await openPage({
      server: {
        ...page.server,
        fetch: async (_input, init) => {
          sent.push(init)
          return Response.json({ authenticated: false })
        },
      },
    })
    sent.length = 0
    await other.client.fetch(address, { headers: { accept: 'text/plain' } })
    expect(sent).toEqual([{ headers: { accept: 'text/plain' } }])
  })
})

describe('what a page takes from an answer', () => {
  it('gives the response as it came, its body unread', async () => {
    const page = await openPage()
    page.server.api = () => problem('login_required', 401)
    const response = await page.client.fetch('/api/orders')
    expect(response.status).toBe(401)
    expect(await response.json()).toMatchObject({ code: 'login_required' })
  })

  it('is signed out by login_required of Coatcheck', async () => {
    const page = await openPage()
    page.server.api = () => problem('login_required', 401)
    await page.client.fetch('/api/orders')
    expect(page.client.getSession()).toMatchObject({ status: 'anonymous', session: undefined })
    expect(page.events).toEqual(['signed-in:ann', 'signed-out:login_required'])
  })

  it.each([
    ['a plain 401', () => new Response('no', { status: 401 })],
    ['a 401 problem of the API', () => problemOfApi({ type: 'about:blank', code: 'login_required' })],
    ['a type that only looks alike', () => problemOfApi({ type: 'urn:coatcheck:problems:login_required' })],
    ['the right document as plain JSON', () => problemOfApi(ours, 'application/json')],
    ['the right document as text', () => problemOfApi(ours, 'text/plain; x=application/problem+json')],
    ['a document that is not JSON', () => problemText('{"type":"urn:coatcheck:problem:login_required"')],
    ['a document that is null', () => problemText('null')],
    ['a document without end', () => problemText(JSON.stringify({ ...ours, padding: 'x'.repeat(64 * 1024) }))],
    ['our problem with status 200', () => problemOfApi(ours, 'application/problem+json', 200)],
    ['another problem of ours', () => problem('insufficient_scope', 403)],
  ])('stays signed in on %s', async (_name, answer) => {
    const page = await openPage()
    page.server.api = answer
    await page.client.fetch('/api/orders')
    await settle()
    expect(page.client.getSession().status).toBe('authenticated')
    expect(page.events).toEqual(['signed-in:ann'])
  })

  it('is told of another session by session_changed, looks again, and tells who it was', async () => {
    const page = await openPage()
    page.server.session = signedIn(page.browser, 'bob')
    page.server.api = () => problem('session_changed', 409)
    const calls = [1, 2, 3].map(() => page.client.fetch('/api/orders'))
    await Promise.all(calls)
    await settle()
    expect(page.events).toEqual(['signed-in:ann', 'changed:ref-ann>ref-bob'])
    expect(page.client.getSession().session?.claims.sub).toBe('bob')
    const looks = page.server.seen().filter((line) => line.includes('/session'))
    expect(looks.length).toBeLessThanOrEqual(3)
    expect(looks.at(-1)).toBe('GET /bff/session?slide=false')
  })

  it('does not sign out a new session for the late answer of an old one', async () => {
    const page = await openPage()
    let answerLate = (_response: Response) => {}
    page.server.api = () => new Promise((resolve) => (answerLate = resolve))
    const slow = page.client.fetch('/api/orders')
    await settle()
    page.server.session = signedIn(page.browser, 'ann', 'ref-new')
    await page.client.session()
    answerLate(problem('login_required', 401))
    await slow
    await settle()
    expect(page.client.getSession()).toMatchObject({ status: 'authenticated', session: { ref: 'ref-new' } })
    expect(page.events).not.toContain('signed-out:login_required')
  })

  it('stays signed out when a look that was sent before is answered after', async () => {
    const page = await openPage()
    let release = () => {}
    page.server.hold = new Promise<void>((resolve) => (release = resolve))
    const look = page.client.session()
    await settle()
    page.server.api = () => problem('login_required', 401)
    await page.client.fetch('/api/orders')
    release()
    await look
    expect(page.client.getSession().status).toBe('anonymous')
  })

  it('looks whether it is offline when a call does not get through, and rejects as fetch does', async () => {
    const page = await openPage()
    page.server.outage = 'offline'
    await expect(page.client.fetch('/api/orders')).rejects.toThrow(TypeError)
    await settle()
    expect(page.client.getSession()).toMatchObject({ status: 'authenticated', isOffline: true })
  })
})

describe('a silent sign-in', () => {
  const silent = () => problem('login_required', 401, { silent: true })

  it('leaves the page once with prompt=none, however many calls fail', async () => {
    const page = await openPage()
    page.server.api = silent
    await Promise.all([page.client.fetch('/api/a'), page.client.fetch('/api/b')])
    expect(page.browser.left).toEqual(['/bff/login?return_to=%2F&prompt=none'])
  })

  it('is not tried again within ten minutes, in the page that it came back to either', async () => {
    const page = await openPage()
    page.server.api = silent
    await page.client.fetch('/api/a')
    page.close()
    const { fakeBrowser } = await import('./fake-browser.ts')
    const again = await openPage({ browser: fakeBrowser('/', page.browser.storage) })
    again.server.api = silent
    await again.client.fetch('/api/a')
    expect(again.browser.left).toEqual([])

    again.server.session = signedIn(again.browser, 'ann', 'later')
    await again.client.session()
    again.browser.time += 11 * 60 * 1000
    await again.client.fetch('/api/a')
    expect(again.browser.left).toHaveLength(1)
  })

  it('is not tried without storage to guard it, nor when the app does not want it', async () => {
    const { fakeBrowser, forbiddenStorage } = await import('./fake-browser.ts')
    const blocked = await openPage({ browser: fakeBrowser('/', forbiddenStorage()) })
    blocked.server.api = silent
    await blocked.client.fetch('/api/a')
    blocked.close()
    const unwanted = await openPage({ silentLogin: false })
    unwanted.server.api = silent
    await unwanted.client.fetch('/api/a')
    expect([...blocked.browser.left, ...unwanted.browser.left]).toEqual([])
    expect(blocked.client.getSession().status).toBe('anonymous')
  })
})

describe('problemOf', () => {
  it('gives code, status and title, and leaves the body to the caller', async () => {
    const response = problem('insufficient_scope', 403)
    expect(await problemOf(response)).toMatchObject({
      name: 'CoatcheckProblem',
      code: 'insufficient_scope',
      status: 403,
      title: 'Title of insufficient_scope',
      isSilentLoginPossible: false,
    })
    expect(response.bodyUsed).toBe(false)
  })

  it('gives what the sign-in has to be asked for where the guard of an API wants a stronger or later one (RFC 9470)', async () => {
    const asks = { ...ours, type: 'urn:coatcheck:problem:insufficient_user_authentication' }
    const document = { ...asks, acr_values: 'phr phrh', max_age: 300 }
    expect(await problemOf(problemOfApi(document))).toMatchObject({
      code: 'insufficient_user_authentication',
      acrValues: 'phr phrh',
      maxAge: 300,
    })
    const odd = await problemOf(problemOfApi({ ...asks, acr_values: ['phr'], max_age: '300' }))
    expect([odd?.acrValues, odd?.maxAge]).toEqual([undefined, undefined])
  })

  it('gives nothing for a body that was read already', async () => {
    const response = problem('login_required', 401)
    await response.text()
    expect(await problemOf(response)).toBeUndefined()
  })
})

const ours = { type: 'urn:coatcheck:problem:login_required', status: 401, code: 'login_required' }

function problemOfApi(document: object, contentType = 'application/problem+json', status = 401): Response {
  return new Response(JSON.stringify(document), { status, headers: { 'content-type': contentType } })
}

function problemText(text: string): Response {
  return new Response(text, { status: 401, headers: { 'content-type': 'application/problem+json' } })
}
