/**
 * What a route asks of a call, and does with it: two routes with the same demands may stand in for each other. That is all
 * of a route but where it is and where it leads, so that a setting which is added one day counts by itself.
 */
import type { RateLimit, Route } from './types.ts'

/** What says which calls a route takes, and where they go. */
type Whereabouts = 'path' | 'prefix' | 'isExact' | 'upstream' | 'methods'

export type Demands = Omit<Route, Whereabouts>

const whereabouts = {
  path: true,
  prefix: true,
  isExact: true,
  upstream: true,
  methods: true,
} as const satisfies Record<Whereabouts, true>

/** Equal for routes with the same demands, in whatever order they list them. */
export function demandsOf(route: Route): string {
  const { byAddress, byCaller } = route.rateLimits
  const all = {
    ...route,
    scopes: new Set(route.scopes),
    // The name has the path in it: each route has a book of its own.
    rateLimits: [...byAddress, ...byCaller].map(({ per, requests, windowSeconds }: RateLimit) => [
      per,
      requests,
      windowSeconds,
    ]),
  }
  const demands = Object.entries(all)
    .filter(([name]) => !Object.hasOwn(whereabouts, name))
    .sort(([one], [other]) => (one < other ? -1 : 1))
  return JSON.stringify(demands, (_name, value) => (value instanceof Set ? [...value].sort() : value))
}
