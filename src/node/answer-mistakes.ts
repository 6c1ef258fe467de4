/** What an app of somebody's own can do to an API's answer that leaves nothing to send. */

/** Who wants a body second. */
export function bodyUsed(): Error {
  return mistake('ANSWER_BODY_USED', 'the body of this answer was read, sent or let go already')
}

/** Kept by a middleware from another call, whose body went to its own client. */
export function ofAnotherCall(): Error {
  return mistake('ANSWER_OF_ANOTHER_CALL', 'what a middleware kept of a proxied answer has no body')
}

/** Of what is no error of ours the log has the code alone. */
function mistake(code: string, message: string): Error {
  return Object.assign(new Error(message), { code })
}
