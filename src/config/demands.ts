/** What a route asks of a call: two routes with the same demands may stand in for each other. */
import type { Route } from './types.ts'

export function demandsOf(route: Route): string {
  const sorted = (values: Iterable<string>) => [...values].sort()
  return JSON.stringify([
    route.auth,
    route.audience,
    route.upstreamToken,
    route.content,
    route.forwardAuth,
    route.bodyLimitBytes,
    sorted(route.kinds),
    sorted(route.scopes),
    sorted(route.requestHeaders),
    route.contentTypes && sorted(route.contentTypes),
    route.query && [route.query.allow && sorted(route.query.allow), sorted(route.query.remove), route.query.set],
    route.headers.request.set,
    sorted(route.headers.request.remove),
  ])
}
