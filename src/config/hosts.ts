/** Names by which the internal listener is called. */
import * as v from 'valibot'
import { list, withDefault } from './fields.ts'
import { type Field, mistake, wanted } from './read-object.ts'

export function internalHosts(): Field<readonly string[]> {
  const cure = 'write a host by which those inside call, such as coatcheck.internal'
  const host = v.pipe(
    v.string(wanted('a string', cure)),
    v.toLowerCase(),
    v.regex(/^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::\d{1,5})?$/, mistake('is not a host', cure)),
  )
  return withDefault(list(host, 'write a list of hosts'), [])
}
