/** Where an upstream's access token comes from: the caller, or the authorization server by one of its ways. */
import { type Issues, join, readObject } from './read-object.ts'
import { misplacedInUpstreamToken, upstreamTokenFields } from './route-auth.ts'
import type { RouteAuth, UpstreamToken } from './types.ts'

type From = keyof typeof upstreamTokenFields

const choices: Partial<Record<RouteAuth, readonly From[]>> = {
  session: ['session', 'introspection', 'exchange', 'refresh'],
  phantom: ['introspection', 'exchange', 'none'],
}

/** Undefined, and a mistake, for what this kind of route does not have. */
export function readUpstreamToken(
  input: unknown,
  auth: RouteAuth,
  path: string,
  issues: Issues,
): UpstreamToken | undefined {
  const offered = choices[auth]
  if (!offered) return { from: auth === 'none' ? 'none' : 'caller' }
  if (input === undefined) return { from: auth === 'phantom' ? 'introspection' : 'caller' }
  const from = (input as { from?: unknown } | null)?.from
  const kind = offered.find((one) => one === from)
  if (kind === undefined) {
    const all = offered.map((one) => `'${one}'`).join(', ')
    issues.push({
      path: join(path, 'from'),
      problem: from === undefined ? 'is not set' : `is none of ${all}`,
      cure: `write { from: … } with one of ${all}`,
    })
    return undefined
  }
  const before = issues.length
  const fields: Partial<Record<string, unknown>> = readObject(
    upstreamTokenFields[kind],
    input,
    path,
    issues,
    misplacedInUpstreamToken[kind],
  ).partial
  if (issues.length > before) return undefined
  if (kind === 'exchange' && fields.resource === undefined && fields.audience === undefined) {
    issues.push({
      path,
      problem: 'does not say for which API the token is',
      cure: 'set resource (RFC 8707), or audience where the server knows the API by a name of its own',
    })
    return undefined
  }
  if (kind === 'exchange' || kind === 'refresh') {
    const { resource, audience, scopes } = fields as { resource?: string; audience?: string; scopes: readonly string[] }
    return { from: kind, resource, audience, scopes }
  }
  return { from: kind === 'session' ? 'caller' : kind }
}
