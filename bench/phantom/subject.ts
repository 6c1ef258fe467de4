/**
 * Coatcheck with a route for sessions and two for opaque tokens, and on a port of its own with one more, whose JWT is in the
 * introspection answer: an authorization server gives one form of it. Answers every message with its CPU time in microseconds.
 */
import { apiResource, partnerResource } from '../../spa-example/provider/index.ts'
import { resolveConfig } from '../../src/config/resolve.ts'
import type { UserConfig } from '../../src/config/user-config.ts'
import { nodeRuntime } from '../../src/node/runtime.ts'
import { serve } from '../../src/node/serve.ts'
import { cookieStore } from '../../src/session/stores/cookie-store.ts'
import { memoryCoordinator } from '../../src/session/stores/memory-coordinator.ts'
import { tokenHandler } from '../../src/token-handler.ts'

export interface PhantomSubject {
  readonly port: number
  readonly baseUrl: string
  readonly upstream: string
  readonly secret: string
  readonly provider: UserConfig['provider']
  /** Where the JWT is in the introspection answer. */
  readonly introspected: { readonly port: number; readonly baseUrl: string; readonly provider: UserConfig['provider'] }
}

const subject = JSON.parse(process.env.BENCH_SUBJECT ?? '') as PhantomSubject
const phantom = { auth: 'phantom', audience: partnerResource, scopes: ['orders:read'] } as const
const runtime = nodeRuntime()

async function serveRoutes(
  { port, baseUrl, provider }: PhantomSubject['introspected'],
  routes: UserConfig['routes'],
): Promise<void> {
  const session = { secrets: [subject.secret], store: cookieStore({ coordinator: memoryCoordinator() }) }
  const config = resolveConfig({ baseUrl, provider, session, routes }, {})
  const handler = tokenHandler(config, { runtime, report: (event) => console.error(event) })
  await serve(handler.routes, { port, host: '127.0.0.1', runtime })
}

await serveRoutes(subject, [
  { path: '/api/*', upstream: `${subject.upstream}/v1`, auth: 'session', scopes: ['orders:read'] },
  {
    ...{ path: '/exchanged/*', upstream: `${subject.upstream}/v2`, ...phantom },
    upstreamToken: { from: 'exchange', resource: apiResource },
  },
  { path: '/plain/*', upstream: `${subject.upstream}/v3`, ...phantom, upstreamToken: { from: 'none' } },
])
await serveRoutes(subject.introspected, [
  {
    ...{ path: '/introspected/*', upstream: `${subject.upstream}/v2`, ...phantom, audience: apiResource },
    upstreamToken: { from: 'introspection' },
  },
])

process.on('message', () => {
  const { user, system } = process.cpuUsage()
  process.send?.(user + system)
})
