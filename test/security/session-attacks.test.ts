/**
 * Attacks on the sign-in, on cookies and on the end of a session, by whoever can plant a cookie, has a code or a callback of
 * somebody else, or reaches the back channel. What `test/contract/` shows of each step by itself is not shown again.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { UserAgent } from '../support/browser.ts'
import { type Attacked, answerTo, startAttacked, statusesOf } from './attacked.ts'

let attacked: Attacked
beforeAll(async () => {
  attacked = await startAttacked({ config: { thirdPartyInitiatedLogin: true } })
})
afterAll(() => attacked.stop())
beforeEach(() => {
  attacked.upstream.reset()
  attacked.provider.token.forget()
})

const sessionName = '__Host-Http-coatcheck'
const person = (username: 'ada' | 'grace') => ({ username, password: `${username}-demo` })
const loginUrl = () => `${attacked.origin}/bff/login?return_to=/`
const upToCallback = (browser: UserAgent, username: 'ada' | 'grace') =>
  browser.signInUntilCallback(loginUrl(), person(username))
const finish = (browser: UserAgent, callback: URL) => browser.visit(callback, { from: attacked.provider.issuer })
const cookieOf = (browser: UserAgent, name = sessionName) => browser.cookies.get(attacked.origin, name)?.value ?? ''

async function whoIs(browser: UserAgent): Promise<string | undefined> {
  const answer = await attacked.call(browser, '/bff/session')
  return ((await answer.json()) as { claims?: { name: string } }).claims?.name
}

/** A call with exactly this `Cookie` line, as no jar would write it. */
const withCookies = (cookies: string, target = '/api/x') =>
  answerTo(
    attacked.port,
    `GET ${target} HTTP/1.1\r\nHost: ${attacked.host}\r\nX-CSRF: 1\r\nCookie: ${cookies}\r\nConnection: close\r\n\r\n`,
  )

