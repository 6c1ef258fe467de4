import { describe, expect, it } from 'vitest'
import { remembered } from '../../src/gateway/remembered.ts'

function counted() {
  const asked: string[] = []
  const length = remembered((text) => {
    asked.push(text)
    return { length: text.length }
  })
  return { asked, length }
}

describe('what is remembered of a text', () => {
  it('is looked up once, whatever it is', () => {
    const { asked, length } = counted()
    expect([length('etag'), length('etag'), length('vary')]).toEqual([{ length: 4 }, { length: 4 }, { length: 4 }])
    expect(asked).toEqual(['etag', 'vary'])
    const isNever = remembered(() => false)
    expect([isNever('a'), isNever('a')]).toEqual([false, false])
  })

  it('is not kept of a long text', () => {
    const { asked, length } = counted()
    const long = 'x'.repeat(65)
    expect([length(long), length(long)]).toEqual([{ length: 65 }, { length: 65 }])
    expect(asked).toEqual([long, long])
  })

  it('is forgotten, and looked up anew, once there are too many', () => {
    const { asked, length } = counted()
    for (let count = 0; count < 1001; count++) length(`x-${count}`)
    expect(length('x-0')).toEqual({ length: 3 })
    expect(asked.filter((text) => text === 'x-0')).toHaveLength(2)
  })
})
