/**
 * One Coatcheck process, as `CHAOS_APP` (JSON) says. Says `ready` on standard output, and stops at SIGTERM. A message
 * names the step of a refresh at which it is to die next.
 */
import { resolveConfig } from '../../src/config/resolve.ts'
import type { Coordinator, SessionStore } from '../../src/coordinator.ts'
import { nodeRuntime } from '../../src/node/runtime.ts'
import { serve } from '../../src/node/serve.ts'
import { sqliteStore } from '../../src/node/sqlite-store.ts'
import { memoryStore } from '../../src/session/stores/memory-store.ts'
import { redisStore } from '../../src/session/stores/redis-store.ts'
import { tokenHandler } from '../../src/token-handler.ts'
import { redisClient } from '../../test/support/redis.ts'

export interface AppOptions {
  readonly place: 'memory' | 'sqlite' | 'redis'
  readonly cookie: 'session' | 'ticket'
  readonly port: number
  /** What the browser sees: the same for all processes. */
  readonly baseUrl: string
  readonly provider: { issuer: string; clientId: string; clientSecret: string; scope: string; timeout: '2s' }
  readonly secrets: readonly string[]
  readonly upstream: string
  readonly sqliteFile: string
  readonly redisUrl: string | undefined
  /** How wrong this process's clock is. */
  readonly clockSkewMs: number
}

/** Where a process dies: with its attempt on record, its request sent, the answer in its hands, or that written. */
export type Step = 'attempt-recorded' | 'request-sent' | 'answer-received' | 'answer-written'

/** After the attempt is on record, until the provider surely has the request, and holds its answer. */
const sendingMs = 300

const app = JSON.parse(process.env.CHAOS_APP ?? '') as AppOptions
const clock = { now: () => Date.now() + app.clockSkewMs }
let fatalStep: Step | undefined
process.on('message', (step: Step) => {
  fatalStep = step
})

function die(step: Step): void {
  if (fatalStep === step) process.kill(process.pid, 'SIGKILL')
}

/** Dies where it is told to. */
function mortal(coordinator: Coordinator): Coordinator {
  return {
    ...coordinator,
    async recordAttempt(...attempt) {
      const result = await coordinator.recordAttempt(...attempt)
      die('attempt-recorded')
      if (fatalStep === 'request-sent') setTimeout(() => die('request-sent'), sendingMs)
      return result
    },
    async commit(sessionId, parentVersion, entry) {
      const isRefresh = parentVersion > 0 && entry.version > parentVersion
      if (isRefresh) die('answer-received')
      const result = await coordinator.commit(sessionId, parentVersion, entry)
      if (isRefresh) die('answer-written')
      return result
    },
  }
}

async function store(): Promise<SessionStore> {
  if (app.place === 'memory') return memoryStore({ clock })
  if (app.place === 'sqlite') return sqliteStore({ file: app.sqliteFile, clock })
  return redisStore({ client: await redisClient(app.redisUrl ?? ''), clock })
}

const { name, coordinator } = await store()
const config = resolveConfig(
  {
    baseUrl: app.baseUrl,
    provider: app.provider,
    session: { secrets: [...app.secrets], store: { name, cookie: app.cookie, coordinator: mortal(coordinator) } },
    routes: [{ path: '/api/*', upstream: app.upstream, auth: 'session' }],
  },
  {},
)
const runtime = nodeRuntime({ clock })
const handler = tokenHandler(config, { runtime, report: () => undefined })
const server = await serve(handler.routes, { port: app.port, host: '127.0.0.1', runtime })
process.once('SIGTERM', async () => {
  await server.close()
  await coordinator.close()
  process.exit(0)
})
// Nobody is there any more who would stop it.
process.once('disconnect', () => process.exit(0))
process.stdout.write('ready')