describe('a cookie that was planted', () => {
  let ada: string
  let grace: string
  beforeAll(async () => {
    ada = cookieOf(await attacked.signedIn('ada'))
    grace = cookieOf(await attacked.signedIn('grace'))
  })

  it('is there at all, so that what follows can fail', async () => {
    expect(statusesOf(await withCookies(`${sessionName}=${ada}`))).toEqual([200])
  })

  it.each<[string, () => string]>([
    ['of the same name, before the person’s', () => `${sessionName}=${grace}; ${sessionName}=${ada}`],
    ['of the same name, after the person’s', () => `${sessionName}=${ada}; ${sessionName}=${grace}`],
    ['of the same name, with nothing in it', () => `${sessionName}=; ${sessionName}=${ada}`],
    ['of the same name, garbage', () => `${sessionName}=x; ${sessionName}=${ada}`],
    ['of the same name, in hundreds', () => `${`${sessionName}=x; `.repeat(100)}${sessionName}=${ada}`],
  ])('%s: neither is taken, nobody is another one', async (_what, cookies) => {
    expect(statusesOf(await withCookies(cookies()))).toEqual([401])
    expect(attacked.upstream.bytes()).toBe('')
  })

  it.each<[string, () => string]>([
    ['without the prefix', () => `coatcheck=${ada}`],
    ['with the older prefix', () => `__Host-coatcheck=${ada}`],
    ['in small letters', () => `__host-http-coatcheck=${ada}`],
    ['with a space in its name', () => `__Host-Http-coatcheck x=${ada}`],
    ['without a name', () => `=${sessionName}=${ada}`],
    ['in another one’s value', () => `x="a; ${sessionName}=${'y'}`],
    ['in quotes', () => `${sessionName}="${ada}"`],
    ['with escapes', () => `${sessionName}=${ada.replace('*', '%2A')}`],
    ['with an escaped name', () => `__Host-Http-%63oatcheck=${ada}`],
    ['under the marker’s name', () => `${sessionName}-id=${ada}`],
    ['under a sign-in’s name', () => `${sessionName}-login-12345-abcdefgh=${ada}`],
    ['under a part’s name', () => `${sessionName}.0=${ada}`],
    ['as JSON', () => `${sessionName}={"sub":"ada"}`],
    ['with a comma for a semicolon', () => `a=b, ${sessionName}=${ada}`],
  ])('%s is no session', async (_what, cookies) => {
    expect(statusesOf(await withCookies(cookies()))).toEqual([401])
    expect(attacked.upstream.bytes()).toBe('')
  })

  it.each<[string, (seal: string) => string]>([
    ['cut', (seal) => seal.slice(0, -10)],
    ['longer', (seal) => `${seal}~2`],
    ['with one character changed', (seal) => seal.replace(/.(?=.{200}$)/, (was) => (was === 'A' ? 'B' : 'A'))],
    [
      'with the other’s signature',
      (seal) =>
        seal
          .split('*')
          .slice(0, -1)
          .concat(grace.split('*').at(-1) ?? '')
          .join('*'),
    ],
    ['of another secret', (seal) => seal.replace(/^Fe26\.2\*\d+/, 'Fe26.2*1')],
    ['of a secret that is a member of every object', (seal) => seal.replace(/^Fe26\.2\*\d+/, 'Fe26.2*__proto__')],
    ['of another version', (seal) => seal.replace('Fe26.2', 'Fe26.1')],
    ['thrice', (seal) => seal.repeat(3)],
  ])('that is a real one %s opens nothing', async (_what, change) => {
    expect(statusesOf(await withCookies(`${sessionName}=${change(ada)}`))).toEqual([401])
  })

  it('in parts of two versions, in odd counts or alone is no session, and clears nothing', async () => {
    const halves = (seal: string) => [seal.slice(0, 1000), seal.slice(1000)] as const
    const part = (index: number, value: string) => `${sessionName}.${index}=${value}`
    const [a0, a1] = halves(ada)
    const [g0, g1] = halves(grace)
    for (const cookies of [
      [part(0, `2.aaaaaaaa.${a0}`), part(1, `2.bbbbbbbb.${a1}`)],
      [part(0, `2.aaaaaaaa.${a0}`), part(1, `2.aaaaaaaa.${g1}`)],
      [part(0, `2.aaaaaaaa.${g0}`), part(1, `2.aaaaaaaa.${a1}`)],
      [part(0, `2.aaaaaaaa.${a0}`)],
      [part(1, `2.aaaaaaaa.${a1}`)],
      [part(0, `1.aaaaaaaa.${ada}`)],
      [part(0, `0.aaaaaaaa.${a0}`), part(1, `0.aaaaaaaa.${a1}`)],
      [part(0, `-2.aaaaaaaa.${a0}`), part(1, `-2.aaaaaaaa.${a1}`)],
      [part(0, `1e9.aaaaaaaa.${a0}`), part(1, `1e9.aaaaaaaa.${a1}`)],
      [part(0, `__proto__.aaaaaaaa.${a0}`), part(1, `__proto__.aaaaaaaa.${a1}`)],
    ]) {
      const answer = await withCookies(cookies.join('; '))
      expect(statusesOf(answer), cookies.join().slice(0, 60)).toEqual([401])
      expect(answer).not.toMatch(/set-cookie/i)
    }
    // A sign-in in two parts of one writing does open: the parts above failed for what they are.
    expect(statusesOf(await withCookies(`${part(0, `2.aaaaaaaa.${a0}`)}; ${part(1, `2.aaaaaaaa.${a1}`)}`))).toEqual([
      200,
    ])
  })

  it('among hundreds of others costs nobody the session', async () => {
    const others = Array.from({ length: 300 }, (_, index) => `c${index}=v`).join('; ')
    expect(statusesOf(await withCookies(`${others}; ${sessionName}=${ada}; ${others}`))).toEqual([200])
    const bomb = await withCookies(`${'x=y; '.repeat(2000)}${sessionName}=${ada}`)
    expect([200, 431]).toContain(statusesOf(bomb)[0])
  })

  it('for a hundred sign-ins does not keep the next one from beginning', async () => {
    const planted = Array.from(
      { length: 100 },
      (_, index) => `${sessionName}-login-${10000 + index}-abcdefgh=${'x'.repeat(60)}`,
    )
    const answer = await withCookies(planted.join('; '), '/bff/login')
    expect(statusesOf(answer)).toEqual([302])
  })
})

describe('session fixation', () => {
  it('a session that was there before the sign-in is not the one after it, and is worth nothing then', async () => {
    const attacker = await attacked.signedIn('grace')
    const planted = cookieOf(attacker)
    const victim = new UserAgent()
    victim.cookies.set(attacked.origin, `${sessionName}=${planted}; Path=/; Secure; HttpOnly`)
    await finish(victim, await upToCallback(victim, 'ada'))
    expect(await whoIs(victim)).toBe('Ada Lovelace')
    expect(cookieOf(victim)).not.toBe(planted)
    expect(statusesOf(await withCookies(`${sessionName}=${planted}`))).toEqual([401])
  })

  it('nothing of the request is a part of the new session: id, ref and state are ours, each time', async () => {
    const seen = new Set<string>()
    for (let count = 0; count < 3; count++) {
      const browser = new UserAgent()
      const callback = await browser.signInUntilCallback(
        `${loginUrl()}&state=mine&nonce=mine&ref=mine&id=mine`,
        person('ada'),
      )
      const { state } = Object.fromEntries(callback.searchParams)
      expect(state).not.toContain('mine')
      await finish(browser, callback)
      const { ref } = (await (await attacked.call(browser, '/bff/session')).json()) as { ref: string }
      for (const value of [state ?? '', ref, cookieOf(browser)]) {
        expect(seen.has(value)).toBe(false)
        seen.add(value)
      }
    }
  })
})

