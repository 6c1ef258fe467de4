import { describe, expect, it } from 'vitest'
import { kindOf } from '../../src/gateway/field-kinds.ts'

describe('a field of an answer', () => {
  it.each([
    ['etag', 'usual'],
    ['x-total', 'usual'],
    ['set-cookie', 'never'],
    ['connection', 'never'],
    ['www-authenticate', 'challenge'],
    ['permissions-policy', 'page'],
    ['ratelimit', 'rate-limit'],
  ] as const)('%s is %s, at first and once it is known', (name, kind) => {
    expect([kindOf(name), kindOf(name)]).toEqual([kind, kind])
  })

  it.each(['Set-Cookie', 'ETag', 'x\ny', 'é', '', 'a b'])(
    'with the name %j never passes: no transport gives one',
    (name) => {
      expect(kindOf(name)).toBe('never')
    },
  )

  it('is what it was after thousands of other names', () => {
    for (let count = 0; count < 5000; count++) kindOf(`x-${count}`)
    expect([kindOf('set-cookie'), kindOf('x-1'), kindOf(`set-${'x'.repeat(100)}`)]).toEqual(['never', 'usual', 'never'])
  })
})
