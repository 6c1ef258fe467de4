/** Protected resource metadata (RFC 9728): which server gives tokens for a route, and which scopes it asks for. */
import { hasResourceMetadata, resourcePath } from '../config/protected-resource.ts'
import type { Config, Route } from '../config/types.ts'

const wellKnownPath = '/.well-known/oauth-protected-resource'

/** Where the metadata of a bearer route is; undefined inside, where no name of this server's is known. */
export function resourceMetadataUrl({ origin }: Pick<Config, 'origin'>, route: Route): string | undefined {
  if (!hasResourceMetadata(route)) return undefined
  return origin + wellKnownPath + resourcePath(route)
}

/** The metadata by their paths. Not a path below a route's own: what a client asks for and what it gets are one (§3.3). */
export function protectedResources(
  config: Pick<Config, 'origin' | 'provider' | 'routes'>,
): ReadonlyMap<string, object> {
  const found = new Map<string, { resource: string; scopes_supported: string[] }>()
  for (const route of config.routes) {
    if (resourceMetadataUrl(config, route) === undefined) continue
    const path = wellKnownPath + resourcePath(route)
    const known = found.get(path)
    const scopes = [...new Set([...(known?.scopes_supported ?? []), ...route.scopes])]
    found.set(path, {
      ...{ resource: config.origin + resourcePath(route), authorization_servers: [config.provider.issuer] },
      ...{ scopes_supported: scopes, bearer_methods_supported: ['header'] },
    })
  }
  return found
}
