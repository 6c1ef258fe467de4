/** What takes the place of an answer that was begun before the route's policy had let anybody in. */
import type { Call } from './call.ts'
import type { Access } from './claims.ts'
import type { Guard } from './guard.ts'
import { GuardError } from './guard-error.ts'

/** Fields of it that stay: they say when to come back, how, and to which origin, and nothing of what is behind. */
const passingFields = /^(?:retry-after|allow|www-authenticate|vary|access-control-.*)$/i

/**
 * A success becomes 403 `policy_bypassed`, and is reported. An error keeps its status, so that a limit is still 429 and a
 * malformed body 400; whoever wrote its text did not know who reads it.
 *
 * @param answer what some handler wanted to send
 */
export function insteadOf<Claims extends object>(
  answer: { readonly status: number; readonly headers: Iterable<readonly [string, string]> },
  guard: Guard<Claims>,
  call: Call,
  access: Access<Claims> | undefined,
): Response {
  // Node sends what no Response can have.
  const status = answer.status > 599 ? 500 : answer.status
  if (status < 400) {
    const error = new GuardError('forbidden', { reason: 'policy_bypassed' })
    guard.report(error, call, access)
    return guard.respond(error)
  }
  const response =
    status === 404 ? guard.respond(new GuardError('not_found', { reason: 'no_route' })) : plainProblem(status)
  for (const [name, value] of answer.headers) if (passingFields.test(name)) response.headers.append(name, value)
  return response
}

/** RFC 9457 §4.2.1: no more than the status says. */
function plainProblem(status: number): Response {
  const headers = { 'Content-Type': 'application/problem+json', 'Cache-Control': 'no-store' }
  return new Response(JSON.stringify({ type: 'about:blank', status }), { status, headers })
}
