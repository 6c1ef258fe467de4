/**
 * Coatcheck on workerd for the contract tests: what `worker()` makes of the configuration in `SYSTEM`, and paths of the
 * tests' own: one that sets the clock, one below which the internal handler answers.
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
    const inside = request.url.split('/__test/internal')
    if (inside.length === 2) return coatcheck.internal.fetch(new Request(inside.join(''), request), env, context)
    return coatcheck.fetch(request, env, context)
  },
} satisfies WorkerHandler<Env>
