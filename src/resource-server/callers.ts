/** Who made a request of Express or Fastify. Beside the request, so that nothing else can write it. */
import type { Access } from './claims.ts'

const callers = new WeakMap<object, Access>()

export function rememberCaller(request: object, access: Access): void {
  callers.set(request, access)
}

export function callerOf(request: object): Access | undefined {
  return callers.get(request)
}

/**
 * Who makes this request, in a handler of Express or Fastify behind the guard.
 *
 * @throws Error where no policy has let anybody in: that is a mistake in the program
 *
 * @example
 * ```ts
 * app.get('/orders', allow(requireScopes('orders:read')), (req, res) => res.json(ordersOf(accessOf(req).sub)))
 * ```
 */
export function accessOf<Claims extends object = object>(request: object): Access<Claims> {
  const access = callers.get(request)
  if (!access) throw new Error('Nobody was let in here: the route is open, or has no policy of the guard')
  return access as Access<Claims>
}
