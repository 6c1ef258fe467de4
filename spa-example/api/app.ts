/** The API as a Hono app: what holds for every request, and which routes there are. */
import { createHash } from 'node:crypto'
import { Hono } from 'hono'
import {
  type Access,
  allow,
  anyCaller,
  assertGuarded,
  type Guard,
  honoGuard,
  openToEveryone,
} from '../../src/resource-server/index.ts'
import type { BookStore } from './books.ts'
import { businessRoutes } from './business.ts'
import { currency, products } from './catalogue.ts'
import { errorRoutes } from './error-routes.ts'
import type { ApiEnv } from './exchange.ts'
import { fileRoutes } from './files.ts'
import { orderRoutes } from './orders.ts'
import type { ApiClaims } from './policies.ts'
import { ApiError, notFound, problemResponse } from './problem.ts'
import type { RequestLog } from './request-log.ts'
import type { ResourceMetadata } from './resource-metadata.ts'

export interface AppParts {
  readonly guard: Guard<ApiClaims>
  readonly metadata: ResourceMetadata
  readonly bookStore: BookStore
  readonly eventRoutes: Hono<ApiEnv>
  readonly log: RequestLog
  readonly fileLimitBytes: number
}

export const basePath = '/v1'

export function createApp(parts: AppParts): Hono<ApiEnv> {
  const app = new Hono<ApiEnv>()

  app.use(async (c, next) => {
    const entry = parts.log.begin(c)
    if (c.req.header('cookie') !== undefined) {
      throw new ApiError(400, 'cookie_received', 'A cookie was sent here: somebody in front has let it through')
    }
    c.set('logEntry', entry)
    c.set('bookStore', parts.bookStore)
    await next()
    // What these routes answer is one person's.
    if (!c.res.headers.has('cache-control')) c.header('Cache-Control', 'private, no-cache')
  })
  app.use(honoGuard(parts.guard))
  app.use(async (c, next) => {
    const access: Access | undefined = c.var.access
    if (access) c.var.logEntry.identify(access)
    await next()
  })

  app.route(`${basePath}/orders`, orderRoutes(parts.bookStore))
  app.route(basePath, businessRoutes(parts.bookStore))
  app.route(`${basePath}/files`, fileRoutes(parts.fileLimitBytes))
  app.route(`${basePath}/events`, parts.eventRoutes)
  app.route(`${basePath}/errors`, errorRoutes())
  app.get(`${basePath}/me`, allow(anyCaller()), (c) => {
    const { sub, clientId, scopes } = c.var.access
    return c.json({ sub, clientId, scope: [...scopes].join(' ') })
  })
  app.get(`${basePath}/public/prices`, allow(openToEveryone('the price list, no personal data')), (c) => {
    const headers = { 'Cache-Control': 'public, max-age=60', ETag: pricesEtag }
    return c.req.header('if-none-match') === pricesEtag
      ? c.body(null, 304, headers)
      : c.body(prices, 200, { ...headers, 'Content-Type': 'application/json' })
  })

  app.get(parts.metadata.path, allow(openToEveryone('where tokens come from')), (c) => c.json(parts.metadata.document))

  app.notFound(() => problemResponse(notFound('resource')))
  app.onError((error) => {
    if (error instanceof ApiError) return problemResponse(error)
    return problemResponse(new ApiError(500, 'internal', 'Something went wrong here'))
  })
  return assertGuarded(app)
}

const prices = JSON.stringify({
  currency,
  items: products.map(({ sku, name, grams, priceCents }) => ({ sku, name, grams, priceCents })),
})
const pricesEtag = `"${createHash('sha256').update(prices).digest('base64url').slice(0, 16)}"`