describe('login CSRF and code injection', () => {
  it('a callback of the attacker’s, with the attacker’s sign-in cookie planted, is the most it can be: a sign-in that was begun there', async () => {
    // `__Host-` keeps a sibling from planting it; without the cookie the callback signs nobody in.
    const attacker = new UserAgent()
    const callback = await upToCallback(attacker, 'grace')
    const victim = await attacked.signedIn('ada')
    const answer = await finish(victim, callback)
    expect(answer.headers.get('location')).toBe(`${attacked.origin}/?login_error=login_expired`)
    expect(await whoIs(victim)).toBe('Ada Lovelace')
  })

  it('a code of another sign-in, with the victim’s own state, is refused by PKCE and nonce', async () => {
    const attacker = new UserAgent()
    const theirs = await upToCallback(attacker, 'grace')
    const victim = new UserAgent()
    const own = await upToCallback(victim, 'ada')
    own.searchParams.set('code', theirs.searchParams.get('code') ?? '')
    const answer = await finish(victim, own)
    expect(answer.headers.get('location')).toBe(`${attacked.origin}/?login_error=login_failed`)
    expect(await whoIs(victim)).toBeUndefined()
    // And the code is spent: the attacker’s own sign-in fails, or is one of the attacker’s alone.
    await finish(attacker, theirs)
    expect(['Grace Hopper', undefined]).toContain(await whoIs(attacker))
  })

  it('a code that leaked is of no use in a browser that did not begin it, and not twice in the one that did', async () => {
    const victim = new UserAgent()
    const callback = await upToCallback(victim, 'ada')
    const thief = new UserAgent()
    await finish(thief, callback)
    expect(await whoIs(thief)).toBeUndefined()
    await finish(victim, callback)
    await finish(thief, callback)
    expect(await whoIs(thief)).toBeUndefined()
    expect(attacked.provider.token.count({ grantType: 'authorization_code' })).toBe(1)
  })

  it.each([
    ['by the iss of another server (mix-up)', (url: URL) => url.searchParams.set('iss', 'https://evil.example')],
    ['by a second iss', (url: URL) => url.searchParams.append('iss', 'https://evil.example')],
    ['by a second code', (url: URL) => url.searchParams.append('code', 'x')],
    [
      'by tokens in the address',
      (url: URL) =>
        Object.assign(url, {
          search: `?state=${url.searchParams.get('state')}&access_token=x&id_token=y&token_type=Bearer`,
        }),
    ],
    ['by a response of JARM', (url: URL) => url.searchParams.set('response', 'eyJhbGciOiJub25lIn0.e30.')],
    ['by an error beside the code', (url: URL) => url.searchParams.set('error', 'access_denied')],
  ])('an answer that was changed %s signs nobody in', async (_how, change) => {
    const browser = new UserAgent()
    const callback = await upToCallback(browser, 'ada')
    change(callback)
    const answer = await finish(browser, callback)
    expect(answer.headers.get('location')).toMatch(/login_error=(login_failed|access_denied)$/)
    expect(await whoIs(browser)).toBeUndefined()
  })

  it('third-party initiation chooses nothing but the moment', async () => {
    const browser = new UserAgent()
    const issuer = encodeURIComponent(attacked.provider.issuer)
    const answer = await browser.visit(
      `${attacked.origin}/bff/login?iss=${issuer}&return_to=//evil.example&target_link_uri=https://evil.example&login_hint=evil&prompt=none&scope=all`,
      { from: 'https://evil.example' },
    )
    expect(answer.status).toBe(302)
    expect(answer.headers.get('location')).not.toMatch(/evil|prompt=none|scope=all/)
  })
})

