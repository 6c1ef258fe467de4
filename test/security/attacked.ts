/**
 * Coatcheck as an attacker meets it: the real server with small limits, an API that keeps the bytes, a person who is
 * signed in, and everything that was reported.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type ServerType, serve as serveOther } from '@hono/node-server'
import { Hono } from 'hono'
import { type RunningProvider, startProvider } from '../../spa-example/provider/index.ts'
import { resolveConfig } from '../../src/config/resolve.ts'
import type { Config } from '../../src/config/types.ts'
import type { UpstreamConfig, UserConfig } from '../../src/config/user-config.ts'
import type { RouteConfig } from '../../src/config/user-routes.ts'
import { type NodeRuntime, type NodeRuntimeOptions, nodeRuntime } from '../../src/node/runtime.ts'
import { startServer } from '../../src/node/serve.ts'
import type { ServerLimits } from '../../src/node/server.ts'
import { sqliteCoordinator } from '../../src/node/sqlite-coordinator.ts'
import { type CoatcheckEvent, eventLine, type Report } from '../../src/observability/events.ts'
import { cookieStore } from '../../src/session/stores/cookie-store.ts'
import { tokenHandler } from '../../src/token-handler.ts'
import { UserAgent } from '../support/browser.ts'
import { freePort } from '../support/free-port.ts'
import { clientAt, testSecret } from '../support/system.ts'
import { type RecordingUpstream, startRecordingUpstream } from './recording-upstream.ts'

export interface Attacked {
  readonly origin: string
  readonly host: string
  readonly port: number
  readonly provider: RunningProvider
  readonly upstream: RecordingUpstream
  readonly events: CoatcheckEvent[]
  /** What the log has, a line each. */
  lines(): string[]
  /** Sets Coatcheck's clock ahead of the machine's. */
  advance(ms: number): void
  signedIn(username?: 'ada' | 'grace'): Promise<UserAgent>
  /** A page's call, as the client library makes it. */
  call(browser: UserAgent, path: string, init?: Parameters<UserAgent['fetch']>[1]): Promise<Response>
  stop(): Promise<void>
}

export interface AttackedOptions {
  readonly routes?: readonly RouteConfig[]
  readonly limits?: Partial<ServerLimits>
  readonly runtime?: NodeRuntimeOptions
  readonly config?: Partial<UserConfig>
  /** What the configuration says of the API; nothing by default. */
  readonly upstream?: Omit<UpstreamConfig, 'origin'>
  readonly accessTokenSeconds?: number
  /** Whose server it is: ours, or the plain one of `@hono/node-server` with our runtime. */
  readonly server?: 'own' | 'other'
}

const all = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const

/** `upstream` is a path of the API. */
export const attackedRoutes: readonly RouteConfig[] = [
  { path: '/api/*', upstream: '/v1', auth: 'session', methods: all },
  { path: '/api/admin/*', upstream: '/admin', auth: 'session', scopes: ['orders:admin'], methods: all },
  { path: '/api/events', upstream: '/v1/events', auth: 'session', kinds: ['fetch', 'eventsource'] },
  { path: '/open/*', upstream: '/open', auth: 'none', reason: 'a test', methods: all },
]

export async function startAttacked(options: AttackedOptions = {}): Promise<Attacked> {
  const port = await freePort()
  const host = `localhost:${port}`
  const origin = `http://${host}`
  const upstream = await startRecordingUpstream()
  const provider = await startProvider({
    appOrigin: origin,
    accessTokenSeconds: options.accessTokenSeconds ?? 600,
    backchannelLogoutUri: `${origin}/bff/backchannel-logout`,
  })
  const folder = await mkdtemp(path.join(tmpdir(), 'coatcheck-'))
  let offset = 0
  const clock = { now: () => Date.now() + offset }
  const coordinator = sqliteCoordinator({ file: path.join(folder, 'ledger.sqlite'), clock })
  const config = resolveConfig(
    {
      baseUrl: origin,
      provider: {
        ...clientAt(provider),
        timeout: '5s',
      },
      session: { secrets: [testSecret], store: cookieStore({ coordinator }) },
      backChannelLogout: true,
      ...(options.upstream && { upstreams: [{ origin: upstream.origin, ...options.upstream }] }),
      ...options.config,
      routes: (options.routes ?? attackedRoutes).map((route) => ({
        ...route,
        upstream: upstream.origin + String(route.upstream),
      })),
    },
    {},
  )
  const events: CoatcheckEvent[] = []
  const report = (event: CoatcheckEvent) => void events.push(event)
  const runtime = { clock, ...options.runtime }
  const server =
    options.server === 'other'
      ? await startOther(config, port, nodeRuntime(runtime), report)
      : await startServer(config, {
          port,
          host: 'localhost',
          closeTimeoutMs: 200,
          limits: options.limits ?? {},
          runtime,
          report,
        })
  return {
    origin,
    host,
    port,
    provider,
    upstream,
    events,
    lines: () => events.map(eventLine),
    advance(ms) {
      offset += ms
    },
    async signedIn(username = 'ada') {
      const browser = new UserAgent()
      await browser.signIn(`${origin}/bff/login?return_to=/`, { username, password: `${username}-demo` })
      return browser
    },
    call: (browser, target, init = {}) =>
      browser.fetch(origin + target, { ...init, headers: { 'X-CSRF': '1', ...init.headers } }),
    async stop() {
      await server.close()
      await Promise.all([coordinator.close(), provider.stop(), upstream.stop()])
      await rm(folder, { recursive: true })
    },
  }
}

/** In somebody's own app, under somebody else's server. */
async function startOther(config: Config, port: number, runtime: NodeRuntime, report: Report) {
  const app = new Hono().route('/', tokenHandler(config, { runtime, report }).routes as unknown as Hono)
  const server = await new Promise<ServerType>((resolve) => {
    const made = serveOther({ fetch: app.fetch, port, hostname: 'localhost' }, () => resolve(made))
  })
  return {
    async close() {
      if ('closeAllConnections' in server) server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await runtime.close()
    },
  }
}

export interface Connection {
  readonly socket: Socket
  /** All that has come so far. */
  received(): string
  /** Resolves with all that came, when the server has ended the connection. */
  readonly closed: Promise<string>
}

/** A connection on which nothing is tidied, and which nobody but the server ends. */
export function connectTo(port: number, bytes = ''): Connection {
  let text = ''
  const socket = connect(port, 'localhost')
  socket.setEncoding('latin1')
  socket.on('data', (chunk: string) => {
    text += chunk
  })
  // A server that has refused may reset what it did not read.
  socket.on('error', () => socket.destroy())
  const closed = new Promise<string>((resolve) => socket.once('close', () => resolve(text)))
  if (bytes !== '') socket.write(bytes, 'latin1')
  return { socket, received: () => text, closed }
}

/** Sends these bytes, and nothing else, and gives all that comes back until the server ends the connection. */
export function answerTo(port: number, bytes: string): Promise<string> {
  return connectTo(port, bytes).closed
}

/** Status codes of all answers in what came back, 1xx too. */
export function statusesOf(answer: string): number[] {
  return [...answer.matchAll(/(?:^|\r\n\r\n|(?<=\S))HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status))
}
