/** What others offer for the same: packages of npm, put together as their own documents do. */
import { Agent } from 'node:http'
import { serve } from '@hono/node-server'
import { initOidcAuthMiddleware, oidcAuthMiddleware } from '@hono/oidc-auth'
import express from 'express'
import expressOpenidConnect from 'express-openid-connect'
import { Hono } from 'hono'
import { getCookie } from 'hono/cookie'
import { proxy } from 'hono/proxy'
import { createProxyMiddleware } from 'http-proxy-middleware'
import { unsealData } from 'iron-session'
import type { SubjectOptions } from './subject.ts'

const keepAliveTimeoutMs = 60_000

/** What one would write in an afternoon: `hono/proxy`, and iron-session opening the cookie on every call. */
export function startHonoProxyIronSession({ port, upstream, secret }: SubjectOptions): Promise<void> {
  const app = new Hono()
  app.get('/api/*', async (c) => {
    if (c.req.header('x-csrf') === undefined) return c.text('csrf', 403)
    const { accessToken } = await unsealData<{ accessToken?: string }>(getCookie(c, 'session') ?? '', {
      password: secret,
    })
    if (accessToken === undefined) return c.text('login_required', 401)
    return forward(c.req.header(), c.req.path, upstream, accessToken)
  })
  return listen(app, port)
}

/** The package keeps no access token, so one is made up. Its session is a signed JWT that is verified on every call. */
export function startHonoOidcAuth({ port, upstream, ...options }: SubjectOptions): Promise<void> {
  const app = new Hono()
  app.use(
    initOidcAuthMiddleware({
      OIDC_AUTH_SECRET: options.secret,
      OIDC_ISSUER: options.issuer,
      OIDC_CLIENT_ID: options.clientId,
      OIDC_CLIENT_SECRET: options.clientSecret,
      OIDC_REDIRECT_URI: '/bff/callback',
    }),
  )
  app.use(oidcAuthMiddleware())
  app.get('/api/*', (c) => forward(c.req.header(), c.req.path, upstream, 't'.repeat(700)))
  return listen(app, port)
}

export function startExpressOpenidConnect(options: SubjectOptions): Promise<void> {
  const app = express()
  app.use(
    expressOpenidConnect.auth({
      issuerBaseURL: options.issuer,
      baseURL: options.baseUrl,
      clientID: options.clientId,
      clientSecret: options.clientSecret,
      secret: options.secret,
      idTokenSigningAlg: 'ES256',
      authorizationParams: { response_type: 'code', scope: 'openid offline_access' },
      routes: { callback: '/bff/callback' },
    }),
  )
  app.use(
    '/api',
    createProxyMiddleware<express.Request>({
      target: `${options.upstream}/v1`,
      agent: new Agent({ keepAlive: true }),
      on: {
        proxyReq(proxied, request) {
          proxied.removeHeader('cookie')
          proxied.setHeader('authorization', `Bearer ${request.oidc.accessToken?.access_token}`)
        },
      },
    }),
  )
  return new Promise((resolve) => {
    const server = app.listen(options.port, '127.0.0.1', () => resolve())
    server.keepAliveTimeout = keepAliveTimeoutMs
  })
}

function forward(fields: Record<string, string>, path: string, upstream: string, token: string): Promise<Response> {
  const headers = { ...fields, authorization: `Bearer ${token}`, cookie: undefined, host: undefined }
  return proxy(upstream + path.replace('/api/', '/v1/'), { headers })
}

function listen(app: Hono, port: number): Promise<void> {
  return new Promise((resolve) => {
    const serverOptions = { keepAliveTimeout: keepAliveTimeoutMs }
    serve({ fetch: app.fetch, port, hostname: '127.0.0.1', serverOptions }, () => resolve())
  })
}
