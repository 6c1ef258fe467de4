import { describe, expect, it } from 'vitest'
import { memoryCoordinator } from '../../src/session/stores/memory-coordinator.ts'
import { describeCoordinator } from './coordinator-suite.ts'

function controlledClock() {
  let offset = 0
  return {
    now: () => Date.now() + offset,
    advance: async (ms: number) => {
      offset += ms
    },
  }
}

describeCoordinator('memory', async () => {
  const clock = controlledClock()
  const coordinator = memoryCoordinator({ clock })
  return { coordinator, other: undefined, clock, advance: clock.advance, stop: () => coordinator.close() }
})

describe('a memory coordinator that is full', () => {
  it('shrinks what the browser has confirmed to a stub, and keeps the rest whole (R9)', async () => {
    const clock = controlledClock()
    const coordinator = memoryCoordinator({ clock, maxEntries: 2 })
    const entry = { version: 2, payload: 'p', keepUntil: clock.now() + 60_000 }
    await coordinator.commit('confirmed', 1, entry)
    coordinator.confirm('confirmed', 2)
    await coordinator.commit('open', 1, entry)
    await coordinator.commit('new', 1, entry)
    expect(await coordinator.read('confirmed')).toMatchObject({ version: 2, payload: undefined })
    expect((await coordinator.read('open'))?.payload).toBe('p')
    expect((await coordinator.read('new'))?.payload).toBe('p')
  })
})
