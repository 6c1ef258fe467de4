import { expect, it } from 'vitest'
import { retryAfterSeconds } from '../../src/oauth/refresh-grant.ts'

const date = 'Wed, 25 Nov 2026 12:00:00 GMT'

it.each([
  ['0', 0],
  ['120', 120],
  [' 7 ', 7],
  ['Wed, 25 Nov 2026 12:00:30 GMT', 30],
  ['Wed, 25 Nov 2026 11:00:00 GMT', 0],
  ['', undefined],
  ['-5', undefined],
  ['1.5', undefined],
  ['1e3', undefined],
  ['99999999999', undefined],
  ['soon', undefined],
  ['Infinity', undefined],
])('Retry-After: %s is %s', (value, seconds) => {
  expect(retryAfterSeconds(new Headers({ 'Retry-After': value, Date: date }))).toBe(seconds)
})

it('is not there, or is a date without one to compare it with', () => {
  expect(retryAfterSeconds(new Headers())).toBeUndefined()
  expect(retryAfterSeconds(new Headers({ 'Retry-After': date }))).toBeUndefined()
})
