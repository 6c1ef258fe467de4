/** The plain form: a function over a web `Request`, for Workers, Deno, Bun and whoever routes by themselves. */
import type { Call } from './call.ts'
import type { Access } from './claims.ts'
import type { Guard } from './guard.ts'
import { GuardError } from './guard-error.ts'
import { type AnyPolicy, type OpenPolicy, readPolicies } from './policy.ts'

/**
 * A handler behind the guard. The policies come first and cannot be left out; the handler runs once they hold, and what
 * it throws as a GuardError (an object's rule) is answered, too.
 *
 * @throws TypeError if no policy is named
 *
 * @example
 * ```ts
 * const listOrders = guarded(guard, [requireScopes('orders:read')], (request, access) =>
 *   Response.json(ordersOf(access.sub)),
 * )
 * export default { fetch: listOrders }
 * ```
 */
export function guarded<Claims extends object, Rest extends unknown[] = []>(
  guard: Guard<Claims>,
  policies: readonly [OpenPolicy],
  handler: (request: Request, access: undefined, ...rest: Rest) => Response | Promise<Response>,
): (request: Request, ...rest: Rest) => Promise<Response>
export function guarded<Claims extends object, Rest extends unknown[] = []>(
  guard: Guard<Claims>,
  policies: readonly [Exclude<AnyPolicy<Claims>, OpenPolicy>, ...Exclude<AnyPolicy<Claims>, OpenPolicy>[]],
  handler: (request: Request, access: Access<Claims>, ...rest: Rest) => Response | Promise<Response>,
): (request: Request, ...rest: Rest) => Promise<Response>
export function guarded<Claims extends object, Rest extends unknown[]>(
  guard: Guard<Claims>,
  policies: readonly AnyPolicy<Claims>[],
  handler: (request: Request, access: never, ...rest: Rest) => Response | Promise<Response>,
): (request: Request, ...rest: Rest) => Promise<Response> {
  const needed = readPolicies(policies)
  return async (request, ...rest) => {
    let access: Access<Claims> | undefined
    try {
      if (needed !== 'open') {
        const call = callOf(request, rest)
        access = await guard.authenticate(call)
        await guard.authorize(call, access, needed)
      }
    } catch (error) {
      if (error instanceof GuardError) return guard.respond(error)
      throw error
    }
    try {
      return await handler(request, access as never, ...rest)
    } catch (error) {
      if (!(error instanceof GuardError)) throw error
      guard.report(error, request, access)
      return guard.respond(error)
    }
  }
}

/** On Workers a handler gets `(request, env, context)`. */
function callOf(request: Request, rest: readonly unknown[]): Call {
  const { method, url, headers } = request
  const context = rest.find(hasWaitUntil)
  return {
    method,
    url,
    headers,
    native: request,
    ...(context && { waitUntil: (promise: Promise<unknown>) => context.waitUntil(promise) }),
  }
}

function hasWaitUntil(value: unknown): value is { waitUntil(promise: Promise<unknown>): void } {
  return typeof value === 'object' && value !== null && 'waitUntil' in value && typeof value.waitUntil === 'function'
}
