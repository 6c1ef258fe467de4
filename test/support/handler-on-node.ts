/** Coatcheck in this process, on Node's own server. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { resolveConfig } from '../../src/config/resolve.ts'
import type { Coordinator, SessionStore } from '../../src/coordinator.ts'
import { nodeRuntime } from '../../src/node/runtime.ts'
import { serve } from '../../src/node/serve.ts'
import { sqliteCoordinator } from '../../src/node/sqlite-coordinator.ts'
import type { Clock } from '../../src/runtime.ts'
import { cookieStore } from '../../src/session/stores/cookie-store.ts'
import { memoryCoordinator } from '../../src/session/stores/memory-coordinator.ts'
import { redisCoordinator } from '../../src/session/stores/redis.ts'
import { tokenHandler } from '../../src/token-handler.ts'
import { mounted } from './mounted.ts'
import { redisClient, startRedis } from './redis.ts'
import type { RunningHandler, SystemConfig } from './system.ts'

export async function startHandler(system: SystemConfig, port: number): Promise<RunningHandler> {
  let offset = 0
  const clock = { now: () => Date.now() + offset }
  const runtime = nodeRuntime({ clock })
  const { coordinator, remove } = await makeCoordinator(system, clock)
  const store: SessionStore =
    system.cookie === 'ticket' ? { name: 'test', cookie: 'ticket', coordinator } : cookieStore({ coordinator })
  const { cookie: _cookie, ...said } = system
  const config = resolveConfig({ ...said, session: { ...system.session, store } }, {})
  const handler = tokenHandler(config, { runtime, report: () => undefined })
  const app = process.env.COATCHECK_MOUNTED === 'true' ? mounted(handler) : handler.routes
  const server = await serve(app, { port, host: 'localhost', runtime })
  const internal = await serve(handler.internal, { port: system.listeners.internal, host: '127.0.0.1' })
  return {
    noticesSilentLeaving: true,
    async setClockOffset(ms) {
      offset = ms
    },
    async stop() {
      await Promise.all([server.close(), internal.close()])
      await coordinator.close()
      await remove()
    },
  }
}

/** By `COATCHECK_COORDINATOR`: `sqlite`, `redis`, else memory. `remove` takes away what it kept things in. */
async function makeCoordinator(
  system: SystemConfig,
  clock: Clock,
): Promise<{ coordinator: Coordinator; remove: () => Promise<void> }> {
  const asked = process.env.COATCHECK_COORDINATOR
  if (asked === 'redis') {
    const redis = await startRedis()
    return { coordinator: redisCoordinator({ client: await redisClient(redis.url), clock }), remove: redis.stop }
  }
  if (asked === 'sqlite' || system.backChannelLogout) {
    const folder = await mkdtemp(path.join(tmpdir(), 'coatcheck-'))
    const coordinator = sqliteCoordinator({ file: path.join(folder, 'ledger.sqlite'), clock })
    return { coordinator, remove: () => rm(folder, { recursive: true }) }
  }
  return { coordinator: memoryCoordinator({ clock }), remove: async () => undefined }
}
