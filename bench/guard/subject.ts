/** One library under measurement: checks tokens for a slice of time, as many as it can, eight at once. */
import { once } from 'node:events'
import { auth, requiredScopes } from 'express-oauth2-jwt-bearer'
import { Hono } from 'hono'
import { jwk } from 'hono/jwk'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import {
  allow,
  type GuardedEnv,
  honoGuard,
  type JwtGuardOptions,
  jwtGuard,
  requireScopes,
} from '../../src/resource-server/index.ts'
import { type Algorithm, algorithms, type Slice, type Subject, type SubjectOptions } from './row.ts'

const [{ name, issuer, audience, keys, tokens }] = (await once(process, 'message')) as [SubjectOptions]
const concurrency = 8
const remembering = { issuer, audience }
/** Each token as if it came for the first time. */
const unseen = { issuer, audience, keys: { maxVerifiedTokens: 0 } }

/** Each rejects, or throws, if the token is not taken. */
type Check = (token: string) => Promise<unknown>

const makers: Record<Subject, () => Check> = {
  /** The same checks, and the field read from the same request. */
  'bare-jose': () => {
    const remote = createRemoteJWKSet(new URL(`${issuer}/jwks`))
    const options = {
      issuer,
      audience,
      typ: 'at+jwt',
      algorithms: ['RS256', 'ES256', 'EdDSA'],
      requiredClaims: ['iss', 'exp', 'aud', 'sub', 'client_id', 'iat', 'jti'],
      clockTolerance: 5,
    }
    return async (token) => {
      const [scheme, credentials = ''] = (request(token).headers.get('authorization') ?? '').split(' ')
      if (scheme?.toLowerCase() !== 'bearer') throw new Error('no token')
      const { payload } = await jwtVerify(credentials, remote, options)
      if (!String(payload.scope).split(' ').includes('orders:read')) throw new Error('no scope')
    }
  },
  'coatcheck-unseen': () => checksCall(unseen),
  'coatcheck-unseen-remembered': () => checksCall(remembering),
  coatcheck: () => checksCall(remembering),
  'coatcheck-hono-unseen': () => asksGuardedApp(unseen),
  'coatcheck-hono': () => asksGuardedApp(remembering),
  /** With the keys in memory: by its `jwks_uri` it fetches them for each call. */
  'hono-jwk': () => {
    const app = new Hono()
    const verification = { iss: issuer, aud: audience, typ: 'at+jwt' }
    app.use(jwk({ keys: [...keys] as never, alg: ['RS256', 'ES256', 'EdDSA'], verification } as never))
    app.get('/orders', (c) => c.body(null, 204))
    return asksApp(app)
  },
  'express-oauth2-jwt-bearer': () => {
    const handlers = [
      auth({ issuer, jwksUri: `${issuer}/jwks`, audience, strict: true }),
      requiredScopes('orders:read'),
    ]
    const pass = (handler: (typeof handlers)[number], incoming: unknown) =>
      new Promise<void>((resolve, reject) => {
        handler(incoming as never, {} as never, (error?: unknown) => (error ? reject(error) : resolve()))
      })
    return async (token) => {
      const headers = { host: 'api.example.com', authorization: `Bearer ${token}` }
      const incoming = { method: 'GET', protocol: 'https', headers, query: {}, is: () => false, ...ofExpress }
      for (const handler of handlers) await pass(handler, incoming)
    }
  },
}

/** What that one looks at besides. */
const ofExpress = { originalUrl: '/orders', url: '/orders', get: () => 'api.example.com', app: {} }

function checksCall(options: JwtGuardOptions): Check {
  const guard = jwtGuard(options)
  const policy = requireScopes('orders:read')
  return (token) => guard.check(request(token), policy)
}

function asksGuardedApp(options: JwtGuardOptions): Check {
  const app = new Hono<GuardedEnv>()
  app.use(honoGuard(jwtGuard(options)))
  app.get('/orders', allow(requireScopes('orders:read')), (c) => c.body(null, 204))
  return asksApp(app)
}

const requests = new Map<string, Request>()

/** Made once for each token: what a request costs is not what is measured. */
function request(token: string): Request {
  const known = requests.get(token)
  if (known) return known
  const made = new Request('https://api.example.com/orders', { headers: { authorization: `Bearer ${token}` } })
  requests.set(token, made)
  return made
}

function asksApp(app: { fetch(request: Request): Response | Promise<Response> }): Check {
  return async (token) => {
    const { status } = await app.fetch(request(token))
    if (status !== 204) throw new Error(`answered ${status}`)
  }
}

const check = makers[name]()

let signatures = 0
const verify = SubtleCrypto.prototype.verify
crypto.subtle.verify = (...given) => {
  signatures += 1
  return verify.apply(crypto.subtle, given)
}

/** Whose turn it is. It goes on where the slice before stopped: from the start, what that one left in a memory would be found there. */
const turns = Object.fromEntries(algorithms.map((alg) => [alg, 0])) as Record<Algorithm, number>

async function run(alg: Algorithm, ms: number): Promise<Slice> {
  const given = tokens[alg]
  const signaturesBefore = signatures
  let calls = 0
  const cpu = process.cpuUsage()
  const startedAt = performance.now()
  const one = async () => {
    while (performance.now() - startedAt < ms) {
      await check(given[turns[alg]++ % given.length] as string)
      calls += 1
    }
  }
  await Promise.all(Array.from({ length: concurrency }, one))
  const { user, system } = process.cpuUsage(cpu)
  const seconds = (performance.now() - startedAt) / 1000
  return { calls, seconds, cpuMicros: user + system, signatures: signatures - signaturesBefore }
}

const [wellFormed = ''] = tokens.RS256
await check(wellFormed)
const refused = await check(`${wellFormed.slice(0, -4)}AAAA`).then(
  () => false,
  () => true,
)
if (!refused) throw new Error(`${name} takes a token with another signature`)

process.on('message', async ({ alg, ms }: { alg: Algorithm; ms: number }) => process.send?.(await run(alg, ms)))
process.send?.('ready')
