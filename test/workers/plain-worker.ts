/** What an operator deploys: the configuration in `CONFIG`, and a route to the service binding `ORDERS` if there is one. */
import type { UserConfig } from '../../src/config/user-config.ts'
import type { FetchBinding } from '../../src/config/user-routes.ts'
import { worker } from '../../src/workers/index.ts'

interface Env {
  CONFIG: string
  ORDERS?: FetchBinding
  LIVE?: FetchBinding
}

export default worker<Env>(({ CONFIG, ORDERS, LIVE }) => {
  const config: UserConfig = JSON.parse(CONFIG)
  if (LIVE !== undefined) {
    return { ...config, routes: [{ path: '/live/*', upstream: LIVE, auth: 'session', kinds: ['websocket'] }] }
  }
  if (ORDERS === undefined) return config
  const bound = { upstream: ORDERS, auth: 'none', reason: 'a test', methods: ['GET', 'POST'] } as const
  return {
    ...config,
    routes: [
      { path: '/orders/*', ...bound },
      { path: '/v2/*', ...bound, upstreamPath: '/second' },
    ],
  }
})
