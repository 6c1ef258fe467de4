/** Upstreams that need more said than a route's URL: where they are, how they are reached, and what they may cost. */
import * as v from 'valibot'
import { anything, duration, flag, list, oneOrMore, optional, text, wholeNumber, withDefault } from './fields.ts'
import { certificate, privateKey } from './pem.ts'
import { type Field, type Issues, join, mistake, readObject, wanted } from './read-object.ts'
import type { UpstreamSettings } from './types.ts'
import { canonicalHost, isLoopbackHost, parseHttp } from './urls.ts'

const example = 'https://orders.internal'

const fields = {
  origin: origin(),
  targets: optional(list(origin(), `write a list such as ['https://10.0.0.1:8443', 'https://10.0.0.2:8443']`, 1)),
  tls: anything(),
  http2: withDefault(flag(), false),
  connections: withDefault(wholeNumber(1, 65_536), 128),
  queue: optional(wholeNumber(0, 1_000_000)),
  eventStreams: withDefault(wholeNumber(1, 1_000_000), 8192),
  retries: withDefault(wholeNumber(0, 5), 1),
  timeouts: anything(),
  health: anything(),
  breaker: anything(),
}

const tlsFields = {
  ca: optional(oneOrMore(certificate(), 'write the PEM text of a certificate, or a list of them')),
  cert: optional(certificate()),
  key: optional(privateKey()),
  servername: optional(text('write a host name such as orders.internal')),
}

const timeoutFields = {
  connect: withDefault(duration(1, 300), 5),
  headers: optional(duration(1, 3600)),
  body: withDefault(duration(1, 3600), 60),
  total: optional(duration(1, 86_400)),
}

const healthFields = {
  path: healthPath(),
  interval: withDefault(duration(1, 3600), 10),
  timeout: withDefault(duration(1, 300), 5),
  unhealthyAfter: withDefault(wholeNumber(1, 100), 2),
  healthyAfter: withDefault(wholeNumber(1, 100), 2),
}

const breakerFields = {
  failures: withDefault(wholeNumber(1, 1000), 5),
  pause: withDefault(duration(1, 3600), 10),
  longestPause: withDefault(duration(1, 86_400), 300),
}

export interface UpstreamsContext {
  readonly ownOrigin: string | undefined
  /** Gets the paths of settings that only Node can honour. */
  readonly nodeOnly: string[]
}

export function readUpstreams(
  input: unknown,
  path: string,
  issues: Issues,
  context: UpstreamsContext,
): UpstreamSettings[] {
  if (input === undefined) return []
  if (!Array.isArray(input)) {
    issues.push({ path, problem: 'has to be a list', cure: `write [{ origin: '${example}', … }]` })
    return []
  }
  const upstreams = Array.from(input, (one, index) => readUpstreamSettings(one, join(path, index), issues, context))
  reportTwice(upstreams, path, issues)
  return upstreams.filter((one) => one !== undefined)
}

function readUpstreamSettings(
  input: unknown,
  path: string,
  issues: Issues,
  { ownOrigin, nodeOnly }: UpstreamsContext,
): UpstreamSettings | undefined {
  const before = issues.length
  const { partial, complete } = readObject(fields, input, path, issues)
  nodeOnly.push(...nodeOnlyPaths(input, path))
  const tls = readTls(partial.tls, partial.origin, join(path, 'tls'), issues)
  const timeouts = readObject(timeoutFields, partial.timeouts ?? {}, join(path, 'timeouts'), issues).complete
  const health =
    partial.health === undefined
      ? undefined
      : readObject(healthFields, partial.health, join(path, 'health'), issues).complete
  const breaker =
    partial.breaker === false
      ? undefined
      : readObject(breakerFields, partial.breaker ?? {}, join(path, 'breaker'), issues).complete
  if (partial.origin !== undefined) checkTargets(partial.origin, partial.targets ?? [], ownOrigin, path, issues)
  if (!complete || !timeouts || issues.length > before) return undefined
  return {
    origin: complete.origin,
    targets: complete.targets ?? [complete.origin],
    tls,
    http2: complete.http2,
    connections: complete.connections,
    queue: complete.queue ?? complete.connections * 10,
    eventStreams: complete.eventStreams,
    retries: complete.retries,
    timeouts: {
      connectMs: timeouts.connect * 1000,
      headersMs: timeouts.headers === undefined ? undefined : timeouts.headers * 1000,
      bodyMs: timeouts.body * 1000,
      totalMs: timeouts.total === undefined ? undefined : timeouts.total * 1000,
    },
    health: health && {
      path: health.path,
      intervalMs: health.interval * 1000,
      timeoutMs: health.timeout * 1000,
      unhealthyAfter: health.unhealthyAfter,
      healthyAfter: health.healthyAfter,
    },
    breaker: breaker && {
      failures: breaker.failures,
      pauseMs: breaker.pause * 1000,
      longestPauseMs: Math.max(breaker.pause, breaker.longestPause) * 1000,
    },
  }
}

