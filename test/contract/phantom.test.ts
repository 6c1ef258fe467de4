/** `auth: 'phantom'` with an authorization server that answers introspection with a JWT. */
import { connect } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { audience, signingKey } from '../resource-server/issuer.ts'
import { asJwt, type IntrospectionServer, startIntrospectionServer } from '../support/introspection-server.ts'
import { type System, startSystem } from '../support/system.ts'
import { bearer, otherCredentials } from '../support/tokens.ts'

const other = 'https://other.example.com'
const day = 86_400
let server: IntrospectionServer
let system: System
let count = 0

beforeAll(async () => {
  server = await startIntrospectionServer()
  system = await startSystem({
    provider: { ...server.provider, introspection: { cacheTime: '30s' } },
    routes: [
      {
        path: '/partner/*',
        upstream: '/v1',
        auth: 'phantom',
        audience,
        scopes: ['orders:read'],
        methods: ['GET', 'POST'],
      },
      { path: '/other/*', upstream: '/other', auth: 'phantom', audience: other },
      {
        ...{ path: '/limited/*', upstream: '/limited', auth: 'phantom', audience },
        rateLimits: [{ per: 'address', requests: 5, window: '1h' }],
      },
      { path: '/api/*', upstream: '/session', auth: 'session' },
    ],
  })
})
afterAll(async () => {
  await system.stop()
  await server.stop()
})
beforeEach(() => {
  system.upstream.reset()
  server.asked.length = 0
})

/** A new opaque token, that the server knows as this JWT. */
async function issue(
  ...parameters: Parameters<IntrospectionServer['jwtFor']>
): Promise<{ token: string; jwt: string }> {
  const [claims, options] = parameters
  const jwt = await server.jwtFor({ exp: Math.floor(Date.now() / 1000) + day, ...claims }, options)
  const token = `_0XBP${count++}-opaque.token~of+no/form=`
  server.tell(token, asJwt(jwt))
  return { token, jwt }
}

const call = (token: string, path = '/partner/orders') => fetch(system.origin + path, bearer(token))
const base64 = (text: string) => Buffer.from(text).toString('base64').replace(/=+$/, '')
const codeOf = async (answer: Response) => ((await answer.json()) as { code: string }).code
const sent = () => system.upstream.requests.at(-1)?.headers

describe('an opaque token', () => {
  it('becomes the JWT that the server gives for it, and never reaches the API', async () => {
    const { token, jwt } = await issue()
    const answer = await call(token)
    expect(answer.status).toBe(200)
    expect(sent()?.authorization).toBe(`Bearer ${jwt}`)
    expect(JSON.stringify(system.upstream.requests)).not.toContain(token)
    expect(answer.headers.get('cache-control')).toBe('private, no-store')
  })

  it('becomes the JWT that the server names in an answer of JSON, and is refused where that is no access token', async () => {
    const { token, jwt } = await issue()
    const answerWith = (phantom: unknown) =>
      server.tell(token, { body: JSON.stringify({ active: true, token_type: 'Bearer', phantom_token: phantom }) })
    for (const wrong of [['a', jwt], `${jwt}x`, await server.jwtFor({}, { header: { typ: 'JWT' } }), '']) {
      answerWith(wrong)
      expect((await call(token)).status).toBe(503)
    }
    expect(system.upstream.requests).toEqual([])
    answerWith(jwt)
    expect((await call(token)).status).toBe(200)
    expect(sent()?.authorization).toBe(`Bearer ${jwt}`)
  })

  it('is asked about as the client that we are, for a JWT', async () => {
    const { token } = await issue()
    await call(token)
    const [asked] = server.asked
    expect(asked).toMatchObject({ token, accept: 'application/jwt' })
    // Both parts are form-encoded first (RFC 6749 §2.3.1).
    expect(atob(asked?.authorization.slice('Basic '.length) ?? '')).toMatch(/^coatcheck(-|%2D)demo:/)
  })

  it('is asked about once for all that call with it at the same time', async () => {
    const jwt = await server.jwtFor()
    const token = 'a-burst'
    let release = (): void => undefined
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    server.tell(
      token,
      gate.then(() => asJwt(jwt)),
    )
    const calls = Array.from({ length: 500 }, () => call(token).then((answer) => answer.status))
    await expect.poll(() => server.asked.length).toBe(1)
    release()
    expect(new Set(await Promise.all(calls))).toEqual(new Set([200]))
    expect(server.asked).toHaveLength(1)
  })

  it('is asked about again after the time that the configuration sets', async () => {
    const { token } = await issue()
    await call(token)
    await system.advance(29_000)
    await call(token)
    expect(server.asked).toHaveLength(1)
    server.tell(token, { status: 204 })
    await system.advance(2000)
    expect((await call(token)).status).toBe(401)
    expect(server.asked).toHaveLength(2)
  })

  it('does not outlive the JWT, whatever the configuration says', async () => {
    // The clock is ahead by the 31 seconds of the test before.
    const { token } = await issue({ exp: Math.floor(Date.now() / 1000) + 31 + 10 })
    expect((await call(token)).status).toBe(200)
    server.tell(token, { status: 204 })
    await system.advance(12_000)
    expect((await call(token)).status).toBe(401)
  })

  it('opens only the routes of its API, also when it is known already', async () => {
    const mine = await issue()
    const theirs = await issue({ aud: other })
    const both = await issue({ aud: [audience, other] })
    const statuses = async (token: string) => [(await call(token)).status, (await call(token, '/other/x')).status]
    for (const _round of [1, 2]) {
      expect(await statuses(mine.token)).toEqual([200, 401])
      expect(await statuses(theirs.token)).toEqual([401, 200])
      expect(await statuses(both.token)).toEqual([200, 200])
    }
    expect(server.asked).toHaveLength(3)
  })

  it('needs the scopes of the route', async () => {
    const { token } = await issue({ scope: 'orders:readonly other' })
    const answer = await call(token)
    expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([
      403,
      `Bearer realm="coatcheck", error="insufficient_scope", scope="orders:read", resource_metadata="${system.origin}/.well-known/oauth-protected-resource/partner"`,
    ])
    expect(await answer.json()).toMatchObject({ code: 'insufficient_scope', scope: 'orders:read' })
    expect(system.upstream.requests).toEqual([])
  })
})

