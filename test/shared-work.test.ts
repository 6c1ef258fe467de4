import { expect, test } from 'vitest'
import { SharedWork } from '../src/shared-work.ts'

test('who comes while it goes on gets the same, and the next begins anew', async () => {
  const work = new SharedWork<number>({ now: () => 0 }, 1000)
  let begun = 0
  const begin = async () => ++begun
  expect(await Promise.all([work.join('a', begin), work.join('a', begin), work.join('b', begin)])).toEqual([1, 1, 2])
  expect(work.isUnderWay('a')).toBe(false)
  expect(await work.join('a', begin)).toBe(3)
})

test('what fails is told to everybody, and is over', async () => {
  const work = new SharedWork<number>({ now: () => 0 }, 1000)
  const fail = () => Promise.reject(new Error('out'))
  const all = await Promise.allSettled([work.join('a', fail), work.join('a', fail)])
  expect(all.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  expect(await work.join('a', async () => 1)).toBe(1)
})

test('what never settles is joined for so long, and its late end does not end what came after it', async () => {
  let now = 0
  const work = new SharedWork<number>({ now: () => now }, 1000)
  let settle: (value: number) => void = () => {}
  const orphan = work.join('a', () => new Promise((resolve) => (settle = resolve)))
  now = 1001
  let settleNext: (value: number) => void = () => {}
  const next = work.join('a', () => new Promise((resolve) => (settleNext = resolve)))
  settle(1)
  expect(await orphan).toBe(1)
  expect(work.isUnderWay('a')).toBe(true)
  settleNext(2)
  expect(await next).toBe(2)
})
