/** What is only for the network inside has to have a place there. */
import { list } from './fields.ts'
import { type Issues, join, readObject } from './read-object.ts'
import type { ReadRoute } from './route.ts'
import { sessionSecret } from './secrets.ts'
import type { Config } from './types.ts'

const fields = { secrets: list(sessionSecret(), 'take what `coatcheck keygen` prints', 1) }

export function readSplitTokens(
  input: unknown,
  path: string,
  issues: Issues,
  routes: readonly ReadRoute[],
): Config['splitTokens'] {
  if (input !== undefined) return readObject(fields, input, path, issues).complete
  const route = routes.findIndex(({ partial }) => partial.auth === 'split')
  if (route >= 0) {
    issues.push({
      path,
      problem: `is not set, and ${join('routes', route)} takes tokens whose heads and payloads are delivered here`,
      cure: 'write { secrets: [what `coatcheck keygen` prints] }',
    })
  }
  return undefined
}

/** Without the internal listener nobody would ever reach it, and it would look as if it worked. */
export function requireInternal(
  hasInternal: boolean,
  routes: readonly ReadRoute[],
  hasSplitTokens: boolean,
  issues: Issues,
): void {
  if (hasInternal) return
  const inside = routes.flatMap(({ partial }, index) =>
    partial.listener === 'internal' ? [join('routes', index)] : [],
  )
  if (hasSplitTokens) inside.push('splitTokens')
  if (inside.length === 0) return
  issues.push({
    path: 'listeners.internal',
    problem: `is not set, and ${inside.join(', ')} ${inside.length > 1 ? 'are' : 'is'} reached there only`,
    cure: "write a port such as 3001, which is on this machine alone, or host:port such as '10.0.0.5:3001'",
  })
}
