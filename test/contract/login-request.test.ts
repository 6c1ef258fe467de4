/** What `GET /bff/login` takes from the page, what it refuses, and what reaches the authorization endpoint. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { UserAgent } from '../support/browser.ts'
import { type ProviderLog, watchProvider } from '../support/provider-log.ts'
import { type System, startSystem } from '../support/system.ts'

let system: System
let log: ProviderLog
beforeAll(async () => {
  system = await startSystem()
  log = watchProvider(system.provider)
})
afterAll(async () => {
  log.stop()
  await system.stop()
})

const ada = { username: 'ada', password: 'ada-demo' }
const visit = (query: string, browser = new UserAgent()) => browser.visit(`${system.origin}/bff/login${query}`)
const session = async (browser: UserAgent) => (await system.call(browser, '/bff/session')).json()

async function authorizationRequest(query: string): Promise<URLSearchParams> {
  const answer = await visit(query)
  expect(answer.status).toBe(302)
  return new URL(answer.headers.get('location') ?? '').searchParams
}

async function expectRefused(answer: Response, members: Record<string, unknown>): Promise<void> {
  expect(answer.status).toBe(400)
  expect(answer.headers.get('content-type')).toBe('application/problem+json')
  expect(answer.headers.get('cache-control')).toBe('no-store')
  expect(answer.headers.get('location')).toBeNull()
  expect(answer.headers.getSetCookie()).toEqual([])
  const body = await answer.text()
  expect(JSON.parse(body)).toMatchObject({ status: 400, ...members })
  expect(body).not.toContain('evil')
}

describe('the authorization request', () => {
  it('is a code flow with PKCE, state and nonce, each of them new every time', async () => {
    const requests = [await authorizationRequest(''), await authorizationRequest('')]
    for (const request of requests) {
      expect(Object.fromEntries(request)).toEqual({
        client_id: system.provider.clientId,
        response_type: 'code',
        redirect_uri: `${system.origin}/bff/callback`,
        scope: 'openid offline_access profile email orders:read orders:write',
        state: expect.stringMatching(/^[\w.-]{40,}$/),
        nonce: expect.stringMatching(/^[\w-]{43}$/),
        code_challenge: expect.stringMatching(/^[\w-]{43}$/),
        code_challenge_method: 'S256',
      })
    }
    for (const name of ['state', 'nonce', 'code_challenge']) {
      expect(requests[0]?.get(name)).not.toBe(requests[1]?.get(name))
    }
  })

  it.each([
    ['prompt', 'login'],
    ['prompt', 'none'],
    ['prompt', 'login consent'],
    ['login_hint', 'ada@example.com'],
    ['login_hint', 'Ada & "Söhne" +49 <30>'],
    ['login_hint', 'x'.repeat(512)],
    ['acr_values', 'urn:example:silver urn:example:gold'],
    ['ui_locales', 'de-CH de en'],
    ['max_age', '0'],
    ['max_age', '3600'],
    ['max_age', '999999999'],
  ])('has %s as the page chose it: %s', async (name, value) => {
    const request = await authorizationRequest(`?${new URLSearchParams({ [name]: value })}`)
    expect(request.getAll(name)).toEqual([value])
  })

  it('has all of them at once, and they reach the server', async () => {
    const chosen = { prompt: 'login', login_hint: 'ada', acr_values: 'a b', max_age: '60', ui_locales: 'de fr' }
    log.clear()
    const page = await new UserAgent().navigate(`${system.origin}/bff/login?${new URLSearchParams(chosen)}`)
    expect(page.status).toBe(200)
    expect(await page.text()).toContain('value="ada"')
    expect(log.authorizations).toHaveLength(1)
    expect(Object.fromEntries(log.authorizations[0] ?? [])).toMatchObject(chosen)
  })

  it('takes nothing else from the page, however often', async () => {
    const names = [
      ...[
        'client_id',
        'redirect_uri',
        'response_type',
        'response_mode',
        'scope',
        'state',
        'nonce',
        'resource',
        'request',
      ],
      ...[
        'request_uri',
        'code_challenge',
        'code_challenge_method',
        'claims',
        'id_token_hint',
        'display',
        'audience',
        'iss',
      ],
      ...[
        'registration',
        'dpop_jkt',
        'authorization_details',
        'target_link_uri',
        'client_secret',
        'Prompt',
        'prompt[]',
        'x',
      ],
    ]
    const plain = await authorizationRequest('')
    const query = names.map((name) => `${encodeURIComponent(name)}=evil&${encodeURIComponent(name)}=evil2`).join('&')
    const request = await authorizationRequest(`?${query}`)
    expect([...request.keys()].sort()).toEqual([...plain.keys()].sort())
    expect(request.toString()).not.toContain('evil')
  })
})

describe('a sign-in starts only for this origin and for the person', () => {
  const start = (headers: Record<string, string>, method = 'GET') =>
    new UserAgent().fetch(`${system.origin}/bff/login?return_to=/orders`, { method, headers, redirect: 'manual' })
  const navigation = { 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'document' }

  it.each([
    ['same-origin', 302],
    ['none', 302],
    ['same-site', 303],
    ['cross-site', 303],
  ])('a navigation from %s is answered %s', async (site, status) => {
    const answer = await start({ ...navigation, 'Sec-Fetch-Site': site })
    expect(answer.status).toBe(status)
    expect(answer.headers.get('cache-control')).toBe('no-store')
    if (status === 302) return
    expect(answer.headers.get('location')).toBe(`${system.origin}/orders`)
    expect(answer.headers.getSetCookie()).toEqual([])
  })

  it.each([
    ['a fetch', { 'Sec-Fetch-Mode': 'cors', 'Sec-Fetch-Dest': 'empty' }],
    ['an image', { 'Sec-Fetch-Mode': 'no-cors', 'Sec-Fetch-Dest': 'image' }],
    ['a frame', { 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'iframe' }],
  ])('not for %s, of our own pages either', async (_what, headers) => {
    const answer = await start({ ...headers, 'Sec-Fetch-Site': 'same-origin' })
    expect(answer.status).toBe(303)
    expect(answer.headers.getSetCookie()).toEqual([])
  })

  it('not ahead of a click: a prefetch gets 204', async () => {
    const answer = await start({ ...navigation, 'Sec-Fetch-Site': 'same-origin', 'Sec-Purpose': 'prefetch' })
    expect(answer.status).toBe(204)
    expect(answer.headers.getSetCookie()).toEqual([])
  })

  it.each(['HEAD', 'POST'])('not by %s, which is 405', async (method) => {
    const answer = await start({ ...navigation, 'Sec-Fetch-Site': 'same-origin' }, method)
    expect(answer.status).toBe(405)
    expect(answer.headers.get('allow')).toBe('GET')
    expect(answer.headers.getSetCookie()).toEqual([])
  })
})

describe('a parameter of the sign-in', () => {
  const names = ['return_to', 'prompt', 'login_hint', 'acr_values', 'max_age', 'ui_locales']
  const good = (name: string) => (name === 'return_to' ? '/evil' : name === 'max_age' ? '60' : 'evil')

  it.each(names)('%s is refused when it is there twice, also if both say the same', async (name) => {
    const spelled = name.replace(/.$/, (last) => `%${last.charCodeAt(0).toString(16)}`)
    for (const query of [
      `?${name}=${good(name)}&${name}=${good(name)}`,
      `?${name}=&${name}=${good(name)}`,
      `?${name}=${good(name)}&x=y&${spelled}=${good(name)}`,
    ]) {
      await expectRefused(await visit(query), { code: 'invalid_request', parameter: name })
    }
  })

  it.each(['prompt', 'login_hint', 'acr_values', 'ui_locales'])(
    '%s is refused when it is longer than any',
    async (name) => {
      const answer = await visit(`?${name}=${'evil'.repeat(129)}`)
      await expectRefused(answer, { code: 'invalid_request', parameter: name })
    },
  )

  it.each([
    ...[
      '',
      '-1',
      '+1',
      '1.5',
      '1e3',
      '0x10',
      ' 1',
      '1 ',
      '1\n',
      'evil',
      'null',
      'Infinity',
      'NaN',
      '٣',
      '１',
      '1,2',
      '1;2',
    ],
    ...['1000000000', '9'.repeat(400), '1'.repeat(600)],
  ])('max_age is refused where it is no number of seconds: %j', async (value) => {
    const answer = await visit(`?${new URLSearchParams({ max_age: value })}`)
    await expectRefused(answer, { code: 'invalid_request', parameter: 'max_age' })
  })

  it.each([
    ...[
      '',
      'evil',
      '//evil.example',
      '/\\evil.example',
      '/\t/evil.example',
      '/\n/evil.example',
      'https://evil.example/',
    ],
    ...['/.//evil.example', '/x/..//evil.example', '/%2e%2e//evil.example', '/%2f%2fevil.example', '/%5cevil.example'],
    ...['@evil.example', '.evil.example', 'javascript:evil()', '/\0evil', '/%00evil', '/%ffevil', '/\u2028evil'],
    ...[
      '/bff',
      '/bff/logout/continue?evil',
      '/%62ff/login?evil',
      '/x/../bff/login',
      '/api/evil',
      '/%61pi/evil',
      '/api%2fevil',
    ],
    ...['/public/evil', '/api/exact', `/${'evil'.repeat(300)}`, `/${'é'.repeat(300)}`],
  ])('return_to is refused where it is no page of this origin: %j', async (value) => {
    const answer = await visit(`?${new URLSearchParams({ return_to: value })}`)
    await expectRefused(answer, { code: 'invalid_return_to' })
  })

  it('that is refused starts nothing from another site either, and leads nowhere', async () => {
    const answer = await new UserAgent().visit(`${system.origin}/bff/login?return_to=//evil.example`, {
      from: 'https://evil.example',
    })
    await expectRefused(answer, { code: 'invalid_return_to' })
  })

  it('is not looked for in what is no query: a fragment in it, an escape that is none', async () => {
    for (const query of ['?return_to=/a%', '?return_to=/a%zz', '?prompt=%0']) {
      await expectRefused(await visit(query), { code: 'path_not_canonical' })
    }
  })
})

describe('max_age', () => {
  /** Signs in, but not by the authorization request that was made: somebody took max_age out of the address. */
  async function signInWithoutMaxAge(
    query: string,
    on: System,
  ): Promise<{ browser: UserAgent; location: string | null }> {
    const browser = new UserAgent()
    const start = await browser.visit(`${on.origin}/bff/login${query}`)
    const request = new URL(start.headers.get('location') ?? '')
    expect(request.searchParams.has('max_age')).toBe(true)
    request.searchParams.delete('max_age')
    const callback = await browser.signInUntilCallback(request, ada)
    const answer = await browser.visit(callback, { from: on.provider.issuer })
    return { browser, location: answer.headers.get('location') }
  }

  it('that the server keeps is a sign-in like any other', async () => {
    const browser = new UserAgent()
    await browser.signIn(`${system.origin}/bff/login?max_age=60&return_to=/`, ada)
    expect(await session(browser)).toMatchObject({ authenticated: true })
  })

  it('that was taken out on the way is missed: the ID token has to say when the person signed in', async () => {
    const { browser, location } = await signInWithoutMaxAge('?max_age=60', system)
    expect(location).toBe(`${system.origin}/?login_error=login_failed`)
    expect(await session(browser)).toEqual({ authenticated: false })
  })

  describe('of the configuration', () => {
    let strict: System
    beforeAll(async () => {
      strict = await startSystem({
        provider: { authorizationParameters: { max_age: '600', prompt: 'consent', audience: 'orders' } },
      })
    })
    afterAll(() => strict.stop())

    async function strictRequest(query: string): Promise<URLSearchParams> {
      const answer = await new UserAgent().visit(`${strict.origin}/bff/login${query}`)
      return new URL(answer.headers.get('location') ?? '').searchParams
    }

    it('is sent, beside the other parameters', async () => {
      expect(Object.fromEntries(await strictRequest(''))).toMatchObject({
        max_age: '600',
        prompt: 'consent',
        audience: 'orders',
      })
    })

    it('is a bound: the page may lower it, and not raise it', async () => {
      expect((await strictRequest('?max_age=30')).getAll('max_age')).toEqual(['30'])
      expect((await strictRequest('?max_age=600')).getAll('max_age')).toEqual(['600'])
      expect((await strictRequest('?max_age=601')).getAll('max_age')).toEqual(['600'])
      expect((await strictRequest('?max_age=999999999')).getAll('max_age')).toEqual(['600'])
    })

    it('gives way to the page in prompt, for a silent sign-in', async () => {
      expect((await strictRequest('?prompt=none')).getAll('prompt')).toEqual(['none'])
    })

    it('is missed too when it was taken out on the way', async () => {
      const { location } = await signInWithoutMaxAge('', strict)
      expect(location).toBe(`${strict.origin}/?login_error=login_failed`)
    })
  })
})

it.each(['a(b)', 'x', '', 'a b', '__proto__', '1234567-abcdefgh.'])(
  'leaves a cookie alone whose name only looks like a sign-in of ours: %s',
  async (id) => {
    const many = Array.from({ length: 5 }, () => `__Host-Http-coatcheck-login-${id}=${'v'.repeat(1000)}`).join('; ')
    const answer = await new UserAgent().fetch(`${system.origin}/bff/login`, {
      headers: { Cookie: many, 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'document', 'Sec-Fetch-Site': 'none' },
      withCookies: false,
    })
    expect(answer.status).toBe(302)
    expect(answer.headers.getSetCookie()).toHaveLength(1)
  },
)
