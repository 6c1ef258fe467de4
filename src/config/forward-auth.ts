/** Who may ask, at `/verify` of the internal listener, whether a request may pass. */
import { oneOf, optional } from './fields.ts'
import { type Issues, readObject } from './read-object.ts'
import { sessionSecret } from './secrets.ts'
import type { ForwardAuth } from './types.ts'

const fields = {
  proxy: oneOf(['nginx', 'traefik', 'envoy']),
  secret: optional(sessionSecret()),
}

export function readForwardAuth(input: unknown, path: string, issues: Issues): ForwardAuth | undefined {
  if (input === undefined) return undefined
  const { complete } = readObject(fields, input, path, issues)
  return complete && { proxy: complete.proxy, secret: complete.secret }
}
