/** Whoever has somebody's password signs in as them, and would stay out of the list by which the person ends sessions. */
import { describe, expect, it } from 'vitest'
import type { Coordinator } from '../../src/coordinator.ts'
import { memoryStore } from '../../src/session/stores/memory-store.ts'
import { movableClock, opened, signIn, startProcess } from '../session/processes.ts'

/** Does `before` once, at the moment when the next session is written. */
function interruptible(coordinator: Coordinator) {
  let before: (() => Promise<unknown>) | undefined
  const commit: Coordinator['commit'] = async (...parameters) => {
    const interruption = before
    before = undefined
    await interruption?.()
    return coordinator.commit(...parameters)
  }
  const keys: string[] = []
  const index: Coordinator['index'] = {
    ...coordinator.index,
    add(key, ...parameters) {
      keys.push(key)
      return coordinator.index.add(key, ...parameters)
    },
  }
  return {
    keys,
    coordinator: { ...coordinator, commit, index },
    atNextCommit(work: () => Promise<unknown>) {
      before = work
    },
  }
}

function setUp(maxSessions?: number) {
  const clock = movableClock()
  const store = memoryStore({ clock })
  const { coordinator, atNextCommit, keys } = interruptible(store.coordinator)
  const process = startProcess({ ...store, coordinator }, clock, maxSessions === undefined ? {} : { maxSessions })
  return { clock, process, atNextCommit, keys, coordinator }
}

const ada = (sid: string) => ({ sub: 'ada', sid })

describe('a session that is hidden from its person', () => {
  it('is not made by looking at the list while it begins', async () => {
    const { clock, process, atNextCommit } = setUp()
    const first = await opened(process, await signIn(process, ada('1'), clock))
    atNextCommit(async () => process.sessions.own?.list(first.session))
    const second = await signIn(process, ada('2'), clock)
    expect((await process.sessions.own?.list(first.session))?.sessions).toHaveLength(2)
    expect(await process.sessions.own?.endOthers(first.session)).toEqual({ ended: 1, hasMore: false })
    expect(await process.sessions.open(second.cookies)).toBeUndefined()
  })

  it('is not made by signing in twice at once: both count for the limit', async () => {
    const { clock, process, atNextCommit } = setUp(1)
    const browsers: Awaited<ReturnType<typeof signIn>>[] = []
    atNextCommit(async () => browsers.push(await signIn(process, ada('1'), clock)))
    browsers.push(await signIn(process, ada('2'), clock))
    const alive = await Promise.all(browsers.map(({ cookies }) => process.sessions.open(cookies)))
    expect(alive.filter((open) => open !== undefined)).toHaveLength(1)
  })

  it('is not made by burying it under hundreds that are over', async () => {
    const { clock, process, keys, coordinator } = setUp()
    const buried = await signIn(process, ada('1'), clock)
    for (let count = 0; count < 2000; count++)
      await coordinator.index.add(keys[0] ?? '', `over-${count}`, clock.now() * 2)
    clock.advance(1000)
    const newest = await opened(process, await signIn(process, ada('2'), clock))
    expect(await process.sessions.own?.endOthers(newest.session)).toEqual({ ended: 1, hasMore: false })
    expect(await process.sessions.open(buried.cookies)).toBeUndefined()
  })

  it('is not made by a burst of sign-ins', async () => {
    const { clock, process } = setUp(2)
    const browsers = await Promise.all(
      Array.from({ length: 12 }, (_, index) => signIn(process, ada(`${index}`), clock)),
    )
    const alive = await Promise.all(browsers.map(({ cookies }) => process.sessions.open(cookies)))
    expect(alive.filter((open) => open !== undefined)).toHaveLength(2)
  })
})
