/** What one would write in an afternoon: `hono/proxy`, and iron-session opening the cookie on every call. */
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { getCookie } from 'hono/cookie'
import { proxy } from 'hono/proxy'
import { unsealData } from 'iron-session'

export const obviousPassword = 'a password of the length that iron-session asks for'

export function startObvious(port: number, upstream: string): Promise<void> {
  const app = new Hono()
  app.get('/api/*', async (c) => {
    if (c.req.header('x-csrf') === undefined) return c.text('csrf', 403)
    const { accessToken } = await unsealData<{ accessToken?: string }>(getCookie(c, 'session') ?? '', {
      password: obviousPassword,
    })
    if (accessToken === undefined) return c.text('login_required', 401)
    const headers = { ...c.req.header(), authorization: `Bearer ${accessToken}`, cookie: undefined, host: undefined }
    return proxy(upstream + c.req.path.replace('/api/', '/v1/'), { headers })
  })
  return new Promise((resolve) => void serve({ fetch: app.fetch, port, hostname: '127.0.0.1' }, () => resolve()))
}
