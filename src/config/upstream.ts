/** Where a route leads: an API's URL, or a service binding of Workers. */

import { parametersOf } from './path-patterns.ts'
import { canonicalPathMistake, type PathMistake } from './paths.ts'
import { type Issues, join } from './read-object.ts'
import type { Upstream, UpstreamSettings } from './types.ts'
import { canonicalHost, isLoopbackHost, parseHttp, partsMistake } from './urls.ts'
import type { FetchBinding } from './user-routes.ts'

const example = 'https://orders.internal/v1'

export interface UpstreamFields {
  /** The route's, whose parameters the upstream's path may have. */
  path?: string | undefined
  upstream?: unknown
  upstreamPath?: string | undefined
  allowInsecureUpstream?: boolean | undefined
}

export interface UpstreamContext {
  /** Of this server, which is no upstream: calls would go round in circles. */
  readonly ownOrigin: string | undefined
  /** By their canonical host. */
  readonly settingsOf: ReadonlyMap<string, UpstreamSettings>
}

export function readUpstream(
  fields: UpstreamFields,
  path: string,
  issues: Issues,
  context: UpstreamContext,
): Upstream | undefined {
  if (isBinding(fields.upstream)) return readBinding(fields.upstream, fields, path, issues)
  const before = issues.length
  if (fields.upstreamPath !== undefined) {
    issues.push({
      path: join(path, 'upstreamPath'),
      problem: 'is for service bindings only',
      cure: 'write the path as part of upstream',
    })
  }
  const upstream = readUrl(fields, join(path, 'upstream'), issues, context)
  return issues.length === before ? upstream : undefined
}

/** True for plain http to another machine: allowed by name, and reported. */
export function isInsecure(upstream: Upstream): boolean {
  const url = new URL(upstream.origin)
  return !upstream.binding && url.protocol === 'http:' && !isLoopbackHost(url.hostname)
}

function readBinding(
  binding: FetchBinding,
  { upstreamPath, path: routePath }: UpstreamFields,
  path: string,
  issues: Issues,
): Upstream | undefined {
  const found = canonicalPathMistake(upstreamPath ?? '/', true) ?? parameterMistake(upstreamPath ?? '/', routePath)
  const basePath = withoutLastSlash(upstreamPath ?? '/')
  if (!found) return { origin: 'https://binding.internal', basePath, binding }
  issues.push({ path: join(path, 'upstreamPath'), ...found })
  return undefined
}

function readUrl(
  { upstream, allowInsecureUpstream, path: routePath }: UpstreamFields,
  path: string,
  issues: Issues,
  { ownOrigin, settingsOf }: UpstreamContext,
): Upstream | undefined {
  const add = (problem: string, cure: string) => {
    issues.push({ path, problem, cure })
    return undefined
  }
  if (upstream === undefined) return add('is not set', `write ${example}`)
  if (typeof upstream !== 'string')
    return add('is neither a URL nor a service binding', `write ${example}, or env.NAME of a binding`)
  const url = parseHttp(upstream)
  if (!url) return add('is not an http(s) URL', `write ${example}`)
  const [problem, cure = ''] = partsMistake(url, upstream, { example })?.split('\n') ?? []
  if (problem) return add(problem, cure)
  if (url.origin === ownOrigin) return add('is this server itself', 'write the address of the API behind it')
  if (url.protocol === 'http:' && !isLoopbackHost(url.hostname) && !allowInsecureUpstream) {
    return add(
      'is plain http, and its host is not this machine: access tokens would be readable on the way',
      `write https://${url.host}${url.pathname}, or set allowInsecureUpstream: true, which is reported`,
    )
  }
  // As it was written: the URL parser has collapsed what is refused here.
  const written = upstream.replace(/^https?:\/\/[^/]*/i, '')
  const found = written.endsWith('/*')
    ? { problem: 'ends with a *', cure: `write ${upstream.slice(0, -2)}: what * of the path matched is appended` }
    : (canonicalPathMistake(written, true) ?? parameterMistake(written, routePath))
  if (found) return add(found.problem, found.cure)
  const settings = settingsOf.get(canonicalHost(url.origin))
  if (settings && settings.origin !== url.origin) {
    return add(
      `is another name of ${settings.origin}, whose settings it would go without`,
      `write ${settings.origin}${written}, or the same name in upstreams`,
    )
  }
  return { origin: url.origin, basePath: withoutLastSlash(written), binding: undefined, settings }
}

function parameterMistake(upstreamPath: string, routePath: string | undefined): PathMistake | undefined {
  const known = parametersOf(routePath ?? '')
  const unknown = parametersOf(upstreamPath).find((name) => !known.includes(name))
  if (unknown === undefined || routePath === undefined) return undefined
  return { problem: `has :${unknown}, which is no parameter of the route's path`, cure: `add it to ${routePath}` }
}

function isBinding(value: unknown): value is FetchBinding {
  return typeof value === 'object' && value !== null && typeof (value as FetchBinding).fetch === 'function'
}

function withoutLastSlash(path: string): string {
  return path.endsWith('/') ? path.slice(0, -1) : path
}
