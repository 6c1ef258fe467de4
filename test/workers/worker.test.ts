import { once } from 'node:events'
import { request } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { startProvider } from '../../spa-example/provider/index.ts'
import type { UserConfig } from '../../src/config/user-config.ts'
import { freePort } from '../support/free-port.ts'
import { testSecret } from '../support/system.ts'
import { startUpstream } from '../support/upstream.ts'
import { type RunningWorkerd, startWorkerd, type TestWorker } from '../support/workerd.ts'
import { plainConfig } from './plain-config.ts'

const open: { stop(): Promise<void> }[] = []
afterEach(async () => {
  for (const part of open.splice(0).reverse()) await part.stop()
})

const entry = (name: string) => new URL(`./${name}-worker.ts`, import.meta.url)

async function start(
  changes: (port: number) => Partial<UserConfig>,
  others: readonly TestWorker[] = [],
  main: 'plain' | 'own-app' = 'plain',
): Promise<RunningWorkerd & { origin: string }> {
  const port = await freePort()
  const coatcheck: TestWorker = {
    name: 'coatcheck',
    entry: entry(main),
    vars: { CONFIG: JSON.stringify(plainConfig(port, changes(port))) },
    services: Object.fromEntries(others.map(({ name }) => [name.toUpperCase(), name])),
  }
  const running = await startWorkerd([coatcheck, ...others], port)
  open.push(running)
  return { ...running, origin: `http://localhost:${port}` }
}

/** Of a person who typed the address. */
const navigation = { 'Sec-Fetch-Site': 'none', 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'document' }
const session = (origin: string) => fetch(`${origin}/bff/session`, { headers: { 'X-CSRF': '1' } })

describe('a configuration', () => {
  it('with mistakes answers 500 with a problem that names none of them; the log names them all, once', async () => {
    const { origin, output } = await start(() => ({
      session: { secrets: ['too-short-to-be-a-secret'] },
      routes: [{ path: '/api/*', upstream: 'http://api.example.com', auth: 'session' }],
    }))
    for (let call = 0; call < 3; call++) {
      const answer = await session(origin)
      expect(answer.status).toBe(500)
      expect(answer.headers.get('content-type')).toBe('application/problem+json')
      expect(answer.headers.get('cache-control')).toBe('no-store')
      expect(await answer.json()).toEqual({
        type: 'urn:coatcheck:problem:internal_error',
        title: 'Something went wrong on this server',
        status: 500,
        code: 'internal_error',
      })
    }
    await expect.poll(output).toContain('routes[0].upstream')
    expect(output().split('session.secrets[0]')).toHaveLength(2)
    expect(output()).not.toContain('too-short-to-be-a-secret')
  })

  it('that wants pages and has no assets binding says what wrangler.toml lacks', async () => {
    const { origin, output } = await start(() => ({ spa: { dir: 'dist' } }))
    expect((await fetch(origin)).status).toBe(500)
    await expect.poll(output).toContain('run_worker_first = true')
    expect(output()).toContain('spa.dir')
  })

  it('that has a development server behind it is for Node', async () => {
    const { origin, output } = await start(() => ({ spa: { proxy: 'http://localhost:5173' } }))
    expect((await fetch(origin)).status).toBe(500)
    await expect.poll(output).toContain('spa.proxy')
  })

  it('with settings that only Node can honour is refused by their names, and serves nothing', async () => {
    const origin = 'https://orders.internal'
    const route = { path: '/api/*', upstream: `${origin}/v1`, auth: 'session', earlyHints: true, trailers: ['x-sum'] }
    const started = await start(() => ({
      maxRequests: 100,
      upstreams: [{ origin, http2: true, health: { path: '/healthz' }, timeouts: { headers: '5s', total: '9s' } }],
      routes: [route as never],
    }))
    expect((await session(started.origin)).status).toBe(500)
    for (const path of ['maxRequests', 'upstreams[0].http2', 'upstreams[0].health', 'upstreams[0].timeouts.total']) {
      await expect.poll(started.output).toContain(path)
    }
    expect(started.output()).toContain('routes[0].earlyHints')
    expect(started.output()).toContain('routes[0].trailers')
    expect(started.output()).not.toContain('timeouts.headers')
  })

  it('that is an object is checked in module scope, and what needs a clock, randomness or the network waits', async () => {
    const provider = await startProvider({ appOrigin: 'http://localhost:8787' })
    open.push(provider)
    const port = await freePort()
    const constants = { ISSUER: provider.issuer, SESSION_SECRET: testSecret }
    open.push(await startWorkerd([{ name: 'coatcheck', entry: entry('module-scope'), constants }], port))
    const outgoing = request(`http://localhost:${port}/bff/login`, {
      headers: { ...navigation, Host: 'localhost:8787' },
    }).end()
    const [answer] = await once(outgoing, 'response')
    answer.resume()
    expect(answer.statusCode).toBe(302)
    expect(answer.headers.location).toMatch(provider.issuer)
    expect(answer.headers.location).toContain('code_challenge_method=S256')
  })

  it('that is an object with mistakes stops the upload', async () => {
    const constants = { ISSUER: 'http://login.example.com', SESSION_SECRET: testSecret }
    const starting = startWorkerd([{ name: 'coatcheck', entry: entry('module-scope'), constants }], await freePort())
    await expect(starting).rejects.toThrow('provider.issuer')
  })
})