function readTls(
  input: unknown,
  upstream: string | undefined,
  path: string,
  issues: Issues,
): UpstreamSettings['tls'] | undefined {
  if (input === undefined) return undefined
  const { complete } = readObject(tlsFields, input, path, issues)
  if (upstream?.startsWith('http:')) {
    issues.push({ path, problem: 'is of no use: the origin is plain http', cure: 'leave it out, or write https' })
  }
  if (!complete) return undefined
  if ((complete.cert === undefined) !== (complete.key === undefined)) {
    const lacking = complete.cert === undefined ? 'cert' : 'key'
    issues.push({
      path: join(path, lacking),
      problem: 'is not set, and its other half is',
      cure: 'write both, the PEM texts of the client certificate and of its key',
    })
  }
  return complete
}

/** Whatever is not the head's time limit: Workers have `fetch`, and leave all else to Cloudflare. */
function nodeOnlyPaths(input: unknown, path: string): string[] {
  if (typeof input !== 'object' || input === null) return []
  const said = Object.entries(input).filter(([, value]) => value !== undefined && value !== false)
  return said.flatMap(([name, value]) => {
    if (name === 'origin') return []
    if (name !== 'timeouts' || typeof value !== 'object' || value === null) return [join(path, name)]
    return Object.keys(value)
      .filter((timeout) => timeout !== 'headers')
      .map((timeout) => join(join(path, name), timeout))
  })
}

/** A target gets what is meant for the origin, tokens too: it is reached as safely, and is nobody else. */
function checkTargets(
  upstream: string,
  targets: readonly string[],
  ownOrigin: string | undefined,
  path: string,
  issues: Issues,
): void {
  if (upstream === ownOrigin) {
    issues.push({
      path: join(path, 'origin'),
      problem: 'is this server itself',
      cure: 'write the address of the API behind it',
    })
  }
  const { protocol, hostname } = new URL(upstream)
  for (const [index, target] of targets.entries()) {
    const at = join(join(path, 'targets'), index)
    const url = new URL(target)
    if (target === ownOrigin) {
      issues.push({ path: at, problem: 'is this server itself', cure: 'write the address of the API behind it' })
    } else if (url.protocol !== protocol) {
      issues.push({
        path: at,
        problem: `is not ${protocol.slice(0, -1)}, as the origin is`,
        cure: `write ${protocol}//${url.host}`,
      })
    } else if (protocol === 'http:' && isLoopbackHost(hostname) && !isLoopbackHost(url.hostname)) {
      issues.push({
        path: at,
        problem: 'is plain http, and its host is not this machine: access tokens would be readable on the way',
        cure: `write https://${url.host}, and an https origin`,
      })
    }
  }
}

/** One server, one entry: two could tell it in different ways, and the second would count for nothing. */
function reportTwice(upstreams: readonly (UpstreamSettings | undefined)[], path: string, issues: Issues): void {
  const seen = new Map<string, number>()
  for (const [index, one] of upstreams.entries()) {
    for (const server of new Set(one ? [one.origin, ...one.targets].map(canonicalHost) : [])) {
      const earlier = seen.get(server)
      if (earlier === undefined) seen.set(server, index)
      else {
        issues.push({
          path: join(path, index),
          problem: `names ${server}, as ${join(path, earlier)} does`,
          cure: 'name each server in one of them',
        })
      }
    }
  }
}

/** Scheme, host and port, in the one way that URLs have of writing it. */
function origin(): Field<string> {
  return v.pipe(
    v.string(wanted('a string', `write ${example}`)),
    v.rawTransform(({ dataset, addIssue, NEVER }) => {
      const url = parseHttp(dataset.value)
      if (url && (dataset.value === url.origin || dataset.value === `${url.origin}/`)) return url.origin
      addIssue({
        message: mistake(
          url ? 'is more than an origin, or not written as one' : 'is not an http(s) URL',
          `write scheme, host and port, such as ${example}`,
        ),
      })
      return NEVER
    }),
  )
}

function healthPath(): Field<string> {
  const cure = 'write a path such as /healthz'
  return v.pipe(v.string(wanted('a string', cure)), v.regex(/^\/[\x21\x22\x24-\x7e]*$/, mistake('is not a path', cure)))
}
