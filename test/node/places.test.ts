import { expect, test, vi } from 'vitest'
import { CoatcheckError } from '../../src/errors.ts'
import { places } from '../../src/node/places.ts'

const never = new AbortController().signal

test('places go to who came first, and come back', async () => {
  const two = places(2, 10)
  const first = await two.take(never, 1000)
  await two.take(never, 1000)
  const order: string[] = []
  const third = two.take(never, 1000).then((leave) => {
    order.push('third')
    return leave
  })
  const fourth = two.take(never, 1000).then(() => order.push('fourth'))
  expect(order).toEqual([])
  first()
  const leave = await third
  expect(order).toEqual(['third'])
  leave()
  await fourth
  expect(order).toEqual(['third', 'fourth'])
})

test('too many that wait are told to come back', async () => {
  const one = places(1, 1)
  const leave = await one.take(never, 1000)
  const second = one.take(never, 1000)
  const third = one.take(never, 1000)
  await expect(third).rejects.toMatchObject({ code: 'upstream_busy', headers: { 'Retry-After': '1' } })
  leave()
  await second
})

test('who goes away leaves the queue, and nobody else loses by it', async () => {
  const one = places(1, 1)
  const leave = await one.take(never, 1000)
  const gone = new AbortController()
  const second = one.take(gone.signal, 1000)
  gone.abort(new Error('gone'))
  await expect(second).rejects.toThrow('gone')
  const third = one.take(never, 1000)
  leave()
  expect(await third).toBeInstanceOf(Function)
  await expect(one.take(AbortSignal.abort(new Error('early')), 1000)).rejects.toThrow('early')
})

test('a wait has an end', async () => {
  vi.useFakeTimers()
  try {
    const one = places(1, 1)
    await one.take(never, 1000)
    const second = one.take(never, 1000)
    const refused = expect(second).rejects.toSatisfy(
      (error) => error instanceof CoatcheckError && error.code === 'upstream_timeout',
    )
    await vi.advanceTimersByTimeAsync(1000)
    await refused
  } finally {
    vi.useRealTimers()
  }
})

test('who waits in the second line comes when nobody waits in the first', async () => {
  const one = places(1, 10, 1)
  const leave = await one.second.take(never, 1000)
  const order: string[] = []
  const later = one.second.take(never, 1000).then((give) => {
    order.push('second line')
    give()
  })
  await expect(one.second.take(never, 1000)).rejects.toMatchObject({ code: 'upstream_busy' })
  const sooner = one.take(never, 1000).then((give) => {
    order.push('first line')
    give()
  })
  leave()
  await Promise.all([later, sooner])
  expect(order).toEqual(['first line', 'second line'])
})