describe('the sign-out', () => {
  it.each<[string, string, string[]]>([
    ['a GET', 'GET', ['X-CSRF: 1']],
    ['a POST without the header', 'POST', ['Content-Length: 0']],
    [
      'a form',
      'POST',
      ['Content-Type: application/x-www-form-urlencoded', 'Content-Length: 0', 'Origin: https://evil.example'],
    ],
    ['a page of a sibling', 'POST', ['X-CSRF: 1', 'Content-Length: 0', 'Sec-Fetch-Site: same-site']],
    ['a sandboxed frame', 'POST', ['X-CSRF: 1', 'Content-Length: 0', 'Origin: null']],
    ['a HEAD', 'HEAD', ['X-CSRF: 1']],
    ['a method override', 'GET', ['X-CSRF: 1', 'X-HTTP-Method-Override: POST']],
  ])('is not done by %s (logout CSRF)', async (_who, method, fields) => {
    const browser = await attacked.signedIn('ada')
    const cookie = `Cookie: ${browser.cookies.header(attacked.origin)}`
    const request = [`${method} /bff/logout HTTP/1.1`, `Host: ${attacked.host}`, cookie, ...fields, 'Connection: close']
    const answer = await answerTo(attacked.port, `${request.join('\r\n')}\r\n\r\n`)
    expect([403, 405]).toContain(statusesOf(answer)[0])
    expect(answer).not.toMatch(/set-cookie|clear-site-data/i)
    expect(await whoIs(browser)).toBe('Ada Lovelace')
  })

  it('leads nowhere but to the server and the app, whatever the address says', async () => {
    for (const query of [
      '?post_logout_redirect_uri=https://evil.example',
      '?return_to=//evil.example',
      '?url=https://evil.example',
    ]) {
      const answer = await withCookies(`__Host-Http-coatcheck-logout=x`, `/bff/logout/continue${query}`)
      expect(answer).toMatch(new RegExp(`\r\nlocation: ${attacked.origin}/\r\n`, 'i'))
    }
  })

  it('leads nowhere by a seal that was made for another purpose', async () => {
    const browser = await attacked.signedIn('ada')
    for (const name of [sessionName, `${sessionName}-id`]) {
      const answer = await withCookies(
        `__Host-Http-coatcheck-logout=${cookieOf(browser, name)}`,
        '/bff/logout/continue',
      )
      expect(answer).toMatch(new RegExp(`\r\nlocation: ${attacked.origin}/\r\n`, 'i'))
    }
  })
})

