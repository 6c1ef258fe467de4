/**
 * The whole of it for a test: a real OpenID Provider, an API that records, and Coatcheck in front, on Node or on
 * workerd by `COATCHECK_RUNTIME`, and with the store that `COATCHECK_COORDINATOR` names. The tests that use it run on all,
 * so they see Coatcheck over HTTP only.
 */

import { type RunningProvider, startProvider } from '../../spa-example/provider/index.ts'
import type { UserConfig } from '../../src/config/user-config.ts'
import type { RouteConfig } from '../../src/config/user-routes.ts'
import { splitAccessTokens } from '../../src/split/index.ts'
import { UserAgent } from './browser.ts'
import { freePort } from './free-port.ts'
import { startUpstream, type TestUpstream } from './upstream.ts'

/** What a test may change of the configuration. Plain data, because it goes to workerd as JSON. */
export interface SystemOptions {
  /** Paths of upstreams are below the test's own: `/v1` becomes `http://127.0.0.1:PORT/v1`. */
  readonly routes?: readonly RouteConfig[]
  readonly session?: Partial<Omit<UserConfig['session'], 'store' | 'secrets'>>
  readonly secrets?: readonly string[]
  /** A function where it takes what is known only once the provider runs: its addresses. */
  readonly provider?: ProviderChanges | ((provider: RunningProvider) => ProviderChanges)
  readonly thirdPartyInitiatedLogin?: boolean
  readonly streams?: NonNullable<UserConfig['streams']>
  readonly backChannelLogout?: boolean
  readonly rateLimits?: UserConfig['rateLimits']
  /** Default: by `COATCHECK_COOKIE`, else the session. */
  readonly cookie?: 'session' | 'ticket'
  /** Host name of the app. Default `localhost`. */
  readonly host?: string
  readonly accessTokenSeconds?: number
  readonly gracePeriodSeconds?: number
  /** Clients whose tokens are split: by the hook in the provider, with a secret that both have. */
  readonly splitClients?: readonly string[]
  /** Comes before the provider's own. */
  readonly providerMiddleware?: ProviderMiddleware
}

type ProviderChanges = Partial<UserConfig['provider']>

/** What runs on either runtime: JSON of this is all it gets. */
export interface SystemConfig {
  readonly baseUrl: string
  readonly provider: UserConfig['provider']
  readonly session: UserConfig['session']
  readonly routes: readonly RouteConfig[]
  readonly thirdPartyInitiatedLogin: boolean
  readonly backChannelLogout: boolean
  readonly rateLimits: NonNullable<UserConfig['rateLimits']>
  /** What the session cookie carries. */
  readonly cookie: 'session' | 'ticket'
  readonly streams?: UserConfig['streams']
  /** Where the internal listener is, on Node. */
  readonly listeners: { readonly internal: number }
  readonly splitTokens?: { readonly secrets: readonly string[] }
}

export interface RunningHandler {
  /** Whether a client's leaving is seen while nothing is written to it. */
  readonly noticesSilentLeaving: boolean
  /** Sets Coatcheck's clock this far ahead of the machine's. */
  setClockOffset(ms: number): Promise<void>
  stop(): Promise<void>
}

/** The store counts by its own clock how long it keeps things, whatever Coatcheck's says. */
export const storeHasItsOwnClock =
  process.env.COATCHECK_RUNTIME === 'workers' || process.env.COATCHECK_COORDINATOR === 'redis'

export interface System {
  readonly runtime: 'node' | 'workers'
  readonly cookie: 'session' | 'ticket'
  /** `http://localhost:PORT`; the provider is on `http://127.0.0.1:PORT`, another site. */
  readonly origin: string
  /** What paths on the internal listener are appended to. */
  readonly internalUrl: string
  readonly provider: RunningProvider
  readonly upstream: TestUpstream
  /** Whether Coatcheck sees that a client has left while nothing is written to it. */
  readonly noticesSilentLeaving: boolean
  /** Moves Coatcheck's clock on. The provider's and the API's stay. */
  advance(ms: number): Promise<void>
  /** A browser in which a demo user is signed in. */
  signedIn(username?: 'ada' | 'grace'): Promise<UserAgent>
  /** A page's call, as the client library makes it. */
  call(browser: UserAgent, path: string, init?: Parameters<UserAgent['fetch']>[1]): Promise<Response>
  stop(): Promise<void>
}

export const testSecret = 'pXkEQb7tXoRk3wkLxZC6sH8kIVbHhXbJ7sYvYhJ2m0U'

