import { describe, expect, it } from 'vitest'
import { isNavigation, mayStartLogin } from '../../src/protection/fetch-metadata.ts'
import type { IncomingHeaders } from '../../src/runtime.ts'

const metadata = (site?: string, mode?: string, destination?: string): IncomingHeaders => ({
  'sec-fetch-site': site,
  'sec-fetch-mode': mode,
  'sec-fetch-dest': destination,
})

describe('a sign-in starts', () => {
  it.each([
    ['a link or a script of ours', metadata('same-origin', 'navigate', 'document')],
    ['the address bar or a bookmark', metadata('none', 'navigate', 'document')],
    ['a browser without Fetch Metadata', {}],
  ])('for %s', (_who, headers) => expect(mayStartLogin(headers)).toBe('start'))
})

describe('the browser goes back to the app instead', () => {
  it.each<[string, IncomingHeaders]>([
    ['a link on another site', metadata('cross-site', 'navigate', 'document')],
    ['a link on a sibling subdomain', metadata('same-site', 'navigate', 'document')],
    ['a frame', metadata('same-origin', 'navigate', 'iframe')],
    ['a frame on another site', metadata('cross-site', 'navigate', 'iframe')],
    ['an image', metadata('same-origin', 'no-cors', 'image')],
    ['an image on another site', metadata('cross-site', 'no-cors', 'image')],
    ['a script', metadata('same-origin', 'no-cors', 'script')],
    ['a fetch', metadata('same-origin', 'cors', 'empty')],
    ['a download link', metadata('same-origin', 'navigate', 'empty')],
    ['an object', metadata('same-origin', 'navigate', 'object')],
    ['half of the metadata', metadata('same-origin')],
    ['half of it, without the site', metadata(undefined, 'navigate', 'document')],
    ['no destination', metadata('none', 'navigate')],
    ['an empty site', metadata('', 'navigate', 'document')],
    ['two sites', metadata('none, none', 'navigate', 'document')],
    ['another case', metadata('Same-Origin', 'navigate', 'document')],
  ])('for %s', (_who, headers) => expect(mayStartLogin(headers)).toBe('return'))
})

describe('nothing happens ahead of a person’s act', () => {
  it.each<[string, string]>([
    ['sec-purpose', 'prefetch'],
    ['sec-purpose', 'prefetch;prerender'],
    ['sec-purpose', 'prefetch;anonymous-client-ip'],
    ['sec-purpose', 'prerender'],
    ['sec-purpose', 'PREFETCH'],
    ['purpose', 'prefetch'],
    ['x-purpose', 'preview'],
    ['x-moz', 'prefetch'],
  ])('%s: %s', (name, value) => {
    // As a page's speculation rules send it.
    expect(mayStartLogin({ ...metadata('none', 'navigate', 'document'), [name]: value })).toBe('prefetch')
    expect(mayStartLogin({ ...metadata('cross-site', 'no-cors', 'empty'), [name]: value })).toBe('prefetch')
    expect(mayStartLogin({ [name]: value })).toBe('prefetch')
  })

  it('another purpose is none of these', () => expect(mayStartLogin({ 'sec-purpose': '' })).toBe('start'))
})

it('a navigation is what would be shown', () => {
  expect(isNavigation(metadata('cross-site', 'navigate', 'document'))).toBe(true)
  expect(isNavigation(metadata('same-origin', 'navigate', 'iframe'))).toBe(false)
  expect(isNavigation(metadata('same-origin', 'cors', 'empty'))).toBe(false)
  expect(isNavigation({})).toBe(false)
})
