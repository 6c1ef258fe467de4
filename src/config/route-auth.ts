/** What a route may say, by its `auth`: the fields of every route, and those of one kind only. */
import * as v from 'valibot'
import { anything, duration, flag, list, oneOf, optional, resourceIndicator, text, withDefault } from './fields.ts'
import { requestHeaderName } from './header-names.ts'
import { routePath } from './paths.ts'
import { type Field, type Misplaced, mistake, wanted } from './read-object.ts'
import { trailerName } from './trailer-names.ts'

export const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const
const kinds = ['fetch', 'eventsource', 'download', 'media', 'websocket'] as const
const gibibyte = 2 ** 30

const everyRoute = {
  path: routePath(),
  upstream: anything(),
  upstreamPath: optional(text('write a path such as /v1')),
  methods: optional(list(oneOf(methods), "write ['GET', 'HEAD', 'POST'] or the like", 1)),
  requestHeaders: withDefault(list(requestHeaderName(), 'write a list of header fields'), []),
  redirectHosts: withDefault(list(redirectHost(), 'write a list of hosts'), []),
  allow: withDefault(list(oneOf(['encoded-slash', 'semicolon']), 'write a list'), []),
  content: withDefault(oneOf(['data', 'page']), 'data'),
  bodyLimitBytes: withDefault(bodyLimit(), 10 * 2 ** 20),
  headers: anything(),
  query: anything(),
  contentTypes: optional(list(mediaType(), "write ['application/json'] or the like", 1)),
  addresses: anything(),
  rateLimits: anything(),
  earlyHints: withDefault(flag(), false),
  trailers: withDefault(list(trailerName(), 'write a list of trailer fields'), []),
  timeout: optional(duration(1, 3600)),
  shared: optional(text('say why two routes with different auth reach the same resource')),
  allowInsecureUpstream: withDefault(flag(), false),
}

const scopeList = list(scope(), 'write a list of scopes')
const scopes = withDefault(scopeList, [])
const cache = withDefault(oneOf(['no-store', 'private']), 'no-store')
const audience = optional(text('write the API as its tokens name it in aud, such as https://orders.example.com'))

export const routeFields = {
  session: {
    ...everyRoute,
    auth: oneOf(['session']),
    kinds: withDefault(list(oneOf(kinds), "write ['fetch'] or the like", 1), ['fetch']),
    scopes,
    cache,
    forwardAuth: optional(flag()),
    audience,
    upstreamToken: anything(),
  },
  phantom: { ...everyRoute, auth: oneOf(['phantom']), scopes, cache, audience, upstreamToken: anything() },
  split: { ...everyRoute, auth: oneOf(['split']), scopes, cache, audience },
  jwt: { ...everyRoute, auth: oneOf(['jwt']), scopes, cache, audience },
  client: {
    ...everyRoute,
    auth: oneOf(['client']),
    scopes,
    cache,
    resource: optional(resourceIndicator()),
    public: optional(text('say why anyone outside may call as this server')),
  },
  none: {
    ...everyRoute,
    auth: oneOf(['none']),
    reason: text('say why anyone may call this, for who reads the audit'),
  },
} as const

/** What `upstreamToken` may say, by its `from`. */
export const upstreamTokenFields = {
  session: { from: oneOf(['session']) },
  introspection: { from: oneOf(['introspection']) },
  none: { from: oneOf(['none']) },
  exchange: {
    from: oneOf(['exchange']),
    resource: optional(resourceIndicator()),
    audience,
    scopes,
  },
  refresh: { from: oneOf(['refresh']), resource: resourceIndicator(), scopes },
} as const

/** The names of all, whatever the kind. */
export const routeSettings = [...new Set(Object.values(routeFields).flatMap((fields) => Object.keys(fields)))]

/** Fields of other kinds of routes. */
export const misplacedInRoute = misplaced('auth', routeFields, {
  'none cache': "the API's own Cache-Control passes here",
})

/** Those of other ways to get a token. */
export const misplacedInUpstreamToken = misplaced('from', upstreamTokenFields)

/**
 * For each kind the fields of others: they are left out, and whose they are is said.
 *
 * @param setting which one says what kind it is
 * @param instead by kind and field: what is so without it, where that is not plain
 */
function misplaced<Kind extends string>(
  setting: string,
  fieldsOf: Readonly<Record<Kind, object>>,
  instead: Readonly<Record<string, string>> = {},
): Readonly<Record<Kind, Misplaced>> {
  const kinds = Object.keys(fieldsOf) as Kind[]
  const all = new Set(kinds.flatMap((kind) => Object.keys(fieldsOf[kind])))
  const has = (kind: Kind, name: string) => Object.hasOwn(fieldsOf[kind], name)
  const said = (kind: Kind, name: string) => {
    const owners = kinds.filter((one) => has(one, name)).map((one) => `'${one}'`)
    const without = instead[`${kind} ${name}`]
    return {
      problem: `is not for ${setting}: '${kind}'`,
      cure: `leave it out${without ? ` (${without})` : ''}: it is for ${setting}: ${owners.join(', ')}`,
    }
  }
  const misplacedIn = (kind: Kind) =>
    Object.fromEntries([...all].filter((name) => !has(kind, name)).map((name) => [name, said(kind, name)]))
  return Object.fromEntries(kinds.map((kind) => [kind, misplacedIn(kind)])) as Record<Kind, Misplaced>
}

/** RFC 6749 §3.3 scope-token. */
function scope(): Field<string> {
  const cure = 'write one scope, such as orders:read'
  return v.pipe(
    v.string(wanted('a string', cure)),
    v.regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, mistake('is not one scope', cure)),
  )
}

/** RFC 9110 §8.3.1 type "/" subtype, without parameters. */
function mediaType(): Field<string> {
  const cure = "write a media type such as 'application/json', or 'image/*'"
  return v.pipe(
    v.string(wanted('a string', cure)),
    v.toLowerCase(),
    v.regex(/^[a-z0-9!#$&^_.+-]+\/([a-z0-9!#$&^_.+-]+|\*)$/, mistake('is no media type', cure)),
  )
}

function redirectHost(): Field<string> {
  const cure = 'write a host, with a port if it has one, such as files.example.com'
  return v.pipe(
    v.string(wanted('a string', cure)),
    v.toLowerCase(),
    v.check((host) => URL.canParse(`https://${host}`) && isPlainHost(host), mistake('is not a host', cure)),
  )
}

function isPlainHost(host: string): boolean {
  const url = new URL(`https://${host}`)
  return url.host === host && !host.includes('*')
}

function bodyLimit(): Field<number> {
  const cure = 'write a whole number of bytes, such as 10 * 1024 * 1024'
  return v.pipe(
    v.number(wanted('a number', cure)),
    v.check((bytes) => Number.isSafeInteger(bytes) && bytes >= 0, mistake('is not a whole number of bytes', cure)),
    v.maxValue(100 * gibibyte, mistake('is more than 100 GiB', cure)),
  )
}
