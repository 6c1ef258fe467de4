import { expect, it } from 'vitest'
import { backOffs } from '../../src/session/back-off.ts'

function start() {
  let now = 1_000_000
  const clock = { now: () => now }
  const backOff = backOffs(clock, { firstMs: 1000, longestMs: 15_000, longestAskedMs: 300_000 })
  return { backOff, advance: (ms: number) => (now += ms) }
}

it('doubles from one trouble to the next, up to its longest', () => {
  const { backOff, advance } = start()
  const delays = Array.from({ length: 6 }, () => {
    const delayMs = backOff.raise('s')
    advance(delayMs)
    return delayMs
  })
  expect(delays).toEqual([1000, 2000, 4000, 8000, 15_000, 15_000])
})

it('is over when its time is, and begins anew long after', () => {
  const { backOff, advance } = start()
  backOff.raise('s')
  backOff.raise('s')
  advance(1500)
  expect(backOff.leftMs('s')).toBe(500)
  expect(backOff.leftMs('t')).toBe(0)
  advance(500)
  expect(backOff.leftMs('s')).toBe(0)
  advance(60_000)
  expect(backOff.raise('s')).toBe(1000)
})

it('is as long as the server asks, but never for less than the first nor for ever', () => {
  const { backOff } = start()
  expect(backOff.raise('s', 30)).toBe(30_000)
  expect(backOff.raise('s', 0)).toBe(1000)
  expect(backOff.raise('s', 4_000_000_000)).toBe(300_000)
})

it('ends when all is well again', () => {
  const { backOff } = start()
  backOff.raise('s', 30)
  backOff.clear('s')
  expect(backOff.leftMs('s')).toBe(0)
  expect(backOff.raise('s')).toBe(1000)
})
