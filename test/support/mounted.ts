/** Coatcheck inside somebody else's Hono app, with middleware and routes of its own. */
import { Hono } from 'hono'
import { cors } from 'hono/cors'
import { etag } from 'hono/etag'
import { secureHeaders } from 'hono/secure-headers'
import { timing } from 'hono/timing'
import type { TokenHandler } from '../../src/token-handler.ts'

export function mounted(handler: TokenHandler): Hono {
  const app = new Hono()
  app.use(timing())
  app.use(async (c, next) => {
    await next()
    c.header('x-host-app', 'was here')
  })
  app.use('/somewhere-else/*', cors(), etag(), secureHeaders())
  app.get('/somewhere-else', (c) => c.text('the host app'))
  app.get('/me', handler.session<{ sub: string }>(), (c) => c.json({ sub: c.var.session.claims.sub }))
  app.route('/', handler.routes)
  return app
}
