/** Session objects in workerd, and a namespace that reaches them from here. */
import type { SessionNamespace } from '../../src/workers/index.ts'
import { freePort } from '../support/free-port.ts'
import { startWorkerd } from '../support/workerd.ts'

export interface SessionObjects {
  /** Objects of one test: those of another prefix are others. */
  namespace(prefix: string): SessionNamespace<string>
  stop(): Promise<void>
}

export async function startSessionObjects(): Promise<SessionObjects> {
  const port = await freePort()
  const entry = new URL('./session-object-worker.ts', import.meta.url)
  const workerd = await startWorkerd([{ name: 'objects', entry, objects: { SESSIONS: 'CoatcheckSession' } }], port)
  return {
    namespace: (prefix) => ({
      idFromName: (name) => prefix + name,
      get: (id) => ({
        fetch: (_url, init) => fetch(`http://localhost:${port}/`, { ...init, headers: { 'x-object': id } }),
      }),
    }),
    stop: () => workerd.stop(),
  }
}
