/** One Coatcheck process, as `CHAOS_APP` (JSON) says. Says `ready` on standard output, and stops at SIGTERM. */
import { resolveConfig } from '../../src/config/resolve.ts'
import type { Coordinator } from '../../src/coordinator.ts'
import { nodeRuntime } from '../../src/node/runtime.ts'
import { serve } from '../../src/node/serve.ts'
import { sqliteCoordinator } from '../../src/node/sqlite-coordinator.ts'
import { cookieStore } from '../../src/session/stores/cookie-store.ts'
import { memoryCoordinator } from '../../src/session/stores/memory-coordinator.ts'
import { redisCoordinator } from '../../src/session/stores/redis-coordinator.ts'
import { tokenHandler } from '../../src/token-handler.ts'
import { redisClient } from '../../test/support/redis.ts'

export interface AppOptions {
  readonly store: 'memory' | 'sqlite' | 'redis'
  readonly port: number
  /** What the browser sees: the same for all processes. */
  readonly baseUrl: string
  readonly issuer: string
  readonly clientId: string
  readonly clientSecret: string
  readonly secrets: readonly string[]
  readonly upstream: string
  readonly sqliteFile: string
  readonly redisUrl: string | undefined
  /** How wrong this process's clock is. */
  readonly clockSkewMs: number
}

const app = JSON.parse(process.env.CHAOS_APP ?? '') as AppOptions
const clock = { now: () => Date.now() + app.clockSkewMs }

async function coordinator(): Promise<Coordinator> {
  if (app.store === 'memory') return memoryCoordinator({ clock })
  if (app.store === 'sqlite') return sqliteCoordinator({ file: app.sqliteFile })
  return redisCoordinator({ client: await redisClient(app.redisUrl ?? ''), commandTimeoutMs: 500 })
}

const store = cookieStore({ coordinator: await coordinator() })
const config = resolveConfig(
  {
    baseUrl: app.baseUrl,
    provider: {
      issuer: app.issuer,
      clientId: app.clientId,
      clientSecret: app.clientSecret,
      scope: 'openid offline_access profile email orders:read orders:write',
      timeout: '3s',
    },
    session: { secrets: [...app.secrets], store },
    routes: [{ path: '/api/*', upstream: app.upstream, auth: 'session' }],
  },
  {},
)
const runtime = nodeRuntime({ clock })
const handler = tokenHandler(config, {
  runtime,
  // What the harness counts. Events hold no token.
  report: (event) => process.send?.(event.event),
})
const server = await serve(handler.routes, { port: app.port, host: '127.0.0.1', runtime })
process.once('SIGTERM', async () => {
  await server.close()
  await store.coordinator.close()
  process.exit(0)
})
process.stdout.write('ready')
