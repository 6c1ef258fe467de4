/** The coordinator's own code here, its objects in workerd. */
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { durableObjectCoordinator, type SessionNamespace, type SessionStub } from '../../src/workers/index.ts'
import { describeCoordinator } from '../session/coordinator-suite.ts'
import { freePort } from '../support/free-port.ts'
import { startWorkerd } from '../support/workerd.ts'
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

describe('an object that does not answer', () => {
  it('is a store that cannot be asked, and not waited for', async () => {
    const port = await freePort()
    const entry = new URL('./silent-object-worker.ts', import.meta.url)
    const workerd = await startWorkerd([{ name: 'silent', entry, objects: { SESSIONS: 'SilentObject' } }], port)
    try {
      const codes = await (await fetch(`http://localhost:${port}/`)).json()
      expect(codes).toEqual(['store_unavailable', 'store_unavailable'])
    } finally {
      await workerd.stop()
    }
  })
})

describe('an object that a request reaches after it was given up', () => {
  /** The first of this kind: behind it what is sent on the same stub, and before it what is sent on another. */
  function delaying(kind: string): SessionNamespace<string> {
    const namespace = objects.namespace(`late-${++count}:`)
    let isDelayed = false
    let late: { stub: SessionStub; send: () => Promise<Response> } | undefined
    return {
      ...namespace,
      get(id) {
        const stub = namespace.get(id)
        return {
          async fetch(url, { signal, ...init }) {
            const send = () => stub.fetch(url, init)
            if (!isDelayed && JSON.parse(String(init.body)).do === kind) {
              isDelayed = true
              late = { stub, send }
              await once(signal as AbortSignal, 'abort')
              throw signal?.reason
            }
            const before = late
            late = undefined
            if (before?.stub === stub) await before.send()
            const answer = await send()
            if (before && before.stub !== stub) await before.send()
            return answer
          },
        }
      },
    }
  }
  const isOut = { code: 'store_unavailable' }

  it('has the lease that it gave taken back', async () => {
    const coordinator = durableObjectCoordinator(delaying('take'))
    await expect(coordinator.acquireLease('s', 600_000)).rejects.toMatchObject(isOut)
    await (await coordinator.acquireLease('s', 600_000)).release()
  })

  it('has what was to be done once done by the next (R12)', async () => {
    const coordinator = durableObjectCoordinator(delaying('claim'))
    await expect(coordinator.once('k', 600_000, async () => 'never')).rejects.toMatchObject(isOut)
    expect(await coordinator.once('k', 600_000, async () => 'done')).toBe('done')
  })

  it('keeps no attempt on record of a request that was never sent (R3)', async () => {
    const coordinator = durableObjectCoordinator(delaying('recordAttempt'))
    await expect(coordinator.recordAttempt('s', 1, Date.now() + 600_000)).rejects.toMatchObject(isOut)
    await coordinator.clearAttempt('s')
    expect(await coordinator.read('s')).toMatchObject({ version: 1, attempt: undefined })
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

  it('gives what was done all the same, and to everyone (R12)', async () => {
    const coordinator = durableObjectCoordinator(losing('settle'))
    expect(await coordinator.once('k', 600_000, async () => 'done')).toBe('done')
    expect(await coordinator.once('k', 600_000, async () => 'never')).toBe('done')
  })
})
