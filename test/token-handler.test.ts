import { describe, expect, it } from 'vitest'
import { cookieStore } from '../src/session/stores/cookie-store.ts'
import { tokenHandler } from '../src/token-handler.ts'
import { good, goodRoute, resolve, secret } from './config/good.ts'

describe('back-channel logout', () => {
  it.each([
    ['a store in memory', cookieStore()],
    ['no store named', undefined],
  ])('does not start with %s: what one process is told the others would not know (E5)', (_what, store) => {
    const config = resolve(good({ backChannelLogout: true, session: { secrets: [secret], store } }))
    expect(() => tokenHandler(config)).toThrow(/backChannelLogout needs a coordinator that all processes share/)
  })
})

describe('header fields that a route sets for the browser', () => {
  it.each(['Set-Cookie', 'Clear-Site-Data', 'Access-Control-Allow-Origin', 'Strict-Transport-Security', 'Location'])(
    'are not %s: the start is refused',
    (name) => {
      const route = goodRoute({ headers: { response: { set: { [name]: 'x' } } } })
      expect(() => tokenHandler(resolve(good({ routes: [route] })))).toThrow(`sets ${name.toLowerCase()}`)
    },
  )
})
