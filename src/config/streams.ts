/** How many event streams and WebSockets may be open at a time. */
import * as v from 'valibot'
import { withDefault } from './fields.ts'
import { type Field, type Issues, mistake, readObject, wanted } from './read-object.ts'
import type { Config } from './types.ts'

const fields = {
  perSession: withDefault(count(), 100),
  total: withDefault(count(), 20_000),
}

export function readStreams(input: unknown, path: string, issues: Issues): Config['streams'] | undefined {
  return readObject(fields, input ?? {}, path, issues).complete
}

function count(): Field<number> {
  const cure = 'write a whole number from 1 to 1000000'
  return v.pipe(
    v.number(wanted('a number', cure)),
    v.check((value) => Number.isInteger(value) && value >= 1 && value <= 1_000_000, mistake('is out of bounds', cure)),
  )
}
