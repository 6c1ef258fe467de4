/** The internal listener: what is for the network inside, and never for a browser (design.md, "Listeners"). */
import { type ErrorHandler, Hono } from 'hono'
import { CoatcheckError } from './errors.ts'
import { dispatch } from './gateway/dispatch.ts'
import { checkTarget } from './gateway/target.ts'
import type { IncomingHeaders } from './runtime.ts'
import type { BffEnv, Services } from './services.ts'

export function internalApp(services: Services, onError: ErrorHandler<BffEnv>): Hono<BffEnv> {
  const { runtime } = services
  const app = new Hono<BffEnv>()
  app.onError(onError)
  app.use(async (c, next) => {
    refuseBrowsers(runtime.requestHeaders(c))
    c.set('target', checkTarget(runtime.requestTarget(c)))
    await next()
  })
  app.all(
    '*',
    dispatch(services, services.internalRoutes, () => {
      throw new CoatcheckError('no_route')
    }),
  )
  return app
}

/**
 * A page in a browser that runs inside the network, or on this machine, can send requests here too, and by a name that it
 * rebinds read the answers. Browsers say of a page's request where it is from; who is inside has no reason to.
 *
 * @throws CoatcheckError `browser_refused`
 */
function refuseBrowsers(headers: IncomingHeaders): void {
  const isFromPage = headers.origin !== undefined || headers['sec-fetch-site'] !== undefined
  if (isFromPage || headers['sec-fetch-mode'] !== undefined) throw new CoatcheckError('browser_refused')
}
