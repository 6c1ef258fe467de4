/** One process under measurement. Answers every message with its CPU time (microseconds) and memory (bytes). */
import { resolveConfig } from '../../src/config/resolve.ts'
import { nodeRuntime } from '../../src/node/runtime.ts'
import { serve } from '../../src/node/serve.ts'
import { sqliteCoordinator } from '../../src/node/sqlite-coordinator.ts'
import { cookieStore } from '../../src/session/stores/cookie-store.ts'
import { memoryCoordinator } from '../../src/session/stores/memory-coordinator.ts'
import { redisCoordinator } from '../../src/session/stores/redis-coordinator.ts'
import { tokenHandler } from '../../src/token-handler.ts'
import { redisClient } from '../../test/support/redis.ts'
import { startObvious } from './obvious.ts'
import { startRaw } from './raw-node.ts'

export interface SubjectOptions {
  readonly name: string
  readonly port: number
  /** The same for all, so that one sign-in's cookie opens everywhere. */
  readonly baseUrl: string
  readonly upstream: string
  readonly issuer: string
  readonly clientId: string
  readonly clientSecret: string
  readonly secret: string
  readonly sqliteFile: string
  readonly redisUrl: string
}

const subject = JSON.parse(process.env.BENCH_SUBJECT ?? '') as SubjectOptions

async function startCoatcheck(): Promise<void> {
  const coordinator = subject.name.includes('sqlite')
    ? sqliteCoordinator({ file: subject.sqliteFile })
    : subject.name.includes('redis')
      ? redisCoordinator({ client: await redisClient(subject.redisUrl) })
      : memoryCoordinator()
  const config = resolveConfig(
    {
      baseUrl: subject.baseUrl,
      provider: { issuer: subject.issuer, clientId: subject.clientId, clientSecret: subject.clientSecret },
      session: { secrets: [subject.secret], store: cookieStore({ coordinator }) },
      routes: [
        { path: '/api/*', upstream: `${subject.upstream}/v1`, auth: 'session' },
        { path: '/public/*', upstream: `${subject.upstream}/public`, auth: 'none', reason: 'a measurement' },
      ],
    },
    {},
  )
  const runtime = nodeRuntime()
  const handler = tokenHandler(config, { runtime, report: (event) => console.error(event) })
  await serve(handler.routes, { port: subject.port, host: '127.0.0.1', runtime })
}

if (subject.name === 'raw-node') await startRaw(subject.port, subject.upstream)
else if (subject.name === 'hono-proxy-iron-session') await startObvious(subject.port, subject.upstream)
else await startCoatcheck()

process.on('message', () => {
  const { user, system } = process.cpuUsage()
  process.send?.({ cpuMicros: user + system, rssBytes: process.memoryUsage.rss() })
})
process.send?.('ready')
