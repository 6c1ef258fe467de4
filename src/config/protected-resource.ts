/** What clients call a bearer route by (RFC 9728 §1.2), which is what they ask tokens for (RFC 8707 §2). */
import type { Route } from './types.ts'

/** Routes for clients outside that bring a token. Inside, no name of this server's is known. */
export function hasResourceMetadata({ listener, auth }: Pick<Route, 'listener' | 'auth'>): boolean {
  return listener === 'public' && (auth === 'phantom' || auth === 'split')
}

/** The path as the operator wrote it, up to what stands for others. */
export function resourcePath({ path }: Pick<Route, 'path'>): string {
  return path.replace(/\/(?::|\*$).*/, '')
}

/**
 * A client that finds its way by the metadata asks for a token for the resource by its URL, and gets one with that in `aud`.
 * No other audience than the configured one is taken for that: which one it is must be the operator's word.
 */
export function audienceNotice(route: Route, origin: string): string | undefined {
  const resource = origin + resourcePath(route)
  if (!hasResourceMetadata(route) || route.audience === resource) return undefined
  return `takes tokens for ${route.audience}, and its metadata (RFC 9728) calls it ${resource}: who asks for a token by that name is refused, unless audience is that name too`
}
