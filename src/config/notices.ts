/** What an auditor should look at: exceptions that the configuration makes, all of them by name. */
import { audienceNotice } from './protected-resource.ts'
import { leftOut, unequalReaches } from './resource-conflicts.ts'
import type { ReadRoute } from './route.ts'
import type { Config, Provider, Route } from './types.ts'
import { isInsecure } from './upstream.ts'
import { isLoopbackHost } from './urls.ts'
import type { CspConfig } from './user-config.ts'

export function notices(
  routes: readonly ReadRoute[],
  {
    origin,
    provider,
    spa,
    listeners,
    upstreams,
  }: Pick<Config, 'origin' | 'provider' | 'spa' | 'listeners' | 'upstreams'>,
): string[] {
  const complete = routes.flatMap((route) => route.complete ?? [])
  return [
    ...routes.flatMap((route) => routeNotices(route, provider, origin)),
    ...leftOut(complete),
    ...unequalReaches(complete),
    ...cspNotices(spa?.csp),
    ...listenerNotices(listeners),
    ...upstreams
      .filter((settings) => !complete.some(({ upstream }) => upstream.settings === settings))
      .map(({ origin }) => `upstreams names ${origin}, and no route leads there`),
  ]
}

/** Inside is a promise of the network's, once it is not this machine alone. */
function listenerNotices({ internal, management }: Config['listeners']): string[] {
  return Object.entries({ internal, management })
    .filter(([, listener]) => listener?.host !== undefined && listener.host !== '::1' && !isLoopbackHost(listener.host))
    .map(([name, listener]) => `listeners.${name} is on ${listener?.host}: the network has to keep others away from it`)
}

function routeNotices({ complete: route, shared, reason }: ReadRoute, provider: Provider, origin: string): string[] {
  if (!route) return []
  const isSession = route.auth === 'session'
  const requested = provider.scope.split(' ')
  const unasked = !isSession ? [] : scopesOfSession(route).filter((scope) => !requested.includes(scope))
  const withoutHeader = [...route.kinds].filter((kind) => kind !== 'fetch')
  const found = [
    route.auth === 'none' && `is open to everyone: ${reason}`,
    route.auth === 'phantom' &&
      route.upstreamToken.from === 'none' &&
      'gives its API no token: it cannot verify who calls',
    audienceNotice(route, origin),
    route.auth === 'client' && route.listener === 'public' && `lets anyone outside call as this server: ${reason}`,
    route.auth === 'client' && route.listener === 'internal' && 'lets anyone inside call as this server',
    isInsecure(route.upstream) && `sends to ${route.upstream.origin} in plain http`,
    withoutHeader.length > 0 && `may be called without X-CSRF, as ${withoutHeader.join(', ')}`,
    route.forwardAuth && 'gives its token to the proxy that asks at /verify',
    route.content === 'page' && 'answers with documents of this origin, not data',
    shared && `shares a resource with what is reached by another auth: ${shared}`,
    unasked.length > 0 && `asks for ${unasked.join(', ')}, which provider.scope does not request`,
  ]
  return found.filter((notice) => typeof notice === 'string').map((notice) => `${route.path} ${notice}`)
}

/** What a session has to have been granted: a refresh gives no more (RFC 6749 §6). An exchange may. */
function scopesOfSession({ scopes, upstreamToken }: Route): string[] {
  return [...new Set([...scopes, ...(upstreamToken.from === 'refresh' ? upstreamToken.scopes : [])])]
}

function cspNotices(csp: CspConfig | undefined): string[] {
  const isBroad = (source: string) =>
    source === '*' || /^'unsafe-|^'strict-dynamic'|^[a-z]+:$|^(https?:\/\/)?\*($|[:/])/i.test(source)
  return Object.entries(csp ?? {})
    .flatMap(([directive, sources]) =>
      Array.isArray(sources) ? sources.map((source: string) => ({ directive, source })) : [],
    )
    .filter(({ source }) => isBroad(source))
    .map(({ directive, source }) => `spa.csp.${directive} has ${source}`)
}
