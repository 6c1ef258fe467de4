/** Coatcheck with a proxy's port before it, for the proxies that ask it at `/verify`, and what the docs say of each. */
import { readFile } from 'node:fs/promises'
import { type RunningProvider, startProvider } from '../../spa-example/provider/index.ts'
import { resolveConfig } from '../../src/config/resolve.ts'
import type { ForwardAuth } from '../../src/config/types.ts'
import { startServer } from '../../src/node/serve.ts'
import { cookieStore } from '../../src/session/stores/cookie-store.ts'
import { memoryCoordinator } from '../../src/session/stores/memory-coordinator.ts'
import { UserAgent } from './browser.ts'
import { freePort } from './free-port.ts'
import { clientAt, otherTestSecret, testSecret } from './system.ts'
import { startUpstream, type TestUpstream } from './upstream.ts'

export interface ForwardAuthSystem {
  /** Where the proxy is to listen, and the browser asks. */
  readonly port: number
  readonly origin: string
  /** Coatcheck's own two listeners. */
  readonly publicOrigin: string
  readonly internal: string
  readonly provider: RunningProvider
  readonly upstream: TestUpstream
  /** Milliseconds that Coatcheck's clock is ahead. */
  readonly clock: { offset: number }
  close(): Promise<void>
}

/** `/api/orders/*` and `/api/orders/admin/*` by the proxy, `/api/orders/own/*` and a WebSocket by Coatcheck itself. */
export async function startForwardAuth(proxy: ForwardAuth['proxy']): Promise<ForwardAuthSystem> {
  const [port, publicPort, internalPort] = [await freePort(), await freePort(), await freePort()]
  const origin = `http://localhost:${port}`
  const upstream = await startUpstream()
  const provider = await startProvider({ appOrigin: origin, accessTokenSeconds: 600, gracePeriodSeconds: 60 })
  const ahead = { offset: 0 }
  const clock = { now: () => Date.now() + ahead.offset }
  const api = { upstream: `${upstream.origin}/v1`, auth: 'session' } as const
  const config = resolveConfig(
    {
      baseUrl: origin,
      provider: clientAt(provider),
      session: { secrets: [testSecret], store: cookieStore({ coordinator: memoryCoordinator({ clock }) }) },
      listeners: { public: `127.0.0.1:${publicPort}`, internal: internalPort },
      forwardAuth: { proxy, secret: otherTestSecret },
      routes: [
        { ...api, path: '/api/orders/*', methods: ['GET', 'POST'], forwardAuth: true },
        { ...api, path: '/api/orders/admin/*', forwardAuth: true, scopes: ['orders:admin'] },
        { ...api, path: '/api/orders/own/*' },
        { ...api, path: '/live', kinds: ['websocket'] },
      ],
    },
    {},
  )
  const server = await startServer(config, { report: () => undefined, runtime: { clock } })
  return {
    port,
    origin,
    publicOrigin: `http://127.0.0.1:${publicPort}`,
    internal: `http://127.0.0.1:${internalPort}`,
    provider,
    upstream,
    clock: ahead,
    async close() {
      await server.close()
      await Promise.all([provider.stop(), upstream.stop()])
    },
  }
}

export async function signedInBrowser({ origin }: ForwardAuthSystem): Promise<UserAgent> {
  const browser = new UserAgent()
  await browser.signIn(`${origin}/bff/login?return_to=/`, { username: 'ada', password: 'ada-demo' })
  return browser
}

/** What is called, with what, and what is answered. */
export type Refusal = [
  what: string,
  path: string,
  init: Parameters<UserAgent['fetch']>[1],
  status: number,
  code: string,
]

/** Calls that Coatcheck refuses, whatever proxy asks. */
export const refusals: Refusal[] = [
  ['nobody signed in', '/api/orders/x', { withCookies: false }, 401, 'login_required'],
  ['no X-CSRF', '/api/orders/x', { headers: { 'X-CSRF': null } }, 403, 'csrf'],
  ['another site', '/api/orders/x', { from: 'https://evil.example' }, 403, 'csrf'],
  [
    'a browser without Fetch Metadata',
    '/api/orders/x',
    { headers: { 'Sec-Fetch-Site': null } },
    403,
    'forward_auth_incomplete',
  ],
  ['a method that the route does not take', '/api/orders/x', { method: 'DELETE' }, 403, 'method_not_allowed'],
  ['a scope that is lacking', '/api/orders/admin/x', {}, 403, 'insufficient_scope'],
  ['a route without forwardAuth', '/api/orders/own/x', {}, 403, 'no_route'],
  ['another user in this tab', '/api/orders/x', { headers: { 'X-CSRF': 'someone-elses-ref' } }, 403, 'session_changed'],
]

type Section = 'nginx' | 'Traefik' | 'Envoy'

/** The configurations that a section of docs/forward-auth.md has, with the addresses and the secret of this test. */
export async function documentedConfigs(
  section: Section,
  { publicOrigin, internal, upstream }: ForwardAuthSystem,
): Promise<string[]> {
  const blocks = await blocksOf(section)
  const places: [string, string][] = [
    ['http://127.0.0.1:3000', publicOrigin],
    ['http://127.0.0.1:3001', internal],
    ['https://orders.internal', upstream.origin],
    ['FORWARD_AUTH_SECRET', otherTestSecret],
  ]
  return blocks.map((block) => places.reduce((filled, [written, real]) => filled.replaceAll(written, real), block))
}

/** What the section has the proxy take out of an API's answer, or write anew: names in lower case, sorted. */
export async function droppedFields(section: Section): Promise<string[]> {
  const text = (await blocksOf(section)).join('')
  const between = (start: string, end: string) => text.split(start)[1]?.split(end)[0] ?? ''
  const ofOrders = between('location /api/orders/ {', 'location =')
  const ignored = /proxy_ignore_headers ([^;]+);/.exec(ofOrders)?.[1]?.split(' ') ?? []
  const names = {
    nginx: [...namesIn(ofOrders, /proxy_hide_header ([\w-]+);/g), ...ignored],
    Traefik: namesIn(between('customResponseHeaders:', 'orders-path:'), /^ *([\w-]+): /gm),
    Envoy: namesIn(between('response_mutations:', 'http_filters:'), /(?:remove|key): ([\w-]+)/g),
  }[section]
  return names.map((name) => name.toLowerCase()).sort()
}

function namesIn(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(([, name = '']) => name)
}

async function blocksOf(section: Section): Promise<string[]> {
  const page = await readFile(new URL('../../docs/forward-auth.md', import.meta.url), 'utf8')
  const text = page.split(/^## /m).find((part) => part.startsWith(`${section}\n`)) ?? ''
  return [...text.matchAll(/```(?:nginx|yaml)\n([\s\S]*?)```/g)].map(([, block = '']) => block)
}