describe('an environment', () => {
  it('makes one token handler for the isolate, which says once that its memory is the only one', async () => {
    const { origin, output } = await start(() => ({}))
    for (let call = 0; call < 5; call++) expect((await session(origin)).status).toBe(200)
    await expect.poll(output).toContain('memory of this isolate only')
    expect(output().split('memory of this isolate only')).toHaveLength(2)
  })

  it.each(['plain', 'own-app'] as const)(
    'whose isolates would share nothing is not served where it is deployed (E5): %s',
    async (main) => {
      const { origin, output } = await start(() => ({ baseUrl: 'https://app.example.com' }), [], main)
      expect((await session(origin)).status).toBe(500)
      await expect.poll(output).toContain('session.store')
      expect(output()).toContain('durableObjectStore(env.SESSIONS)')
    },
  )
})

describe('what requests share', () => {
  it('goes on when the client whose request began it leaves', async () => {
    const authorizationServer = await startUpstream()
    open.push(authorizationServer)
    const asked = Promise.withResolvers<void>()
    const mayAnswer = Promise.withResolvers<void>()
    authorizationServer.on('/.well-known/openid-configuration', async (_incoming, outgoing) => {
      asked.resolve()
      await mayAnswer.promise
      const { origin: issuer } = authorizationServer
      outgoing.setHeader('Content-Type', 'application/json')
      outgoing.end(
        JSON.stringify({ issuer, authorization_endpoint: `${issuer}/auth`, token_endpoint: `${issuer}/token` }),
      )
    })
    const { origin } = await start((port) => ({
      provider: { ...plainConfig(port).provider, issuer: authorizationServer.origin },
    }))
    const first = request(`${origin}/bff/login`, { headers: navigation, agent: false }).end()
    // It is cut off below.
    first.on('error', () => undefined)
    await asked.promise
    const second = once(request(`${origin}/bff/login`, { headers: navigation, agent: false }).end(), 'response')
    first.socket?.resetAndDestroy()
    // The reset has arrived when a request that was sent after it is answered.
    expect((await session(origin)).status).toBe(200)
    mayAnswer.resolve()
    const [answer] = await second
    answer.resume()
    expect(answer.statusCode).toBe(302)
    expect(answer.headers.location).toContain(`${authorizationServer.origin}/auth?`)
    expect(authorizationServer.requests).toHaveLength(1)
  })
})

describe("the client's address", () => {
  it('is what Cloudflare says, whatever else came along', async () => {
    const upstream = await startUpstream()
    open.push(upstream)
    const { origin } = await start(() => ({
      routes: [{ path: '/public/*', upstream: upstream.origin, auth: 'none', reason: 'a test' }],
    }))
    const headers = { 'CF-Connecting-IP': '198.51.100.7', 'X-Forwarded-For': '203.0.113.9', 'X-Real-IP': '203.0.113.9' }
    expect((await fetch(`${origin}/public/a`, { headers })).status).toBe(200)
    expect(upstream.requests[0]?.headers).toMatchObject({ 'x-forwarded-for': '198.51.100.7' })
    const names = Object.keys(upstream.requests[0]?.headers ?? {})
    expect(names).not.toContain('x-real-ip')
    expect(names).not.toContain('cf-connecting-ip')
  })
})

describe('a service binding as an upstream', () => {
  const orders: TestWorker = { name: 'orders', entry: entry('orders') }

  it('gets path, query, method and body as they came, and answers', async () => {
    const { origin } = await start(() => ({}), [orders])
    const answer = await fetch(`${origin}/orders/a/b%20c?d=%7E1`, { method: 'POST', body: 'two coats' })
    expect(await answer.json()).toMatchObject({
      method: 'POST',
      url: 'https://binding.internal/a/b%20c?d=%7E1',
      body: 'two coats',
    })
  })

  it('is called below upstreamPath', async () => {
    const { origin } = await start(() => ({}), [orders])
    expect(await (await fetch(`${origin}/v2/x`)).json()).toMatchObject({ url: 'https://binding.internal/second/x' })
  })

  it('gets no cookie, and its redirects stay inside', async () => {
    const { origin } = await start(() => ({}), [orders])
    const echo = await fetch(`${origin}/orders/a`, { headers: { Cookie: 'a=b', 'X-User': 'root' } })
    const { headers } = (await echo.json()) as { headers: Record<string, string> }
    expect(headers.cookie).toBeUndefined()
    expect(headers['x-user']).toBeUndefined()
    const moved = await fetch(`${origin}/orders/moved`, { redirect: 'manual' })
    expect(moved.status).toBe(302)
    expect(moved.headers.get('location')).toBe('/orders/elsewhere')
  })
})
