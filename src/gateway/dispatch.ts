/** From a checked target to the route that takes it, for whichever listener has these routes. */
import type { Context, Handler } from 'hono'
import { CoatcheckError, methodNotAllowed } from '../errors.ts'
import type { BffEnv, Services } from '../services.ts'
import { tellDropped } from './dropped-headers.ts'
import type { RouteTable } from './match.ts'
import { proxy } from './proxy.ts'
import type { Target } from './target.ts'

/**
 * @param targetOf gives the call's target, once it has passed what this listener asks of every call
 * @param otherwise what answers a path that no route has
 */
export function dispatch(
  services: Services,
  routes: RouteTable,
  targetOf: (c: Context<BffEnv>) => Target,
  otherwise: Handler<BffEnv>,
): Handler<BffEnv> {
  const tell = tellDropped(services.config, services.report)
  return (c, next) => {
    const { method } = c.req
    const target = targetOf(c)
    const match = routes.match(target.path, method)
    switch (match.kind) {
      case 'route':
        tell?.(match.route, services.runtime.requestHeaders(c))
        return proxy(services, c, match.route, match.rest, target)
      case 'method_not_allowed':
        // There is no CORS: a preflight gets no leave.
        if (match.isSessionPath && method === 'OPTIONS')
          throw new CoatcheckError('csrf', { members: { check: 'method' } })
        throw methodNotAllowed(match.allow)
      case 'none':
        return otherwise(c, next)
    }
  }
}
