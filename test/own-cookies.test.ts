import { describe, expect, it } from 'vitest'
import { ownCookies } from '../src/own-cookies.ts'
import { sessionCookieName } from '../src/session/cookie-names.ts'

const middle = 'm'.repeat(400)

describe('the cookies of a field that was read before', () => {
  it('are those of this field, where another has the same middle', () => {
    const fieldOf = (first: string, last: string) => `${sessionCookieName}=${first}${middle}${last}`
    for (const [first, last] of ['aa', 'ba', 'ab', 'aa'].map((pair) => [...pair] as [string, string])) {
      expect(ownCookies(fieldOf(first, last)).get(sessionCookieName)).toBe(`${first}${middle}${last}`)
    }
  })

  it('are none where it has one cookie twice, also after a field that had it once', () => {
    const once = `${sessionCookieName}=${middle}`
    expect(ownCookies(once).size).toBe(1)
    expect(ownCookies(`${once}; ${sessionCookieName}=other`).size).toBe(0)
    expect(ownCookies(`${sessionCookieName}=other; ${once}`).size).toBe(0)
    expect(ownCookies(once).size).toBe(1)
  })

  it('are right when more fields have come than are remembered', () => {
    const fields = Array.from({ length: 2500 }, (_, index) => String(index).repeat(50))
    for (const value of [...fields, ...fields]) {
      expect(ownCookies(`${sessionCookieName}=${value}`).get(sessionCookieName)).toBe(value)
    }
  })
})
