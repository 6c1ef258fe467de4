import { beforeEach, describe, expect, it } from 'vitest'
import { cloneWatch, type Sighting } from '../../src/session/clone-watch.ts'

let now: number
let see: (sighting: Partial<Sighting>) => string | undefined
beforeEach(() => {
  now = 1_000_000
  const watch = cloneWatch({ now: () => now })
  see = (sighting) => watch({ sessionId: 's', version: 1, newestVersion: 1, device: undefined, ...sighting })
})
const minute = 60_000

describe('an old version', () => {
  it('is no sign while answers may be under way', () => {
    see({ version: 2, newestVersion: 2 })
    now += minute
    expect(see({ version: 1, newestVersion: 2 })).toBeUndefined()
  })

  it('is none where the browser has not shown the newer one: its answer was lost', () => {
    see({ version: 1, newestVersion: 1 })
    now += 30 * minute
    expect(see({ version: 1, newestVersion: 2 })).toBeUndefined()
    now += 30 * minute
    expect(see({ version: 1, newestVersion: 2 })).toBeUndefined()
  })

  it('is one long after its successor was shown, and is told once in an hour', () => {
    see({ version: 2, newestVersion: 2 })
    now += 3 * minute
    expect(see({ version: 1, newestVersion: 2 })).toBe('old_version')
    now += minute
    expect(see({ version: 1, newestVersion: 2 })).toBeUndefined()
  })

  it('of one session says nothing of another', () => {
    see({ version: 2, newestVersion: 2 })
    now += 3 * minute
    expect(see({ sessionId: 't', version: 1, newestVersion: 2 })).toBeUndefined()
  })
})

describe('two devices', () => {
  it('that take turns are a sign', () => {
    see({ device: 'phone' })
    now += 1000
    expect(see({ device: 'laptop' })).toBeUndefined()
    now += 1000
    expect(see({ device: 'phone' })).toBe('two_devices')
  })

  it('one after the other are a browser that was updated', () => {
    see({ device: 'browser 1' })
    now += 1000
    see({ device: 'browser 2' })
    now += 1000
    expect(see({ device: 'browser 2' })).toBeUndefined()
  })

  it('with a pause between them are not at once', () => {
    see({ device: 'phone' })
    now += 1000
    see({ device: 'laptop' })
    now += 2 * minute
    expect(see({ device: 'phone' })).toBeUndefined()
  })

  it('that say nothing of themselves are none', () => {
    see({})
    see({ device: 'phone' })
    expect(see({})).toBeUndefined()
  })
})
