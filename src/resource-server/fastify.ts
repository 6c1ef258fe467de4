/** The guard in Fastify 5. */
import { insteadOf } from './bypass.ts'
import { callerOf, rememberCaller } from './callers.ts'
import type { Guard } from './guard.ts'
import { GuardError } from './guard-error.ts'
import { holdAnswer, type NodeResponse } from './held-answer.ts'
import { type NodeRequest, nodeCall } from './node-call.ts'
import { eachField, fieldsInFront, fieldsOf, type NodeFields } from './node-fields.ts'
import { type OpenPolicy, type Policy, readPolicies } from './policy.ts'

/** What is used of Fastify's request. */
export interface FastifyRequest {
  readonly raw: NodeRequest
  readonly originalUrl: string
  readonly is404: boolean
  readonly routeOptions: { readonly config?: unknown }
}

/** What is used of Fastify's reply. */
export interface FastifyReply {
  readonly raw: NodeResponse
  code(status: number): FastifyReply
  header(name: string, value: number | string | readonly string[]): FastifyReply
  getHeaders(): NodeFields
  removeHeader(name: string): FastifyReply
  send(body: string): FastifyReply
}

/** What is used of a Fastify instance. */
export interface FastifyApp {
  addHook(name: 'onRoute', hook: (route: { method: string | string[]; url: string; config?: unknown }) => void): unknown
  addHook(name: 'onRequest', hook: (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>): unknown
}

/**
 * What `fastifyGuard`'s function gives: options of a route. Spread them among others, or give them as they are.
 *
 * @example
 * ```ts
 * const mayRead: GuardedRouteOptions = allow(requireScopes('orders:read'))
 * app.get('/orders', { ...mayRead, bodyLimit: 1024 }, async (request) => ordersOf(accessOf(request).sub))
 * ```
 */
export interface GuardedRouteOptions {
  // biome-ignore lint/suspicious/noExplicitAny: Fastify types a route's configuration itself
  readonly config: any
}

/**
 * What `fastifyGuard` gives: the function that gives a route its policies, at least one.
 *
 * @example
 * ```ts
 * async function orderRoutes(app: FastifyInstance, { allow }: { allow: FastifyAllow }): Promise<void> {
 *   app.get('/orders', allow(requireScopes('orders:read')), async (request) => ordersOf(accessOf(request).sub))
 * }
 * ```
 */
export interface FastifyAllow<Claims extends object = object> {
  (policy: OpenPolicy): GuardedRouteOptions
  (...policies: [Policy<Claims>, ...Policy<Claims>[]]): GuardedRouteOptions
}

/**
 * What `fastifyErrors` gives.
 *
 * @example
 * ```ts
 * const refused: FastifyErrorHandler = fastifyErrors(guard)
 * ```
 */
export type FastifyErrorHandler = (error: unknown, request: FastifyRequest, reply: FastifyReply) => Promise<unknown>

const policyKey = Symbol('coatcheck.policies')

/** What hooks in front of the guard have set, by request. */
const inFront = new WeakMap<FastifyRequest, NodeFields>()

/**
 * Puts an instance behind the guard, and gives the function for its routes' policies. Every route that is declared after
 * it without one stops the start; one that was declared before does not answer. Where no route is, a caller with a valid
 * token gets 404, and nothing else that a handler for that sends. In a route, `accessOf(request)` is who
 * calls.
 *
 * @example
 * ```ts
 * const app = Fastify()
 * const allow = fastifyGuard(app, guard)
 * app.setErrorHandler(fastifyErrors(guard))
 * app.get('/orders', allow(requireScopes('orders:read')), async (request) => ordersOf(accessOf(request).sub))
 * await app.listen({ port: 3000 })
 * ```
 */
export function fastifyGuard<Claims extends object = object>(
  app: FastifyApp,
  guard: Guard<Claims>,
): FastifyAllow<Claims> {
  app.addHook('onRoute', ({ method, url, config }) => {
    if (policiesOf<Claims>(config)) return
    const route = `${[method].flat().join(',')} ${url}`
    throw new Error(
      `The route ${route} has no policy: give it allow(…), allow(anyCaller()) if any valid token will do, or ` +
        "allow(openToEveryone('why')) if none is needed",
    )
  })
  app.addHook('onRequest', async (request, reply) => {
    // What was set between two guards is behind the outer one.
    const fields = inFront.get(request) ?? fieldsInFront(reply.getHeaders())
    inFront.set(request, fields)
    const needed = policiesOf<Claims>(request.routeOptions.config)
    if (needed === 'open') return undefined
    try {
      const call = nodeCall(request.raw, request.originalUrl, request)
      const access = await guard.authenticate(call)
      // What is not there is 404, once it is known who asks.
      if (needed || !request.is404) await guard.authorize(call, access, needed ?? [])
      else holdAnswer(reply.raw, (answer) => insteadOf(answer, guard, call, access), fields)
      rememberCaller(request, access)
      return undefined
    } catch (error) {
      if (!(error instanceof GuardError)) throw error
      return send(guard.respond(error), request, reply)
    }
  })
  return (...policies: (Policy<Claims> | OpenPolicy)[]) => ({ config: { [policyKey]: readPolicies(policies) } })
}

/**
 * An error handler that answers the GuardErrors that handlers throw (an object's rule), and leaves the rest to Fastify. With
 * its answer go the header fields that were set in front of the guard, and not those that a handler had set before it threw. What is
 * not among Fastify's fields then stays the handler's: a reason phrase on `reply.raw`, a trailer, what a plugin adds in `onSend`.
 *
 * @example
 * ```ts
 * app.setErrorHandler(fastifyErrors(guard))
 * ```
 */
export function fastifyErrors<Claims extends object>(guard: Guard<Claims>): FastifyErrorHandler {
  return async (error, request, reply) => {
    if (!(error instanceof GuardError)) throw error
    const call = nodeCall(request.raw, request.originalUrl, request)
    guard.report(error, call, callerOf(request) as Parameters<typeof guard.report>[2])
    return send(guard.respond(error), request, reply)
  }
}

function policiesOf<Claims extends object>(config: unknown): readonly Policy<Claims>[] | 'open' | undefined {
  return (Object(config) as { [policyKey]?: readonly Policy<Claims>[] | 'open' })[policyKey]
}

async function send(answer: Response, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const begun = reply.getHeaders()
  // Without a guard in this instance nothing tells what was set in front: only what is of another body goes.
  const fields = fieldsOf(answer, inFront.get(request) ?? fieldsInFront(begun), eachField(Object.entries(begun)))
  for (const name of Object.keys(begun)) reply.removeHeader(name)
  for (const [name, value] of Object.entries(fields)) reply.header(name, value)
  reply.code(answer.status)
  return reply.send(await answer.text())
}
