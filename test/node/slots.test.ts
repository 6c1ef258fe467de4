import { describe, expect, it } from 'vitest'
import { slots } from '../../src/node/slots.ts'

describe('slots', () => {
  it('hold what was added and not taken out, however often their places changed hands', () => {
    const held = slots<string>()
    const leaveFirst = held.add('first')
    const leaveSecond = held.add('second')
    expect([held.size, [...held]]).toEqual([2, ['first', 'second']])
    leaveFirst()
    expect([held.size, [...held]]).toEqual([1, ['second']])
    const leaveThird = held.add('third')
    expect([held.size, [...held].sort()]).toEqual([2, ['second', 'third']])
    leaveSecond()
    leaveThird()
    expect([held.size, [...held]]).toEqual([0, []])
  })

  it('are not given up twice by who leaves twice', () => {
    const held = slots<string>()
    const leaveFirst = held.add('first')
    leaveFirst()
    held.add('second')
    leaveFirst()
    held.add('third')
    expect([held.size, [...held].sort()]).toEqual([2, ['second', 'third']])
  })

  it('can be emptied while they are gone through', () => {
    const held = slots<() => void>()
    for (let count = 0; count < 3; count += 1) {
      const leave = held.add(() => leave())
    }
    for (const leave of held) leave()
    expect(held.size).toBe(0)
  })
})
