import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { withLoginError } from '../../src/endpoints/login-error.ts'
import { parseReturnTo } from '../../src/protection/return-to.ts'

const origin = 'https://app.example.com'
const read = (location: string) => new URL(origin + location)

describe('login_error in the address that a failed sign-in comes back to', () => {
  it.each([
    ['/', '/?login_error=access_denied'],
    ['/?', '/?login_error=access_denied'],
    ['/orders', '/orders?login_error=access_denied'],
    ['/orders?page=2', '/orders?page=2&login_error=access_denied'],
    ['/orders#notes', '/orders?login_error=access_denied#notes'],
    ['/orders#/hash/route?x=1', '/orders?login_error=access_denied#/hash/route?x=1'],
    ['/orders?page=2#notes', '/orders?page=2&login_error=access_denied#notes'],
    ['/orders?q=a%20b+c&flag&x=', '/orders?q=a%20b+c&flag&x=&login_error=access_denied'],
    ['/?login_error=old', '/?login_error=access_denied'],
    ['/?login_error', '/?login_error=access_denied'],
    ['/?a=1&login_error=old&b=2&login_error=older', '/?a=1&b=2&login_error=access_denied'],
    ['/?login%5Ferror=old&%6cogin_error=x', '/?login_error=access_denied'],
    ['/?login_errors=1&my_login_error=2', '/?login_errors=1&my_login_error=2&login_error=access_denied'],
    ['/?x=login_error=old', '/?x=login_error=old&login_error=access_denied'],
    ['/#login_error=old', '/?login_error=access_denied#login_error=old'],
  ])('%s becomes %s', (returnTo, location) => {
    expect(withLoginError(returnTo, 'access_denied')).toBe(location)
  })

  it('is there exactly once, and everything else stays, on this origin', () => {
    const pair = fc.constantFrom(
      'a=1',
      'b',
      '=',
      '&',
      'login_error=x',
      'login_error',
      'login%5ferror=y',
      'c=%26',
      'd=+',
      '?',
      '//',
    )
    const address = fc
      .tuple(
        fc.constantFrom('', '/', '/a', '/a//b', '/%20', '/caf%C3%A9'),
        fc.array(pair),
        fc.option(fc.webFragments()),
      )
      .map(([path, pairs, hash]) => `/p${path}?${pairs.join('&')}${hash === null ? '' : `#${hash}`}`)
    fc.assert(
      fc.property(address, (value) => {
        const returnTo = parseReturnTo(value, () => false)
        const before = read(returnTo)
        const after = read(withLoginError(returnTo, 'login_failed'))
        expect([after.origin, after.pathname, after.hash]).toEqual([origin, before.pathname, before.hash])
        expect(after.searchParams.getAll('login_error')).toEqual(['login_failed'])
        before.searchParams.delete('login_error')
        after.searchParams.delete('login_error')
        expect([...after.searchParams]).toEqual([...before.searchParams])
      }),
      { numRuns: 1000 },
    )
  })
})
