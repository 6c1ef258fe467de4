/** How many calls a caller may make. */
import { duration, oneOf, wholeNumber } from './fields.ts'
import { type Issues, join, readObject } from './read-object.ts'
import type { RateLimit, Route } from './types.ts'

const callers = ['session', 'subject', 'address', 'route'] as const
const day = 86_400

const fields = {
  per: oneOf(callers),
  requests: wholeNumber(1, 1_000_000_000),
  window: duration(1, day),
}

/**
 * @param scope what the limits are of: a route's path, or all routes
 * @param known whose calls can be told apart there
 */
export function readRateLimits(
  input: unknown,
  path: string,
  issues: Issues,
  scope: string,
  known: readonly RateLimit['per'][],
): readonly RateLimit[] {
  if (input === undefined) return []
  if (!Array.isArray(input)) {
    issues.push({ path, problem: 'has to be a list', cure: "write [{ per: 'session', requests: 600, window: '1m' }]" })
    return []
  }
  const limits: RateLimit[] = []
  for (const [index, item] of input.entries()) {
    const at = join(path, index)
    const { complete } = readObject(fields, item, at, issues)
    if (!complete) continue
    const { per, requests, window } = complete
    if (!known.includes(per)) {
      issues.push({
        path: join(at, 'per'),
        problem: `is '${per}', and nobody is known by that here`,
        cure: `write one of ${known.map((one) => `'${one}'`).join(', ')}`,
      })
    } else if (limits.some((limit) => limit.per === per && limit.windowSeconds === window)) {
      issues.push({ path: at, problem: 'has the same per and window as another', cure: 'keep the lower of the two' })
    } else {
      limits.push({ name: `${scope} ${per} ${window}`, per, requests, windowSeconds: window })
    }
  }
  return limits
}

/** By when they are counted: an address is known before who calls is. */
export function byStage(limits: readonly RateLimit[]): Route['rateLimits'] {
  return {
    byAddress: limits.filter(({ per }) => per === 'address'),
    byCaller: limits.filter(({ per }) => per !== 'address'),
  }
}