describe('what the server says', () => {
  it('is refused for a moment without asking, once it was no', async () => {
    expect((await call('unknown-1')).status).toBe(401)
    expect((await call('unknown-1')).status).toBe(401)
    expect(server.asked).toHaveLength(1)
    const { jwt } = await issue()
    server.tell('unknown-1', asJwt(jwt))
    await system.advance(6000)
    expect((await call('unknown-1')).status).toBe(200)
  })

  it('costs one question for each bad token that is new, and none beyond the limit by address', async () => {
    const statuses = new Map<number, number>()
    for (let index = 0; index < 12; index++) {
      const { status } = await call(`flood-${index}`, '/limited/x')
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
    }
    expect([...statuses]).toEqual([
      [401, 5],
      [429, 7],
    ])
    expect(server.asked).toHaveLength(5)
  })

  it('of one token says nothing of another', async () => {
    const { token } = await issue()
    await call(token)
    await Promise.all(Array.from({ length: 50 }, (_, index) => call(`noise-${index}`)))
    server.asked.length = 0
    expect((await call(token)).status).toBe(200)
    expect((await call(`${token}=`)).status).toBe(401)
    expect(server.asked.map((asked) => asked.token)).toEqual([`${token}=`])
  })

  it('of a token for an API that no route has is a refusal, and remembered as one', async () => {
    const { token } = await issue({ aud: 'https://nobodys.example.com' })
    for (const _round of [1, 2, 3]) {
      const answer = await call(token)
      expect([answer.status, await codeOf(answer)]).toEqual([401, 'invalid_token'])
    }
    expect(server.asked).toHaveLength(1)
  })

  it('says nothing to the header of a challenge, whatever its claims are', async () => {
    const { token } = await issue({ scope: 'x", realm="evil\r\nSet-Cookie: a=b', sub: '"\r\nX-Evil: 1' })
    const answer = await call(token)
    expect(answer.status).toBe(403)
    expect(answer.headers.get('www-authenticate')).not.toContain('evil')
    expect(answer.headers.has('x-evil')).toBe(false)
  })

  it.each([
    ['an error', { status: 500, body: '{}' }],
    ['that it is busy', { status: 429, body: '{}' }],
    ['that it does not know us', { status: 401, body: '{"error":"invalid_client"}' }],
    ['nothing that can be read', { body: '<html>' }],
    ['that it is active, and gives no JWT', { body: '{"active":true,"token_type":"Bearer"}' }],
  ])('is not the token’s fault where it is %s, and not remembered', async (_what, answer) => {
    const { token, jwt } = await issue()
    server.tell(token, answer)
    const first = await call(token)
    expect([first.status, await codeOf(first)]).toEqual([503, 'provider_unavailable'])
    expect(Number(first.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(first.headers.get('www-authenticate')).toBeNull()
    server.tell(token, asJwt(jwt))
    expect((await call(token)).status).toBe(200)
  })

  it.each<[string, Record<string, unknown>, Record<string, unknown>]>([
    ['a signed introspection answer', {}, { typ: 'token-introspection+jwt' }],
    ['an ID token', {}, { typ: 'JWT' }],
    ['a JWT of another issuer', { iss: 'https://evil.example' }, {}],
    ['a JWT that is over', { exp: 1 }, {}],
    ['a JWT that is not valid yet', { nbf: 4_000_000_000 }, {}],
    ['a JWT without an end', { exp: undefined }, {}],
    ['a JWT that is bound to a key', { cnf: { jkt: 'x' } }, {}],
  ])('is not passed on where it is %s', async (_what, claims, header) => {
    const { token } = await issue(claims, { header })
    expect((await call(token)).status).toBe(503)
    expect(system.upstream.requests).toEqual([])
  })

  it('is not passed on where another key signed it', async () => {
    const key = await signingKey('ES256', String(server.key.jwk.kid))
    const { token } = await issue({}, { key })
    expect((await call(token)).status).toBe(503)
    expect(system.upstream.requests).toEqual([])
  })
})

describe('a call without such a token', () => {
  const challenge = (error = '') =>
    `Bearer realm="coatcheck", ${error}scope="orders:read", resource_metadata="${system.origin}/.well-known/oauth-protected-resource/partner"`

  it('is told what the route takes', async () => {
    const answer = await fetch(`${system.origin}/partner/x`)
    expect(answer.status).toBe(401)
    expect(answer.headers.get('www-authenticate')).toBe(challenge())
    expect(await answer.json()).toMatchObject({ code: 'token_required', accepts: 'an opaque access token' })
  })

  it.each(otherCredentials)('is told so if it brings %s', async (_what, headers) => {
    const answer = await fetch(`${system.origin}/partner/x`, { headers })
    expect(answer.status).toBe(401)
    expect(await answer.json()).toMatchObject({ code: 'wrong_credential', accepts: 'an opaque access token' })
    expect(server.asked).toEqual([])
  })

  it.each([
    ['is a JWT', async () => (await issue()).jwt],
    ['looks like one', async () => 'eyJh.e30.'],
    ['is encrypted', async () => 'eyJh.a.b.c.d'],
    ['is a JWT with padding', async () => `${(await issue()).jwt}==`],
    ['is a JWT in the other alphabet', async () => `${base64('{"a":"\u00ff~?"}')}.e30.a+/b`],
    ['is a JWT whose head begins with a space', async () => `${base64(' {"alg":"ES256"}')}.e30.a`],
    ['is a JWT whose head begins with lines', async () => `${base64('\r\n\t {"alg":"ES256"}')}.e30.a`],
    ['is a JWT whose head begins with a byte order mark', async () => `${base64('\ufeff{"alg":"ES256"}')}.e30.a`],
    ['is a JWT whose head has a line as its second character', async () => `${base64('{\n"alg":"ES256"}')}.e30.a`],
    ['is a JWT with disclosures (RFC 9901)', async () => `${(await issue()).jwt}~WyJhIl0~`],
    ['is a JWT with a proof of its key (RFC 9901)', async () => `${(await issue()).jwt}~WyJhIl0~eyJh.e30.a`],
    ['is a JWT without its payload', async () => 'eyJh..a'],
    ['is empty', async () => ''],
    ['has a space', async () => 'a b'],
    ['has a comma', async () => 'a,b'],
    ['has a control', async () => 'a\tb'],
    ['is too long', async () => 'a'.repeat(2049)],
  ])('is refused unasked if the token %s', async (_what, make) => {
    const answer = await call(await make())
    expect([answer.status, await codeOf(answer)]).toEqual([401, 'invalid_token'])
    expect(answer.headers.get('www-authenticate')).toBe(challenge('error="invalid_token", '))
    expect(server.asked).toEqual([])
  })

  it.each([
    'v1.local.abc',
    'eyJh.e30',
    'eyJh.a.b.c.d.e',
    '.eyJh.e30.a',
    '~eyJh.e30.a',
    'e.y.J',
    'eyJhbGciOiJFUzI1NiJ9',
  ])('is no JWT for its dots, or its beginning, alone: %s is asked about', async (token) => {
    expect((await call(token)).status).toBe(401)
    expect(server.asked.map((asked) => asked.token)).toEqual([token])
  })

  it('is refused if the token is in the query or in a form (RFC 6750 §2.2, §2.3)', async () => {
    const { token } = await issue()
    expect((await fetch(`${system.origin}/partner/x?access_token=${encodeURIComponent(token)}`)).status).toBe(401)
    const body = new URLSearchParams({ access_token: token })
    expect((await fetch(`${system.origin}/partner/x`, { method: 'POST', body })).status).toBe(401)
    expect(server.asked).toEqual([])
  })

  it.each(['bearer', 'BEARER', 'Bearer '])('may write the scheme as %j (RFC 9110 §11.1)', async (scheme) => {
    const { token } = await issue()
    expect(
      (await fetch(`${system.origin}/partner/x`, { headers: { Authorization: `${scheme} ${token}` } })).status,
    ).toBe(200)
  })

  it('is refused if two come, in whatever order', async () => {
    const { token } = await issue()
    for (const pair of [
      [token, 'other'],
      ['other', token],
      [token, token],
    ]) {
      const head = await rawCall(pair.map((one) => `Authorization: Bearer ${one}`))
      expect(head).toMatch(/^HTTP\/1\.1 40[01] /)
    }
    expect(system.upstream.requests).toEqual([])
  })
})

describe('what a caller says of the connection', () => {
  it('takes no token from the call, and puts none into it', async () => {
    const { token, jwt } = await issue()
    const smuggled = [
      'Connection: authorization, x-forwarded-for',
      'Proxy-Authorization: Bearer forged',
      'Authorization_: Bearer forged',
    ]
    expect(await rawCall([`Authorization: Bearer ${token}`, ...smuggled])).toMatch(/^HTTP\/1\.1 200 /)
    expect(sent()?.authorization).toBe(`Bearer ${jwt}`)
    expect(JSON.stringify(system.upstream.requests)).not.toContain('forged')
  })
})

describe('the two ways to call', () => {
  it('do not mix: a cookie beside the token is ignored and not passed on', async () => {
    const { token } = await issue()
    const headers = { ...bearer(token).headers, Cookie: '__Host-Http-coatcheck=forged; a=b' }
    const answer = await fetch(`${system.origin}/partner/x`, { headers })
    expect([answer.status, sent()?.cookie]).toEqual([200, undefined])
    expect(answer.headers.getSetCookie()).toEqual([])
  })

  it('do not mix: a token on a session route is told that the route takes a session', async () => {
    const { token } = await issue()
    for (const extra of [{}, { 'X-CSRF': '1' }, { Cookie: 'a=b' }, { 'X-CSRF': '1', Cookie: 'a=b' }]) {
      const headers = { ...bearer(token).headers, ...extra } as Record<string, string>
      const answer = await fetch(`${system.origin}/api/x`, { headers })
      expect(answer.status).toBe(401)
      expect(answer.headers.get('www-authenticate')).toBeNull()
      expect(await answer.json()).toMatchObject({ code: 'wrong_credential', accepts: 'the session cookie' })
    }
    expect(server.asked).toEqual([])
  })

  it('do not mix: a name and password that a browser sends to a proxy in front is no token', async () => {
    const headers = { Authorization: `Basic ${btoa('a:b')}`, 'X-CSRF': '1' }
    const answer = await fetch(`${system.origin}/api/x`, { headers })
    expect([answer.status, await codeOf(answer)]).toEqual([401, 'login_required'])
  })

  it('have no CORS', async () => {
    const headers = { Origin: 'https://evil.example', 'Access-Control-Request-Method': 'GET' }
    const preflight = await fetch(`${system.origin}/partner/x`, { method: 'OPTIONS', headers })
    expect([preflight.status, preflight.headers.get('access-control-allow-origin')]).toEqual([405, null])
  })
})

describe('an API that refuses the JWT', () => {
  it('says so with our challenge, as its own is about a token that the caller does not have', async () => {
    system.upstream.on('/v1/closed', (_incoming, outgoing) => {
      outgoing.writeHead(401, {
        'WWW-Authenticate': 'Bearer realm="inside", resource_metadata="https://orders.internal"',
      })
      outgoing.end()
    })
    const { token } = await issue()
    const answer = await call(token, '/partner/closed')
    expect(answer.status).toBe(401)
    expect(answer.headers.get('www-authenticate')).toContain('error="invalid_token"')
    expect(answer.headers.get('www-authenticate')).not.toContain('inside')
    expect(system.upstream.requests).toHaveLength(1)
  })

  const ours = () => `resource_metadata="${system.origin}/.well-known/oauth-protected-resource/partner"`
  async function challengeOf(status: number, challenge: string | string[]): Promise<string | null> {
    system.upstream.on('/v1/asks', (_incoming, outgoing) => {
      outgoing.writeHead(status, { 'WWW-Authenticate': challenge }).end()
    })
    const { token } = await issue()
    const answer = await call(token, '/partner/asks')
    expect(answer.status).toBe(status)
    return answer.headers.get('www-authenticate')
  }

  it.each([
    [
      401,
      'Bearer realm="inside", error="insufficient_user_authentication", error_description="it is at 10.0.0.7", acr_values="urn:x:gold silver", max_age="60", resource_metadata="https://orders.internal"',
      'error="insufficient_user_authentication", scope="orders:read", acr_values="urn:x:gold silver", max_age="60"',
    ],
    [
      403,
      'Basic realm="x", Bearer error=insufficient_scope, scope="orders:write", Digest realm="y"',
      'error="insufficient_scope", scope="orders:write"',
    ],
    [
      401,
      'bearer max_age=5 , ERROR = "insufficient_user_authentication"',
      'error="insufficient_user_authentication", scope="orders:read", max_age="5"',
    ],
  ])(
    'says which token it needs instead, in our words (RFC 6750 §3.1, RFC 9470 §3): %d, %s',
    async (status, challenge, said) => {
      expect(await challengeOf(status, challenge)).toBe(`Bearer realm="coatcheck", ${said}, ${ours()}`)
    },
  )

  it('of two challenges, the one that can be acted on is told', async () => {
    const two = ['Bearer error="invalid_token"', 'Bearer error="insufficient_user_authentication", acr_values="a"']
    expect(await challengeOf(401, two)).toContain('error="insufficient_user_authentication"')
  })

  it.each([
    ['a description of its own', 'Bearer error="other", error_description="10.0.0.7"'],
    ['an open quote', 'Bearer error="insufficient_scope", scope="x'],
    ['two errors', 'Bearer error="invalid_token", error="insufficient_scope"'],
    ['two errors in two spellings', 'Bearer error="insufficient_scope", Error="insufficient_scope"'],
    ['an error that is no word of ours', 'Bearer error="insufficient_scope "'],
    ['an error within another value', 'Bearer realm="x, error=insufficient_scope"'],
    ['an error in another scheme', 'Basic realm="x", error="insufficient_scope"'],
    ['a scheme within a value', 'Basic realm="x, Bearer error=insufficient_scope"'],
    ['a scheme that only begins alike', 'BearerX error="insufficient_scope"'],
    ['no scheme', 'error="insufficient_scope"'],
    ['a parameter behind a token', 'Bearer abc==, error="insufficient_scope"'],
    ['what is beyond ASCII', 'Bearer error="insufficient_scope", scope="\u00e9"'],
    ['more than fits', `Bearer error="insufficient_scope", x="${'a'.repeat(2048)}"`],
  ])('is not heard with %s', async (_what, challenge) => {
    expect(await challengeOf(401, challenge)).toBe(
      `Bearer realm="coatcheck", error="invalid_token", scope="orders:read", ${ours()}`,
    )
    expect(await challengeOf(403, challenge)).toBeNull()
  })

  it.each([
    ['a scope with a quote', 'scope="a\\" , realm=\\"evil"'],
    ['a scope with a backslash', 'scope="a\\\\"'],
    ['a scope with two spaces', 'scope="a  b"'],
    ['an empty scope', 'scope=""'],
    ['a scope that is long', `scope="${'a'.repeat(513)}"`],
    ['classes with a quote', 'acr_values="a\\"b"'],
    ['an age that is none', 'max_age="-1"'],
    ['an age that is a sum', 'max_age="1e9"'],
    ['an age that is long', 'max_age="12345678901"'],
    ['an address of its own', 'resource_metadata="https://evil.example"'],
  ])('is not heard on %s, and on the rest it is', async (_what, parameter) => {
    const said = await challengeOf(401, `Bearer error="insufficient_user_authentication", ${parameter}`)
    const expected = 'error="insufficient_user_authentication", scope="orders:read"'
    expect(said).toBe(`Bearer realm="coatcheck", ${expected}, ${ours()}`)
  })
})

/** As no client library would send it. Gives the answer's head. */
function rawCall(fields: readonly string[]): Promise<string> {
  const { hostname, port, host } = new URL(system.origin)
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname)
    let text = ''
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      text += chunk
    })
    socket.on('end', () => resolve(text)).on('error', reject)
    socket.write(`GET /partner/x HTTP/1.1\r\nHost: ${host}\r\n${fields.join('\r\n')}\r\nConnection: close\r\n\r\n`)
  })
}
