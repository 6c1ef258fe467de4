/** The guard's answers in Hono: each in the place of whatever was begun there, and with which fields of others'. */
import type { Context } from 'hono'
import { fieldsOfBody, keptFields } from './answer-fields.ts'

/**
 * What middleware in front of the guard has set, where nothing is known yet of what is asked for.
 *
 * @returns undefined if none is in front
 */
export function fieldsInFront(c: Context): Headers | undefined {
  if (c.req.routeIndex === 0) return undefined
  // A copy: on Node's server this answer has the very fields that are set later.
  const fields = new Headers(c.newResponse(null, 200).headers)
  for (const name of [...fields.keys()]) if (fieldsOfBody.test(name)) fields.delete(name)
  return fields
}

/**
 * Answers with what `instead` gives, even where middleware has an answer ready. Hono by itself would lay the fields of that over
 * those of the new one, as its `Content-Encoding` and its `Cache-Control`, or let it stand.
 *
 * @param inFront fields that go with it, but for those that it has itself
 * @param instead makes a fresh answer, so that its fields can be set, of the one that was begun; its body is not to be read
 */
export function answerInstead(
  c: Context,
  inFront: Headers | undefined,
  instead: (begun: Response) => Response,
): Response {
  const begun = c.res
  // If somebody has a clone, this ends when that does: nobody waits for it. A body that another reads cannot be ended.
  begun.body?.cancel().catch(() => undefined)
  // First of all: a hook of the operator's that fails lets nothing out.
  c.res = undefined
  const response = instead(begun)
  const { headers } = response
  const own = new Set(headers.keys())
  for (const [name, value] of inFront ?? []) if (!own.has(name)) headers.append(name, value)
  for (const [name, value] of begun.headers) if (keptFields.test(name) && !own.has(name)) headers.set(name, value)
  c.res = response
  return response
}
