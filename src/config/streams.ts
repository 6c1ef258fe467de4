/** How many event streams and WebSockets may be open at a time. */
import { wholeNumber, withDefault } from './fields.ts'
import { type Issues, readObject } from './read-object.ts'
import type { Config } from './types.ts'

const fields = {
  perSession: withDefault(wholeNumber(1, 1_000_000), 100),
  perAddress: withDefault(wholeNumber(1, 1_000_000), 100),
  total: withDefault(wholeNumber(1, 1_000_000), 20_000),
}

export function readStreams(input: unknown, path: string, issues: Issues): Config['streams'] | undefined {
  return readObject(fields, input ?? {}, path, issues).complete
}
