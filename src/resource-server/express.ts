/** The guard in Express 5. */
import { insteadOf } from './bypass.ts'
import type { Call } from './call.ts'
import { callerOf, rememberCaller } from './callers.ts'
import type { Access } from './claims.ts'
import { openPolicyMark } from './express-open.ts'
import { missingGuard, passages } from './express-passage.ts'
import { guardMark, policyMark } from './express-routes.ts'
import type { Guard } from './guard.ts'
import { GuardError } from './guard-error.ts'
import { holdAnswer, type NodeResponse } from './held-answer.ts'
import { type NodeRequest, nodeCall } from './node-call.ts'
import { eachField, fieldsInFront, fieldsOf } from './node-fields.ts'
import { type OpenPolicy, type Policy, readPolicies } from './policy.ts'

/** What is used of Express's request. */
export interface ExpressRequest extends NodeRequest {
  readonly originalUrl: string
}

/** What is used of Express's response. */
export interface ExpressResponse extends NodeResponse {
  setHeader(name: string, value: number | string | readonly string[]): unknown
}

/** What is used of an Express app. */
export interface ExpressApp {
  use(handler: ExpressHandler): unknown
}

/**
 * What `expressGuard`'s function gives: the first handler of a route.
 *
 * @example
 * ```ts
 * const mayRead: ExpressHandler = allow(requireScopes('orders:read'))
 * ```
 */
export type ExpressHandler = (
  request: ExpressRequest,
  response: ExpressResponse,
  next: (error?: unknown) => void,
) => void

/**
 * What `expressErrors` gives.
 *
 * @example
 * ```ts
 * const refused: ExpressErrorHandler = expressErrors(guard)
 * ```
 */
export type ExpressErrorHandler = (
  error: unknown,
  request: ExpressRequest,
  response: ExpressResponse,
  next: (error?: unknown) => void,
) => void

/**
 * What `expressGuard` gives: the function that gives a route its policies, at least one.
 *
 * @example
 * ```ts
 * function orderRoutes(allow: ExpressAllow): express.Router {
 *   return express.Router().get('/orders', allow(requireScopes('orders:read')), (req, res) => {
 *     res.json(ordersOf(accessOf(req).sub))
 *   })
 * }
 * ```
 */
export interface ExpressAllow<Claims extends object = object> {
  (policy: OpenPolicy): ExpressHandler
  (...policies: [Policy<Claims>, ...Policy<Claims>[]]): ExpressHandler
}

/**
 * Puts an app behind the guard, and gives the function for its routes' policies: their first handler. Call it before
 * anything that answers: what no policy has let out is replaced from there on (a success by 403, an error by one of the
 * same status and no text), whoever wrote it. In a route, `accessOf(req)` is who calls.
 *
 * @example
 * ```ts
 * const app = express()
 * const allow = expressGuard(app, guard)
 * app.get('/orders', allow(requireScopes('orders:read')), (req, res) => res.json(ordersOf(accessOf(req).sub)))
 * app.use(expressErrors(guard))
 * assertExpressGuarded(app)
 * app.listen(3000)
 * ```
 */
export function expressGuard<Claims extends object = object>(
  app: ExpressApp,
  guard: Guard<Claims>,
): ExpressAllow<Claims> {
  const hold: ExpressHandler = (request, response, next) => {
    const outer = passages.get(request)
    // What was set between two guards is behind the outer one.
    const inFront = outer?.fieldsInFront ?? fieldsInFront(response.getHeaders())
    const held = holdAnswer(
      response,
      (answer) => insteadOf(answer, guard, callOf(request), callerOf(request) as Access<Claims> | undefined),
      inFront,
    )
    let isSettled = false
    passages.set(request, {
      fieldsInFront: inFront,
      release() {
        isSettled = true
        held.release()
        outer?.release()
      },
      letIn() {
        isSettled = true
        held.letIn()
        outer?.letIn()
      },
      open() {
        held.letIn()
        outer?.open()
      },
      close() {
        // The outer one's methods are called through these: what is kept back here does not come to it.
        if (!isSettled) held.hold()
      },
    })
    next()
  }
  guardMark.add(hold)
  app.use(hold)

  return (...policies: (Policy<Claims> | OpenPolicy)[]) => {
    const needed = readPolicies(policies)
    const handler: ExpressHandler = (request, response, next) => {
      const passage = passages.get(request)
      if (!passage) return next(missingGuard())
      if (needed === 'open') return next(unreadPolicy())
      admit(guard, needed, request).then(
        () => {
          passage.letIn()
          next()
        },
        (error) => {
          if (error instanceof GuardError) send(guard.respond(error), request, response, next)
          else next(error)
        },
      )
    }
    policyMark.add(handler)
    if (needed === 'open') openPolicyMark.add(handler)
    return handler
  }
}

function unreadPolicy(): Error {
  return new Error(
    "allow(openToEveryone('why')) opens nothing before assertExpressGuarded(app) has read what stands beside it: call that " +
      'when all routes are declared, in Routers that app.use(…) is given',
  )
}

async function admit<Claims extends object>(
  guard: Guard<Claims>,
  policies: readonly Policy<Claims>[],
  request: ExpressRequest,
): Promise<void> {
  const call = callOf(request)
  const access = await guard.authenticate(call)
  await guard.authorize(call, access, policies)
  rememberCaller(request, access)
}

/**
 * The last middleware: answers the GuardErrors that handlers throw (an object's rule), and passes everything else on. With
 * its answer go the fields that were set in front of the guard, and not what a handler had set before it threw.
 *
 * @example
 * ```ts
 * app.use(expressErrors(guard))
 * ```
 */
export function expressErrors<Claims extends object>(guard: Guard<Claims>): ExpressErrorHandler {
  return (error, request, response, next) => {
    if (!(error instanceof GuardError) || response.headersSent) return next(error)
    guard.report(error, callOf(request), callerOf(request) as Access<Claims> | undefined)
    send(guard.respond(error), request, response, next)
  }
}

function callOf(request: ExpressRequest): Call {
  return nodeCall(request, request.originalUrl, request)
}

function send(
  answer: Response,
  request: ExpressRequest,
  response: ExpressResponse,
  next: (error?: unknown) => void,
): void {
  // A time limit in front may have answered meanwhile.
  if (response.headersSent) return
  const passage = passages.get(request)
  passage?.release()
  const begun = response.getHeaders()
  // Without a guard in this app nothing tells what was set in front: only what is of another body goes.
  const inFront = passage?.fieldsInFront ?? fieldsInFront(begun)
  const fields = fieldsOf(answer, inFront, eachField(Object.entries(begun)))
  for (const name of Object.keys(begun)) response.removeHeader(name)
  for (const [name, value] of Object.entries(fields)) response.setHeader(name, value)
  response.statusCode = answer.status
  // Node then writes its own.
  response.statusMessage = ''
  answer.text().then((body) => response.end(body), next)
}
