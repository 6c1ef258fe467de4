/** The demo on Workers: the same configuration as on Node, and sessions in Durable Objects. */
import type { UserConfig } from '../../src/config/user-config.ts'
import { durableObjectStore, type SessionNamespace, worker } from '../../src/workers/index.ts'
import config from '../coatcheck.config.mts'

export { CoatcheckSession } from '../../src/workers/index.ts'

type Variables = Record<string, string | undefined>

interface Env {
  readonly SESSIONS: SessionNamespace
}

export default worker<Env>((env) => {
  const said: UserConfig = typeof config === 'function' ? config(env as unknown as Variables) : config
  const store = durableObjectStore(env.SESSIONS)
  return { ...said, session: { ...said.session, store } }
})
