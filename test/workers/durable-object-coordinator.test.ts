/** The coordinator's own code here, its objects in workerd. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { durableObjectCoordinator, type SessionNamespace } from '../../src/workers/index.ts'
import { describeCoordinator } from '../session/coordinator-suite.ts'
import { type SessionObjects, startSessionObjects } from './session-objects.ts'

let objects: SessionObjects
let count = 0

beforeAll(async () => {
  objects = await startSessionObjects()
})
afterAll(() => objects.stop())

describeCoordinator('Durable Object', async () => {
  const namespace = objects.namespace(`test-${++count}:`)
  return {
    coordinator: durableObjectCoordinator(namespace),
    other: durableObjectCoordinator(namespace),
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

describe('an object whose answer is lost', () => {
  /** The first request of this kind reaches the object, and its answer nobody. */
  function losing(kind: string): SessionNamespace<string> {
    const namespace = objects.namespace(`lost-${++count}:`)
    let isLost = false
    return {
      ...namespace,
      get: (id) => ({
        async fetch(url, init) {
          const answer = await namespace.get(id).fetch(url, init)
          if (isLost || JSON.parse(String(init.body)).do !== kind) return answer
          isLost = true
          throw new Error('the connection broke')
        },
      }),
    }
  }

  it('has the lease that it gave taken back', async () => {
    const coordinator = durableObjectCoordinator(losing('take'))
    await expect(coordinator.acquireLease('s', 600_000)).rejects.toMatchObject({ code: 'store_unavailable' })
    await (await coordinator.acquireLease('s', 600_000)).release()
  })

  it('has what was to be done once done by the next (R12)', async () => {
    const coordinator = durableObjectCoordinator(losing('claim'))
    const isOut = { code: 'store_unavailable' }
    await expect(coordinator.once('k', 600_000, async () => 'never')).rejects.toMatchObject(isOut)
    expect(await coordinator.once('k', 600_000, async () => 'done')).toBe('done')
  })
})
