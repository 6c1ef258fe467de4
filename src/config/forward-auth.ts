/** Who may ask, at `/verify` of the internal listener, whether a request may pass. */
import * as v from 'valibot'
import { list, oneOf, optional, withDefault } from './fields.ts'
import { type Field, type Issues, mistake, readObject, wanted } from './read-object.ts'
import { sessionSecret } from './secrets.ts'
import type { ForwardAuth } from './types.ts'

const fields = {
  proxy: oneOf(['nginx', 'traefik', 'envoy']),
  secret: optional(sessionSecret()),
  hosts: withDefault(list(host(), 'write a list of hosts'), []),
}

export function readForwardAuth(input: unknown, path: string, issues: Issues): ForwardAuth | undefined {
  if (input === undefined) return undefined
  const { complete } = readObject(fields, input, path, issues)
  return complete && { proxy: complete.proxy, secret: complete.secret, hosts: new Set(complete.hosts) }
}

function host(): Field<string> {
  const cure = 'write the host by which the proxy asks, such as coatcheck.internal'
  return v.pipe(
    v.string(wanted('a string', cure)),
    v.toLowerCase(),
    v.regex(/^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::\d{1,5})?$/, mistake('is not a host', cure)),
  )
}
