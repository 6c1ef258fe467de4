/** What Workers ask of a store. */
import { ConfigError } from '../config/config-error.ts'
import type { Config } from '../config/types.ts'
import { isLoopbackHost } from '../config/urls.ts'

/**
 * Isolates share nothing (protocol.md E5): a refresh token would be used twice and the session lost, and a session that was
 * signed out would go on. On loopback there is one isolate.
 *
 * @throws ConfigError
 */
export function requireSharedStore({ origin, session }: Config): void {
  if (session.store !== undefined && !session.store.coordinator.isInProcess) return
  if (!isLoopbackHost(new URL(origin).hostname)) {
    throw new ConfigError([
      {
        path: 'session.store',
        problem: 'keeps what sessions share in the memory of an isolate, and the requests of one session reach many',
        cure: 'write durableObjectStore(env.SESSIONS), or cookieStore({ coordinator: durableObjectCoordinator(env.SESSIONS) })',
      },
    ])
  }
  console.warn(
    'coatcheck: refreshed tokens and signed-out sessions are remembered in the memory of this isolate only. That does ' +
      'for wrangler dev; deployed, Coatcheck does not start with it. docs/workers.md says how to use a Durable Object.',
  )
}
