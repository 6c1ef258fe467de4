/** The guard's answer in Hono, in the place of what was begun there. */
import type { Context } from 'hono'

/** Fields of that which stay: they say who may read the answer, and nothing of what is behind. */
const keptFields = /^(?:vary|access-control-.*)$/

/**
 * Answers with what `instead` gives, whatever the context holds already. Hono by itself would lay the fields of the earlier
 * answer over those of the new one, as its `Content-Encoding` and its `Cache-Control`.
 *
 * @param instead makes a fresh answer, so that its fields can be set, of the one that was begun; its body is not to be read
 */
export function answerInstead(c: Context, instead: (begun: Response) => Response): void {
  const begun = c.res
  // If somebody has a clone, this ends when that does: nobody waits for it. A body that another reads cannot be ended.
  begun.body?.cancel().catch(() => undefined)
  // First of all: a hook of the operator's that fails lets nothing out.
  c.res = undefined
  const response = instead(begun)
  const own = new Set(response.headers.keys())
  for (const [name, value] of begun.headers) {
    if (keptFields.test(name) && !own.has(name)) response.headers.set(name, value)
  }
  c.res = response
}