type ProviderMiddleware = NonNullable<NonNullable<Parameters<typeof startProvider>[0]>['middleware']>

/** One more secret, for rotation. */
export const otherTestSecret = 'Lq3f0cQfUu0tZyq2GfM3zj0o0m8xUEK2Qn0gq7X9a5Y'

/** Coatcheck as the provider of the tests knows it, with all that this may grant. */
export function clientAt({ issuer, clientId, clientSecret }: RunningProvider) {
  return { issuer, clientId, clientSecret, scope: 'openid offline_access profile email orders:read orders:write' }
}

export async function startSystem(options: SystemOptions = {}): Promise<System> {
  const runtime = process.env.COATCHECK_RUNTIME === 'workers' ? 'workers' : 'node'
  const port = await freePort()
  const origin = `http://${options.host ?? 'localhost'}:${port}`
  const cookie = options.cookie ?? (process.env.COATCHECK_COOKIE === 'ticket' ? 'ticket' : 'session')
  const internalPort = await freePort()
  const internalUrl = runtime === 'node' ? `http://127.0.0.1:${internalPort}` : `${origin}/__test/internal`
  const upstream = await startUpstream()
  const provider = await startProvider({
    appOrigin: origin,
    accessTokenSeconds: options.accessTokenSeconds ?? 600,
    gracePeriodSeconds: options.gracePeriodSeconds ?? 0,
    ...(options.splitClients && {
      middleware: [
        splitAccessTokens({
          url: `${internalUrl}/bff/split-tokens`,
          secret: otherTestSecret,
          clients: options.splitClients,
        }),
      ],
    }),
    ...(options.providerMiddleware && { middleware: options.providerMiddleware }),
    ...(options.backChannelLogout && { backchannelLogoutUri: `${origin}/bff/backchannel-logout` }),
  })
  const routes = options.routes ?? defaultRoutes
  const config: SystemConfig = {
    baseUrl: origin,
    provider: {
      ...clientAt(provider),
      timeout: '5s',
      ...(typeof options.provider === 'function' ? options.provider(provider) : options.provider),
    },
    session: { secrets: [...(options.secrets ?? [testSecret])], ...options.session },
    routes: routes.map((route) => ({ ...route, upstream: upstream.origin + String(route.upstream) })),
    thirdPartyInitiatedLogin: options.thirdPartyInitiatedLogin ?? false,
    backChannelLogout: options.backChannelLogout ?? false,
    rateLimits: options.rateLimits ?? [],
    cookie,
    ...(options.streams && { streams: options.streams }),
    listeners: { internal: internalPort },
    ...(options.splitClients && { splitTokens: { secrets: [otherTestSecret] } }),
  }
  const { startHandler } = await import(runtime === 'workers' ? './handler-on-workers.ts' : './handler-on-node.ts')
  const handler: RunningHandler = await startHandler(config, port)
  let offset = 0

  return {
    runtime,
    cookie,
    origin,
    internalUrl,
    provider,
    upstream,
    noticesSilentLeaving: handler.noticesSilentLeaving,
    async advance(ms) {
      offset += ms
      await handler.setClockOffset(offset)
    },
    async signedIn(username = 'ada') {
      const browser = new UserAgent()
      await browser.signIn(`${origin}/bff/login?return_to=/`, { username, password: `${username}-demo` })
      return browser
    },
    call: (browser, path, init = {}) =>
      browser.fetch(origin + path, { ...init, headers: { 'X-CSRF': '1', ...init.headers } }),
    async stop() {
      await handler.stop()
      await Promise.all([provider.stop(), upstream.stop()])
    },
  }
}

const all = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const

/** Enough for most tests; `upstream` is a path of the test's own upstream. */
export const defaultRoutes: readonly RouteConfig[] = [
  { path: '/api/*', upstream: '/v1', auth: 'session', methods: all },
  { path: '/api/read/*', upstream: '/read', auth: 'session' },
  { path: '/api/exact', upstream: '/exactly/this', auth: 'session' },
  { path: '/api/events', upstream: '/v1/events', auth: 'session', kinds: ['fetch', 'eventsource'] },
  { path: '/api/files/*', upstream: '/files', auth: 'session', kinds: ['fetch', 'download', 'media'] },
  { path: '/api/live/*', upstream: '/live', auth: 'session', kinds: ['websocket'] },
  { path: '/api/admin/*', upstream: '/admin', auth: 'session', scopes: ['orders:admin'] },
  { path: '/public/*', upstream: '/public', auth: 'none', reason: 'a test' },
]
