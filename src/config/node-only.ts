/** Settings that only Node can honour, for every runtime that has `fetch` to reach upstreams with. */
import { ConfigError } from './config-error.ts'
import type { Config } from './types.ts'

/** @throws {ConfigError} that names them all: what is not honoured must not look as if it were */
export function refuseNodeOnly({ nodeOnly }: Config): void {
  if (nodeOnly.length === 0) return
  throw new ConfigError(
    nodeOnly.map((path) => ({
      path,
      problem: 'is for Node only',
      cure: 'leave it out, or run on Node with coatcheck/node',
    })),
  )
}
