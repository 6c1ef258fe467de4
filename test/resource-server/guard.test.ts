import { describe, expect, it } from 'vitest'
import { anyCaller, guarded, requireScopes } from '../../src/resource-server/index.ts'
import { guardedApi } from './guarded-api.ts'
import { audience, requestWith, seconds } from './issuer.ts'

const { issuer, refusals, guard, answer } = await guardedApi()

describe('the Authorization field', () => {
  it('with a bearer token lets in, whatever the case of the scheme', async () => {
    const token = await issuer.sign()
    for (const field of [`Bearer ${token}`, `bearer ${token}`, `BEARER   ${token}  `]) {
      const { status, body } = await answer(requestWith(undefined, { headers: { Authorization: field } }))
      expect([status, body]).toEqual([200, { sub: 'ada' }])
    }
  })

  it.each(['', 'Basic YWRhOmFkYQ==', 'Negotiate abc', 'bearer,x', 'Bearerabc', 'token', 'DPoPx y'])(
    'with "%s" is no token: 401 without an error code (RFC 6750 §3.1)',
    async (field) => {
      const { status, challenge, body } = await answer(requestWith(undefined, { headers: { Authorization: field } }))
      expect([status, challenge, body.code]).toEqual([401, 'Bearer realm="api"', 'unauthenticated'])
      expect(refusals).toMatchObject([{ code: 'unauthenticated', reason: 'no_token', path: '/orders/1' }])
    },
  )

  it.each(['Bearer', 'Bearer  ', 'Bearer a b', 'Bearer a=b', 'Bearer "x"', 'Bearer ü'])(
    'with "%s" is an invalid token',
    async (field) => {
      const { status, body } = await answer(requestWith(undefined, { headers: { Authorization: field } }))
      expect([status, body.code]).toEqual([401, 'invalid_token'])
    },
  )

  it('that is there twice is 400, also with the same token', async () => {
    const token = await issuer.sign()
    const request = requestWith(token)
    request.headers.append('Authorization', `Bearer ${token}`)
    const { status, challenge, body } = await answer(request)
    expect([status, body.code]).toEqual([400, 'invalid_request'])
    expect(challenge).toContain('error="invalid_request"')
  })

  it('is the only place: no query, no form, no cookie', async () => {
    const token = await issuer.sign()
    const requests = [
      requestWith(undefined, { url: `${audience}/orders?access_token=${token}` }),
      requestWith(undefined, { method: 'POST', body: new URLSearchParams({ access_token: token }) }),
      requestWith(undefined, { headers: { Cookie: `access_token=${token}`, 'X-Access-Token': token } }),
      requestWith(undefined, { headers: { 'Proxy-Authorization': `Bearer ${token}` } }),
    ]
    for (const request of requests) expect((await answer(request)).body.code).toBe('unauthenticated')
  })
})

describe('the answer to a refused call', () => {
  it('is a problem document that nobody keeps, with the challenge of RFC 6750', async () => {
    const options = { realm: 'orders', resourceMetadata: `${audience}/.well-known/oauth-protected-resource` }
    expect(await answer(requestWith('x'), anyCaller(), options)).toEqual({
      status: 401,
      challenge:
        'Bearer realm="orders", error="invalid_token", error_description="The access token is not valid", ' +
        `resource_metadata="${audience}/.well-known/oauth-protected-resource"`,
      type: 'application/problem+json',
      cache: 'no-store',
      body: {
        type: 'urn:coatcheck:problem:invalid_token',
        title: 'The access token is not valid',
        status: 401,
        code: 'invalid_token',
      },
    })
  })

  it('names the scopes that are needed', async () => {
    const { status, challenge } = await answer(requestWith(await issuer.sign()), requireScopes('files:read', 'files:x'))
    expect([status, challenge]).toEqual([
      403,
      'Bearer realm="api", error="insufficient_scope", scope="files:read files:x"',
    ])
    expect(refusals).toMatchObject([{ code: 'insufficient_scope', reason: 'scope', sub: 'ada', clientId: 'app' }])
  })

  it('is the same for every token that is no good, byte for byte', async () => {
    const tokens = await Promise.all([
      issuer.sign({ exp: seconds() - 60, iat: seconds() - 120 }),
      issuer.sign({ aud: 'https://other.example' }),
      issuer.sign({}, { header: { kid: 'unknown' } }),
      issuer.sign({}, { header: { typ: 'JWT' } }),
      issuer.sign({ cnf: { jkt: 'x' } }),
      issuer.sign({ sub: 'revoked' }),
      Promise.resolve('nonsense'),
    ])
    const options = { isRevoked: (claims: { sub: string }) => claims.sub === 'revoked' }
    const answers = await Promise.all(
      tokens.map(async (token) => JSON.stringify(await answer(requestWith(token), undefined, options))),
    )
    expect(new Set(answers).size).toBe(1)
    expect(new Set(refusals.map(({ reason }) => reason)).size).toBe(7)
  })

  it('is 503 with Retry-After while the keys cannot be had', async () => {
    const token = await issuer.sign()
    await issuer.goDown()
    const handler = guarded(guard(), [anyCaller()], () => new Response())
    const response = await handler(requestWith(token))
    await issuer.comeBack()
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1'])
    expect(response.headers.get('www-authenticate')).toBeNull()
    expect(refusals[0]?.cause).toBeInstanceOf(Error)
  })

  it('has a type of the operator, and a realm that cannot break out of the field', async () => {
    const { body, challenge } = await answer(requestWith(undefined), anyCaller(), {
      problemType: 'https://api.example.com/problems/',
      realm: 'a"b\\c\r\nSet-Cookie: x',
    })
    expect(body.type).toBe('https://api.example.com/problems/unauthenticated')
    expect(challenge).toBe('Bearer realm="a\\"b\\\\cSet-Cookie: x"')
  })

  it('what is told of it has no token, no query and no claim but who it was', async () => {
    const token = await issuer.sign({ email: 'ada@example.com' })
    await answer(requestWith(token, { url: `${audience}/orders?q=secret` }), requireScopes('none'))
    const told = JSON.stringify(refusals)
    expect(refusals).toHaveLength(1)
    for (const secret of [token, token.slice(0, 20), 'secret', 'ada@example.com']) expect(told).not.toContain(secret)
  })
})

it('a token that is revoked is refused, and so is every one if that cannot be told', async () => {
  const options = { isRevoked: async () => undefined as unknown as boolean }
  expect((await answer(requestWith(await issuer.sign()), anyCaller(), options)).body.code).toBe('invalid_token')
})
