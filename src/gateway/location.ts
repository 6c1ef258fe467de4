/**
 * Where an upstream's `Location` and `Content-Location` lead in our paths. Redirects are never followed here; the
 * browser follows them, so what they name has to be ours, or a host that the route lists.
 */
import type { Route, Upstream } from '../config/types.ts'
import { CoatcheckError } from '../errors.ts'
import { assertRouteTakes, checkTarget } from './target.ts'

export interface LocationContext {
  readonly upstream: Upstream
  readonly route: Route
  /** Path and query of the request as it went to the upstream: relative references start there. */
  readonly requestTarget: string
  /** `https://app.example.com` */
  readonly publicOrigin: string
}

/**
 * A path on our origin for what is inside the upstream's base, or inside this route's own path when the upstream
 * writes our origin (it was told of it by `X-Forwarded-Host`). The URL itself for `https:` at a host of `redirectHosts`.
 *
 * @throws CoatcheckError `upstream_redirect` for everything else, and for what would not be a canonical target of ours
 */
export function rewriteLocation(location: string, context: LocationContext): string {
  const { route, upstream } = context
  if (location === '') throw elsewhere()
  const url = resolve(location, upstream.origin + context.requestTarget)
  if (url.username !== '' || url.password !== '') throw elsewhere()
  if (url.origin === upstream.origin) return canonical(pathBelow(url.pathname, upstream.basePath, route), url, route)
  if (url.origin === context.publicOrigin && isInside(url.pathname, route)) return canonical(url.pathname, url, route)
  if (url.protocol === 'https:' && route.redirectHosts.has(url.host)) return url.href
  throw elsewhere()
}

/** Without a cause: the location may hold a code or a token, and the cause is logged. */
function elsewhere(): CoatcheckError {
  return new CoatcheckError('upstream_redirect')
}

function resolve(location: string, base: string): URL {
  const url = URL.parse(location, base)
  if (!url) throw elsewhere()
  return url
}

function pathBelow(pathname: string, basePath: string, route: Route): string {
  if (route.isExact) {
    if (pathname === (basePath === '' ? '/' : basePath)) return route.prefix
  } else if (pathname.startsWith(`${basePath}/`)) {
    return route.prefix + pathname.slice(basePath.length)
  } else if (pathname === basePath) {
    return route.prefix === '' ? '/' : route.prefix
  }
  throw elsewhere()
}

function isInside(pathname: string, route: Route): boolean {
  return route.isExact ? pathname === route.prefix : pathname.startsWith(`${route.prefix}/`)
}

/** A path that a browser would take for another host (`//host`), or that we would refuse, is no answer. */
function canonical(path: string, url: URL, route: Route): string {
  try {
    assertRouteTakes(checkTarget(path + url.search), route)
  } catch {
    throw elsewhere()
  }
  return path + url.search + url.hash
}
