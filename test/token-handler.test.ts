import { describe, expect, it } from 'vitest'
import { cookieStore } from '../src/session/stores/cookie-store.ts'
import { tokenHandler } from '../src/token-handler.ts'
import { good, resolve, secret } from './config/good.ts'

describe('back-channel logout', () => {
  it.each([
    ['a store in memory', cookieStore()],
    ['no store named', undefined],
  ])('does not start with %s: what one process is told the others would not know (E5)', (_what, store) => {
    const config = resolve(good({ backChannelLogout: true, session: { secrets: [secret], store } }))
    expect(() => tokenHandler(config)).toThrow(/backChannelLogout needs a coordinator that all processes share/)
  })
})