describe('the back channel', () => {
  const eventName = 'http://schemas.openid.net/event/backchannel-logout'
  const send = (body: string, type = 'application/x-www-form-urlencoded') =>
    answerTo(
      attacked.port,
      `POST /bff/backchannel-logout HTTP/1.1\r\nHost: ${attacked.host}\r\nContent-Type: ${type}\r\nContent-Length: ${Buffer.byteLength(body, 'latin1')}\r\nConnection: close\r\n\r\n${body}`,
    )
  const encode = (text: string) => Buffer.from(text).toString('base64url')

  it('fetches no key from where a token says (jku, x5u, jwk), and takes none with it', async () => {
    let fetched = 0
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
    const jwk = { ...(await exportJWK(publicKey)), kid: 'evil', alg: 'ES256', use: 'sig' }
    const keys = createServer((_incoming, outgoing) => {
      fetched++
      outgoing.setHeader('content-type', 'application/json')
      outgoing.end(JSON.stringify({ keys: [jwk] }))
    }).listen(0, '127.0.0.1')
    await once(keys, 'listening')
    const url = `http://127.0.0.1:${(keys.address() as AddressInfo).port}/keys`
    for (const header of [
      { alg: 'ES256', kid: 'evil', jku: url },
      { alg: 'ES256', kid: 'evil', x5u: url },
      { alg: 'ES256', jwk },
      { alg: 'ES256', kid: url },
      { alg: 'ES256', kid: '../../evil' },
      { alg: 'ES256', kid: '__proto__' },
      { alg: 'ES256', kid: 'evil', typ: 'logout+jwt', crit: ['exp'] },
    ]) {
      const token = await new SignJWT({ events: { [eventName]: {} }, sub: 'ada', jti: crypto.randomUUID() })
        .setProtectedHeader(header)
        .setIssuer(attacked.provider.issuer)
        .setAudience(attacked.provider.clientId)
        .setIssuedAt()
        .setExpirationTime('2m')
        .sign(privateKey)
        .catch(() => `${encode(JSON.stringify(header))}.e30.AAAA`)
      expect(statusesOf(await send(`logout_token=${token}`))).toEqual([400])
    }
    keys.close()
    expect(fetched).toBe(0)
  })

  it.each([
    [
      'with a name twice: the readers of JSON differ',
      '{"iss":"ISS","iss":"https://evil.example","aud":"AUD","events":{"EVENT":{}},"sub":"ada","jti":"1"}',
    ],
    ['with a name in escapes', '{"\\u0069ss":"ISS","iss":"x","aud":"AUD","events":{"EVENT":{}},"sub":"ada","jti":"1"}'],
    ['with __proto__', '{"__proto__":{"iss":"ISS","aud":"AUD"},"events":{"EVENT":{}},"sub":"ada","jti":"1"}'],
    [
      'with constructor.prototype',
      '{"constructor":{"prototype":{"polluted":"yes"}},"iss":"ISS","aud":"AUD","events":{"EVENT":{}},"sub":"ada"}',
    ],
    [
      'with an event of every object',
      '{"iss":"ISS","aud":"AUD","events":{"__proto__":{"EVENT":{}}},"sub":"ada","jti":"1"}',
    ],
    ['with events as a list', '{"iss":"ISS","aud":"AUD","events":["EVENT"],"sub":"ada","jti":"1"}'],
    ['with a sub that is no text', '{"iss":"ISS","aud":"AUD","events":{"EVENT":{}},"sub":{"length":1},"jti":"1"}'],
    ['with a comment', '{/*x*/"iss":"ISS","aud":"AUD","events":{"EVENT":{}},"sub":"ada","jti":"1"}'],
    ['with a byte order mark', '\ufeff{"iss":"ISS","aud":"AUD","events":{"EVENT":{}},"sub":"ada","jti":"1"}'],
    [
      'with numbers beyond measure',
      '{"iss":"ISS","aud":"AUD","iat":1e999,"events":{"EVENT":{}},"sub":"ada","jti":"1"}',
    ],
    ['that is a list', '[{"iss":"ISS"}]'],
    ['that is null', 'null'],
    ['nested a thousand deep', `${'{"a":'.repeat(1000)}1${'}'.repeat(1000)}`],
  ])('takes no token %s', async (_what, payload) => {
    const { issuer, clientId } = attacked.provider
    const text = payload.replaceAll('ISS', issuer).replaceAll('AUD', clientId).replaceAll('EVENT', eventName)
    const token = `${encode('{"alg":"ES256","typ":"logout+jwt"}')}.${encode(text)}.${'A'.repeat(86)}`
    expect(statusesOf(await send(`logout_token=${token}`))).toEqual([400])
    expect(({} as { polluted?: string }).polluted).toBeUndefined()
  })

  it.each([
    ['logout_token=a&logout_token=b', undefined],
    ['logout_token=a;logout_token=b', undefined],
    ['logout_token[]=a', undefined],
    ['logout%5Ftoken=a&logout_token=b', undefined],
    ['__proto__[logout_token]=a', undefined],
    ['{"logout_token":"a"}', 'application/json'],
    ['{"logout_token":"a"}', 'application/x-www-form-urlencoded'],
    ['logout_token=a', 'text/plain'],
    ['logout_token=a', 'application/x-www-form-urlencoded, application/json'],
    ['logout_token=a', 'multipart/form-data; boundary=x'],
    ['--x\r\nContent-Disposition: form-data; name="logout_token"\r\n\r\na\r\n--x--', 'multipart/form-data; boundary=x'],
    ['+AGw-ogout_token=a', 'application/x-www-form-urlencoded; charset=utf-7'],
    ['\xff\xfel\0o\0g\0o\0u\0t\0', 'application/x-www-form-urlencoded; charset=utf-16'],
    ['logout_token=', undefined],
    ['', undefined],
  ])('the body %j of type %j is no message', async (body, type) => {
    expect(statusesOf(await send(body, type))).toEqual([400])
  })
})

describe('objects’ own members', () => {
  const names = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'valueOf', '__defineGetter__']

  it.each(names)('%s as a name in a query, of a cookie, of a path, is one like others', async (name) => {
    const browser = await attacked.signedIn('ada')
    const own = browser.cookies.header(attacked.origin)
    expect(statusesOf(await withCookies(`${name}=x; ${own}; ${sessionName}-${name}=y; ${name}=z`))).toEqual([200])
    expect(statusesOf(await withCookies(own ?? '', `/api/${name}?${name}=x&${name}[polluted]=yes`))).toEqual([200])
    expect(statusesOf(await withCookies('', `/${name}`))).toEqual([404])
    expect(statusesOf(await withCookies('', `/bff/${name}`))).toEqual([404])
    expect(statusesOf(await withCookies('', `/bff/login?${name}=x&${name}[polluted]=yes`))).toEqual([302])
    expect(statusesOf(await withCookies('', `/bff/callback?state=${name}&error=${name}`))[0]).toBeLessThan(400)
    expect(({} as { polluted?: string }).polluted).toBeUndefined()
  })
})
