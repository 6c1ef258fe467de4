/** The whole gateway on a real port, in front of an upstream of the test's own, for what only a raw socket shows. */
import { Hono, type MiddlewareHandler } from 'hono'
import { resolveConfig } from '../../src/config/resolve.ts'
import type { UserConfig } from '../../src/config/user-config.ts'
import type { OpenRouteConfig } from '../../src/config/user-routes.ts'
import { createServer, type RunningServer, type ServerOptions } from '../../src/node/server.ts'
import type { CoatcheckEvent } from '../../src/observability/events.ts'
import { cookieStore } from '../../src/session/stores/cookie-store.ts'
import { memoryCoordinator } from '../../src/session/stores/memory-coordinator.ts'
import { tokenHandler } from '../../src/token-handler.ts'
import { testSecret } from '../support/system.ts'
import { onCleanup, testRuntime } from './loopback.ts'

export interface Gateway extends RunningServer {
  readonly events: CoatcheckEvent[]
}

export interface GatewayOptions {
  server?: Partial<ServerOptions>
  config?: Partial<UserConfig>
  /** Of an app that it is mounted in. */
  middleware?: readonly MiddlewareHandler[]
}

const all = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const

/** `/open/*` leads to the upstream for everybody, `/api/*` for sessions. */
export async function gateway(
  upstream: string,
  route: Partial<OpenRouteConfig> = {},
  { server = {}, config = {}, middleware = [] }: GatewayOptions = {},
): Promise<Gateway> {
  const events: CoatcheckEvent[] = []
  const runtime = testRuntime()
  const resolved = resolveConfig(
    {
      baseUrl: 'http://localhost:4000',
      provider: { issuer: 'http://127.0.0.1:9', clientId: 'app', clientSecret: 'a-client-secret-of-a-test' },
      session: { secrets: [testSecret], store: cookieStore({ coordinator: memoryCoordinator() }) },
      routes: [
        { path: '/open/*', upstream, auth: 'none', reason: 'a test', methods: all, shared: 'a test', ...route },
        { path: '/api/*', upstream: `${upstream}/api`, auth: 'session', methods: all, shared: 'a test' },
      ],
      ...config,
    },
    {},
  )
  const { routes } = tokenHandler(resolved, { runtime, report: (event) => events.push(event) })
  const app = new Hono()
  for (const one of middleware) app.use(one)
  app.route('/', routes)
  const running = await createServer({
    host: '127.0.0.1',
    closeTimeoutMs: 100,
    ...server,
    fetch: (request, env) => (middleware.length > 0 ? app : routes).fetch(request, env),
  })
  onCleanup(() => running.close())
  return { ...running, events }
}

/** A request as its bytes; `Host` is there. */
export function request(method: string, target: string, fields: readonly string[] = [], body = ''): string {
  return [`${method} ${target} HTTP/1.1`, 'Host: localhost:4000', ...fields, '', body].join('\r\n')
}
