/** Patterns of paths: plain segments, parameters (`:id`, any one segment), and `/*` at the end. */

/** Names of the parameters, in their order. */
export function parametersOf(pattern: string): string[] {
  return [...pattern.matchAll(/(?<=\/):([^/]+)/g)].map((match) => match[1] ?? '')
}

/** The same for patterns that take the same paths: what a parameter is called does not matter. */
export function withoutParameterNames(pattern: string): string {
  return pattern.replace(/(?<=\/):[^/]+/g, ':')
}

/** Whether there is a path that both take. A `/*` takes whatever is below it, but not its own path. */
export function overlap(one: string, other: string): boolean {
  const left = one.split('/')
  const right = other.split('/')
  return haveCommonPath(left, right, right.at(-1) === '*')
}

function haveCommonPath(left: readonly string[], right: readonly string[], hasRest: boolean): boolean {
  for (let at = 0; ; at++) {
    if (at === left.length - 1 && left[at] === '*') return right.length > at
    if (hasRest && at === right.length - 1) return left.length > at
    const [one, other] = [left[at], right[at]]
    if (one === undefined || other === undefined) return one === other
    const isSame = one === other || (isParameter(one) && other !== '') || (isParameter(other) && one !== '')
    if (!isSame) return false
  }
}

function isParameter(segment: string): boolean {
  return segment.startsWith(':')
}
