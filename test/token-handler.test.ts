import { Hono } from 'hono'
import { describe, expect, it } from 'vitest'
import { cookieStore } from '../src/session/stores/cookie-store.ts'
import { tokenHandler } from '../src/token-handler.ts'
import { good, resolve, secret } from './config/good.ts'

describe('back-channel logout', () => {
  it.each([
    ['a store in memory', cookieStore()],
    ['no store named', undefined],
  ])('does not start with %s: what one process is told the others would not know (E5)', (_what, store) => {
    const start = () => tokenHandler(resolve(good({ backChannelLogout: true, session: { secrets: [secret], store } })))
    expect(start).toThrow(/backChannelLogout needs a coordinator that all processes share/)
  })
})

describe('mounted in an app of one’s own', () => {
  const { routes } = tokenHandler(resolve(good()))
  const { origin, host } = new URL(resolve(good()).origin)
  const status = async (app: Hono, path: string) =>
    (await app.request(origin + path, { headers: { host, 'x-csrf': '1' } })).status

  it('at the root, it answers', async () => {
    expect(await status(new Hono().route('/', routes), '/bff/session')).toBe(200)
  })

  it('below a prefix, where its redirects and cookies would not lead, nothing is there', async () => {
    for (const app of [new Hono().route('/x', routes), new Hono().basePath('/x').route('/', routes)]) {
      for (const path of ['/x/bff/session', '/x/bff/login', '/x/bff/callback?code=a&state=b', '/x/api/orders/1']) {
        expect(await status(app, path)).toBe(404)
      }
    }
  })

  it('behind a getPath of the app, paths are still what the browser sent', async () => {
    const app = new Hono({ getPath: (request) => `/inside${new URL(request.url).pathname}` }).route('/inside', routes)
    expect(await status(app, '/bff/session')).toBe(200)
    expect(await status(app, '/inside/bff/session')).toBe(404)
  })
})
