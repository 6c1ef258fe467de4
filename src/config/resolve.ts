/** From what an operator said to what the server runs with: checked, with every default filled in. */
import { addressRanges, readAddressPolicy } from './addresses.ts'
import { ConfigError, type ConfigIssue } from './config-error.ts'
import { callSource } from './environment.ts'
import { anything, flag, list, optional, wholeNumber, withDefault } from './fields.ts'
import { readForwardAuth } from './forward-auth.ts'
import { requestHeaderName } from './header-names.ts'
import { readHooks } from './hooks.ts'
import { internalHosts } from './hosts.ts'
import { readSplitTokens, requireInternal } from './inside.ts'
import { readListeners } from './listeners.ts'
import { notices } from './notices.ts'
import { basePath } from './paths.ts'
import { readProvider } from './provider.ts'
import { readRateLimits } from './rate-limits.ts'
import { asMeant, type Issues, isObject, readObject } from './read-object.ts'
import { redact, secretsOf, stringsOf } from './redact.ts'
import { reportPageConflicts } from './resource-conflicts.ts'
import { completeRoutes, readRoutes } from './routes.ts'
import { coordinatorMistake, readSession } from './session.ts'
import { readSpa } from './spa.ts'
import { readStreams } from './streams.ts'
import type { Config } from './types.ts'
import { readUpstreams } from './upstreams.ts'
import { baseUrl, canonicalHost } from './urls.ts'
import type { ConfigSource } from './user-config.ts'

const fields = {
  baseUrl: baseUrl(),
  basePath: withDefault(basePath(), '/bff'),
  provider: anything(),
  session: anything(),
  routes: anything(),
  upstreams: anything(),
  maxRequests: optional(wholeNumber(1, 10_000_000)),
  spa: anything(),
  listeners: anything(),
  forwardAuth: anything(),
  streams: anything(),
  splitTokens: anything(),
  requestHeaders: withDefault(list(requestHeaderName(), 'write a list of header fields'), []),
  hooks: anything(),
  trustedProxies: withDefault(addressRanges(), []),
  internalHosts: internalHosts(),
  addresses: anything(),
  rateLimits: anything(),
  thirdPartyInitiatedLogin: withDefault(flag(), false),
  backChannelLogout: withDefault(flag(), false),
}

/** Gives a configuration its type, and nothing else: it is checked when the server starts. */
export function defineConfig<Env = Record<string, string | undefined>>(source: ConfigSource<Env>): ConfigSource<Env> {
  return source
}

export interface ResolveOptions {
  /**
   * There is an internal listener that the configuration does not name, as on Workers, where it is a handler of the entry.
   * Default: as `listeners.internal` says.
   */
  hasInternalListener?: boolean
}

/**
 * @throws {ConfigError} with every mistake. Its text never holds a secret or the value of a variable that
 * the function of the environment threw with.
 */
export function resolveConfig<Env = Record<string, string | undefined>>(
  source: ConfigSource<Env>,
  env: Env,
  options: ResolveOptions = {},
): Config {
  const issues: Issues = []
  const { input, unset } = callSource(source, env, issues)
  if (issues.length > 0) throw new ConfigError(redact(issues, stringsOf(env)))
  const config = readConfig(input, issues, options)
  if (config && issues.length === 0) return config
  const secrets = secretsOf(isObject(input) ? asMeant(input, Object.keys(fields)) : input)
  throw new ConfigError(redact(issues, secrets), unsetHint(issues, unset))
}

function readConfig(input: unknown, issues: Issues, options: ResolveOptions): Config | undefined {
  const { partial, complete } = readObject(fields, input, '', issues)
  if (!isObject(input)) return undefined
  const origin = partial.baseUrl?.origin
  const provider = readProvider(partial.provider, 'provider', issues)
  const session = readSession(partial.session, 'session', issues)
  const unshared = coordinatorMistake(partial.backChannelLogout, session?.store?.coordinator)
  if (unshared) issues.push(unshared)
  const rateLimits = readRateLimits(partial.rateLimits, 'rateLimits', issues, '*', ['session', 'subject', 'address'])
  const nodeOnly: string[] = partial.maxRequests === undefined ? [] : ['maxRequests']
  const upstreams = readUpstreams(partial.upstreams, 'upstreams', issues, { ownOrigin: origin, nodeOnly })
  const routes = readRoutes(partial.routes, 'routes', issues, {
    ownOrigin: origin,
    settingsOf: new Map(upstreams.map((settings) => [canonicalHost(settings.origin), settings])),
    nodeOnly,
    basePath: partial.basePath,
    hasSpa: partial.spa !== undefined,
    hasForwardAuth: partial.forwardAuth !== undefined,
    requestHeaders: partial.requestHeaders ?? [],
    rateLimits,
    resource: provider?.resource,
  })
  const spa = readSpa(partial.spa, 'spa', issues, origin)
  reportPageConflicts(spa, routes, { spaPath: 'spa', routesPath: 'routes' }, issues)
  const listeners = readListeners(partial.listeners, 'listeners', issues, partial.baseUrl)
  const addresses = readAddressPolicy(partial.addresses, 'addresses', issues)
  const forwardAuth = readForwardAuth(partial.forwardAuth, 'forwardAuth', issues)
  const streams = readStreams(partial.streams, 'streams', issues)
  const splitTokens = readSplitTokens(partial.splitTokens, 'splitTokens', issues, routes)
  const hasInternal = options.hasInternalListener ?? (!listeners || listeners.internal !== undefined)
  requireInternal(hasInternal, routes, partial.splitTokens !== undefined, issues)
  const hooks = readHooks(partial.hooks, 'hooks', issues)
  if (!complete || !provider || !session || !listeners || !streams) return undefined
  return {
    origin: complete.baseUrl.origin,
    host: complete.baseUrl.host,
    isSecureOrigin: complete.baseUrl.protocol === 'https:',
    basePath: complete.basePath,
    provider,
    session,
    routes: completeRoutes(routes),
    spa,
    listeners,
    trustedProxies: complete.trustedProxies,
    internalHosts: options.hasInternalListener ? undefined : new Set(complete.internalHosts),
    addresses,
    rateLimits,
    forwardAuth,
    streams,
    splitTokens,
    hooks,
    thirdPartyInitiatedLogin: complete.thirdPartyInitiatedLogin,
    backChannelLogout: complete.backChannelLogout,
    upstreams,
    maxRequests: complete.maxRequests,
    nodeOnly,
    notices: notices(routes, { origin: complete.baseUrl.origin, provider, spa, listeners, upstreams }),
  }
}

/** A field that is not set most likely wants one of the variables that are not. */
function unsetHint(issues: readonly ConfigIssue[], unset: readonly string[]): string | undefined {
  if (!issues.some(({ problem }) => problem.startsWith('is not set'))) return undefined
  if (unset.length > 0) return `Variables that were read and are not set: ${unset.join(', ')}.`
  return 'A setting that comes from the environment is not set where its variable is not.'
}
