/** What goes out with the guard's own answers in Hono, and what of others' does not. */
import { Hono } from 'hono'
import { compress } from 'hono/compress'
import { cors } from 'hono/cors'
import { describe, expect, it } from 'vitest'
import { allow, anyCaller, GuardError, honoGuard } from '../../src/resource-server/index.ts'
import { guardedApi } from './guarded-api.ts'
import { audience, requestWith } from './issuer.ts'

const { issuer, guard, guardedApp } = await guardedApi()

const origin = 'https://app.example.com'

function somebodyElses(): never {
  throw new GuardError('not_found', { reason: 'object_refused' })
}

describe('a refusal that a handler throws', () => {
  async function call(app: ReturnType<typeof guardedApp>) {
    app.get('/x', allow(anyCaller()), somebodyElses)
    const headers = { 'Accept-Encoding': 'gzip', Origin: origin }
    return app.fetch(requestWith(await issuer.sign(), { url: `${audience}/x`, headers }))
  }

  it('is plain where the answer in whose place it comes was compressed', async () => {
    const app = guardedApp()
    const encodings: unknown[] = []
    app.use(async (c, next) => {
      await next()
      encodings.push(c.res.headers.get('content-encoding'))
    })
    const response = await call(app.use(compress()))
    expect(encodings).toEqual(['gzip'])
    expect(response.headers.get('content-encoding')).toBe(null)
    expect(response.headers.get('vary')).toBe('Accept-Encoding')
    expect(await response.json()).toMatchObject({ status: 404, code: 'not_found' })
  })

  it('takes no field of that answer but those that say which origin may read it', async () => {
    const app = guardedApp()
    app.onError((_error, c) => c.text('', 401, { 'WWW-Authenticate': 'Basic realm="mine"', 'X-Owner': 'ada' }))
    app.use(cors({ origin }))
    app.use(async (c, next) => {
      await next()
      c.header('Cache-Control', 'public')
      c.header('Set-Cookie', 'seen=1')
    })
    const response = await call(app)
    expect([response.status, Object.fromEntries(response.headers)]).toEqual([
      404,
      {
        'access-control-allow-origin': origin,
        'cache-control': 'no-store',
        'content-type': 'application/problem+json',
        vary: 'Origin',
      },
    ])
  })

  it('ends the body of that answer, and waits for nobody who reads a clone of it', async () => {
    const app = guardedApp()
    const ended: string[] = []
    const bodyOf = (name: string) => new ReadableStream({ cancel: () => void ended.push(name) })
    app.onError((_error, c) => c.body(bodyOf('plain')))
    expect((await call(app)).status).toBe(404)
    expect(ended).toEqual(['plain'])

    const read = guardedApp().onError((_error, c) => c.body(bodyOf('cloned')))
    let clone: Response | undefined
    read.use(async (c, next) => {
      await next()
      clone = c.res.clone()
    })
    expect((await call(read)).status).toBe(404)
    await clone?.body?.cancel()
    expect(ended).toEqual(['plain', 'cloned'])
  })
})

it('an answer that is not replaced because onRefused throws lets no field out', async () => {
  const failing = guard({
    onRefused() {
      throw new Error('the log is full')
    },
  })
  const app = new Hono()
    .use(honoGuard(failing))
    .use((c, _next) => Promise.resolve(c.text('', 200, { 'X-Owner': 'ada' })))
  app.get('/x', allow(anyCaller()), (c) => c.text('x')).onError((_error, c) => c.text('', 500))
  const response = await app.fetch(requestWith(await issuer.sign(), { url: `${audience}/x` }))
  expect([response.status, response.headers.get('x-owner')]).toEqual([500, null])
})
