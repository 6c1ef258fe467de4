/**
 * Coatcheck on workerd for the contract tests: what `worker()` makes of the configuration in `SYSTEM`, and a path of the
 * tests' own that sets the clock.
 */
import { cookieStore } from '../../src/session/stores/cookie-store.ts'
import {
  durableObjectCoordinator,
  durableObjectStore,
  type SessionNamespace,
  type WorkerHandler,
  worker,
} from '../../src/workers/index.ts'
import type { SystemConfig } from '../support/system.ts'

export { CoatcheckSession } from '../../src/workers/index.ts'

interface Env {
  SYSTEM: string
  SESSIONS: SessionNamespace
}

let offsetMs = 0
const clock = { now: () => Date.now() + offsetMs }

const coatcheck = worker<Env>(
  (env) => {
    const { cookie, ...system }: SystemConfig = JSON.parse(env.SYSTEM)
    const store =
      cookie === 'ticket'
        ? durableObjectStore(env.SESSIONS, { clock })
        : cookieStore({ coordinator: durableObjectCoordinator(env.SESSIONS, { clock }) })
    return { ...system, session: { ...system.session, store } }
  },
  { clock, report: () => undefined },
)

export default {
  async fetch(request, env, context) {
    if (request.method === 'POST' && new URL(request.url).pathname === '/__test/clock') {
      offsetMs = Number(await request.text())
      return new Response(null, { status: 204 })
    }
    return coatcheck.fetch(request, env, context)
  },
} satisfies WorkerHandler<Env>
