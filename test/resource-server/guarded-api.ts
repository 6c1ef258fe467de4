/** What the tests of the guard have in common: an issuer for the whole file, guards that trust it, and callers. */
import { Hono } from 'hono'
import { afterAll, afterEach } from 'vitest'
import {
  anyCaller,
  type GuardedEnv,
  guarded,
  honoGuard,
  type JwtGuardOptions,
  jwtGuard,
  type Refusal,
} from '../../src/resource-server/index.ts'
import { audience, requestWith, startIssuer } from './issuer.ts'

/** A claim that not every token has. */
export interface Tenant {
  tenant?: string
}

/** Once, at the top of a test file. */
export async function guardedApi() {
  const issuer = await startIssuer()
  /** What guards have refused in this test. */
  const refusals: Refusal[] = []
  afterEach(() => {
    refusals.length = 0
  })
  afterAll(() => issuer.stop())

  function guard<Claims extends object = object>(options: Partial<JwtGuardOptions<Claims>> = {}) {
    const onRefused = (refusal: Refusal) => refusals.push(refusal)
    return jwtGuard<Claims>({ issuer: issuer.url, audience, onRefused, ...options })
  }

  /** What the caller gets: through the plain handler, which is the guard and nothing else. */
  async function answer(request: Request, policy = anyCaller(), options: Partial<JwtGuardOptions> = {}) {
    const handler = guarded(guard(options), [policy], (_request, access) => Response.json({ sub: access.sub }))
    const response = await handler(request)
    return {
      status: response.status,
      challenge: response.headers.get('www-authenticate'),
      type: response.headers.get('content-type'),
      cache: response.headers.get('cache-control'),
      body: (await response.json()) as Record<string, unknown>,
    }
  }

  /** A Hono app that has its guard, and no route yet. */
  function guardedApp(options: ConstructorParameters<typeof Hono<GuardedEnv<Tenant>>>[0] = {}) {
    const app = new Hono<GuardedEnv<Tenant>>(options)
    app.use(honoGuard(guard<Tenant>()))
    return app
  }

  return { issuer, refusals, guard, answer, guardedApp }
}

/** Status and body. */
// biome-ignore lint/suspicious/noExplicitAny: any app will do
export async function get(app: Hono<any>, path: string, token?: string, init: RequestInit = {}) {
  const response = await app.fetch(requestWith(token, { url: audience + path, ...init }))
  return [response.status, await response.text()] as const
}
