/** The coordinator's own code here, its objects in workerd. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { durableObjectCoordinator, type SessionNamespace } from '../../src/workers/index.ts'
import { describeCoordinator } from '../session/coordinator-suite.ts'
import { freePort } from '../support/free-port.ts'
import { type RunningWorkerd, startWorkerd } from '../support/workerd.ts'

let workerd: RunningWorkerd
let port: number
let count = 0

beforeAll(async () => {
  port = await freePort()
  const entry = new URL('./session-object-worker.ts', import.meta.url)
  workerd = await startWorkerd([{ name: 'objects', entry, objects: { SESSIONS: 'CoatcheckSession' } }], port)
})
afterAll(() => workerd.stop())

const namespace = (prefix: string): SessionNamespace<string> => ({
  idFromName: (name) => prefix + name,
  get: (id) => ({
    fetch: (_url, init) => fetch(`http://localhost:${port}/`, { ...init, headers: { 'x-object': id } }),
  }),
})

describeCoordinator('Durable Object', async () => {
  const prefix = `test-${++count}:`
  return {
    coordinator: durableObjectCoordinator(namespace(prefix)),
    other: durableObjectCoordinator(namespace(prefix)),
    clock: { now: () => Date.now() },
    // The object's clock is not ours to move: the time has to pass.
    advance: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    stop: async () => undefined,
  }
})

describe('objects that cannot be reached', () => {
  it('are a store that cannot be asked', async () => {
    const away: SessionNamespace<string> = {
      idFromName: (name) => name,
      get: () => ({ fetch: async () => new Response('overloaded', { status: 503 }) }),
    }
    const coordinator = durableObjectCoordinator(away)
    await expect(coordinator.read('s')).rejects.toMatchObject({ code: 'store_unavailable' })
    await expect(coordinator.acquireLease('s', 1000)).rejects.toMatchObject({ code: 'store_unavailable' })
  })
})
