/** The guard in Express 5. */
import { insteadOf } from './bypass.ts'
import type { Call } from './call.ts'
import { callerOf, rememberCaller } from './callers.ts'
import type { Access } from './claims.ts'
import { guardMark, openPolicyMark, policyMark } from './express-routes.ts'
import type { Guard } from './guard.ts'
import { GuardError } from './guard-error.ts'
import { type HeldAnswer, holdAnswer, type NodeResponse } from './held-answer.ts'
import { type NodeRequest, nodeCall } from './node-call.ts'
import { type OpenPolicy, type Policy, readPolicies } from './policy.ts'

/** What is used of Express's request. */
export interface ExpressRequest extends NodeRequest {
  readonly originalUrl: string
}

/** What is used of Express's response. */
export interface ExpressResponse extends NodeResponse {
  readonly headersSent: boolean
  setHeader(name: string, value: string): unknown
}

/** What is used of an Express app. */
export interface ExpressApp {
  use(handler: ExpressHandler): unknown
}

export type ExpressHandler = (
  request: ExpressRequest,
  response: ExpressResponse,
  next: (error?: unknown) => void,
) => void

export type ExpressErrorHandler = (
  error: unknown,
  request: ExpressRequest,
  response: ExpressResponse,
  next: (error?: unknown) => void,
) => void

/** The function that gives a route its policies: at least one. */
export interface ExpressAllow<Claims extends object> {
  (policy: OpenPolicy): ExpressHandler
  (...policies: [Policy<Claims>, ...Policy<Claims>[]]): ExpressHandler
}

/** The answers of requests that no policy has let in yet. */
const heldAnswers = new WeakMap<object, HeldAnswer>()

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
    const outer = heldAnswers.get(request)
    const held = holdAnswer(response, (answer) =>
      insteadOf(answer, guard, callOf(request), callerOf(request) as Access<Claims> | undefined),
    )
    heldAnswers.set(request, {
      release() {
        held.release()
        outer?.release()
      },
      letIn() {
        held.letIn()
        outer?.letIn()
      },
    })
    next()
  }
  guardMark.add(hold)
  app.use(hold)

  return (...policies: (Policy<Claims> | OpenPolicy)[]) => {
    const needed = readPolicies(policies)
    const handler: ExpressHandler = (request, response, next) => {
      const held = heldAnswers.get(request)
      if (!held)
        return next(new Error('allow(…) stands behind expressGuard(app, guard): call that first, with this app'))
      const goOn = () => {
        held.letIn()
        next()
      }
      if (needed === 'open') return goOn()
      admit(guard, needed, request).then(goOn, (error) => {
        if (error instanceof GuardError) send(guard.respond(error), request, response, next)
        else next(error)
      })
    }
    policyMark.add(handler)
    if (needed === 'open') openPolicyMark.add(handler)
    return handler
  }
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
 * The last middleware: answers the GuardErrors that handlers throw (an object's rule), and passes everything else on.
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
  heldAnswers.get(request)?.release()
  response.statusCode = answer.status
  for (const [name, value] of answer.headers) response.setHeader(name, value)
  answer.text().then((body) => response.end(body), next)
}
