/** Coatcheck under measurement: the store, the number of routes and the app around it by the subject's name. */
import { Hono } from 'hono'
import { secureHeaders } from 'hono/secure-headers'
import { resolveConfig } from '../../src/config/resolve.ts'
import type { RouteConfig } from '../../src/config/user-routes.ts'
import type { SessionStore } from '../../src/coordinator.ts'
import { nodeRuntime } from '../../src/node/runtime.ts'
import { serve } from '../../src/node/serve.ts'
import { sqliteStore } from '../../src/node/sqlite-store.ts'
import { cookieStore } from '../../src/session/stores/cookie-store.ts'
import { memoryCoordinator } from '../../src/session/stores/memory-coordinator.ts'
import { redisStore } from '../../src/session/stores/redis-store.ts'
import { type TokenHandler, tokenHandler } from '../../src/token-handler.ts'
import { redisClient } from '../../test/support/redis.ts'
import type { SubjectOptions } from './subject.ts'

export async function coatcheck(subject: SubjectOptions): Promise<void> {
  const config = resolveConfig(
    {
      baseUrl: subject.baseUrl,
      provider: { issuer: subject.issuer, clientId: subject.clientId, clientSecret: subject.clientSecret },
      // The cookies that were never seen are sealed before the first of all slices.
      session: { secrets: [subject.secret], store: await storeOf(subject), idleTimeout: 4 * 60 * 60 },
      routes: routesOf(subject),
    },
    {},
  )
  const runtime = nodeRuntime()
  const handler = tokenHandler(config, {
    runtime,
    report: (event) => event.event === 'login_succeeded' || console.error(event),
  })
  const app = subject.name === 'coatcheck-own-app' ? ownApp(handler) : handler.routes
  await serve(app, { port: subject.port, host: '127.0.0.1', runtime })
}

/** Tickets in SQLite and in Redis; else the session in the cookie, and the memory coordinator. */
async function storeOf({ name, sqliteFile, redisUrl }: SubjectOptions): Promise<SessionStore> {
  if (name.includes('sqlite')) return sqliteStore({ file: sqliteFile })
  if (name.includes('redis')) return redisStore({ client: await redisClient(redisUrl) })
  return cookieStore({ coordinator: memoryCoordinator() })
}

/** The one that is called, and as many beside it as the name says. */
function routesOf({ name, upstream }: SubjectOptions): RouteConfig[] {
  const count = Number(/routes-(\d+)/.exec(name)?.[1] ?? 2)
  const others = Array.from({ length: count - 2 }, (_, index) => ({
    path: `/service-${index}/orders/*`,
    upstream: `${upstream}/service-${index}`,
    auth: 'session' as const,
  }))
  return [
    ...others,
    { path: '/api/*', upstream: `${upstream}/v1`, auth: 'session' },
    { path: '/public/*', upstream: `${upstream}/public`, auth: 'none', reason: 'a measurement' },
  ]
}

/** Middleware as people have it: one that reads the clock, one that writes fields after the answer. */
function ownApp(handler: TokenHandler): Hono {
  const app = new Hono()
  app.use(secureHeaders())
  app.use(async (c, next) => {
    const startedAt = performance.now()
    await next()
    c.header('server-timing', `app;dur=${(performance.now() - startedAt).toFixed(1)}`)
  })
  app.get('/hello', (c) => c.text('hello'))
  app.route('/', handler.routes)
  return app
}
