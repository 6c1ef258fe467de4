import { describe, expect, it } from 'vitest'
import { CoatcheckError } from '../src/errors.ts'
import { tokenCache } from '../src/token-cache.ts'

const clock = { now: () => 1000 }
const ignore = () => undefined

describe('what is asked about a token', () => {
  it('is kept alive once, beyond the caller that began it: others wait for the answer', async () => {
    const cache = tokenCache<string>(clock)
    const { promise, resolve } = Promise.withResolvers<{ value: string; expiresAt: number }>()
    const kept: Promise<unknown>[] = []
    const calls = [1, 2, 3].map(() =>
      cache.get(
        'a',
        () => promise,
        (work) => void kept.push(work),
      ),
    )
    expect(kept).toHaveLength(1)
    resolve({ value: 'known', expiresAt: 2000 })
    expect(await Promise.all(calls)).toEqual(['known', 'known', 'known'])
    await Promise.all(kept)
  })

  it('is asked again after a failure, and what keeps it alive does not fail with it', async () => {
    const cache = tokenCache<string>(clock)
    const kept: Promise<unknown>[] = []
    const fail = async () => {
      throw new CoatcheckError('provider_unavailable')
    }
    await expect(cache.get('a', fail, (work) => void kept.push(work))).rejects.toThrow()
    await Promise.all(kept)
    expect(await cache.get('a', async () => ({ value: 'known', expiresAt: 2000 }), ignore)).toBe('known')
  })
})
