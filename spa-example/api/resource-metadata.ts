/** Where tokens for this API come from, and which scopes it asks for (RFC 9728): for clients that were told nothing. */

const path = '/.well-known/oauth-protected-resource'

export const scopes = ['orders:read', 'orders:write', 'files:read', 'files:write'] as const

export interface ResourceMetadata {
  readonly path: string
  /** What challenges name: under the resource's own name, wherever this process listens (§3.1). */
  readonly url: string
  readonly document: Readonly<Record<string, unknown>>
}

export function resourceMetadata({ issuer, audience }: { issuer: string; audience: string }): ResourceMetadata {
  return {
    path,
    url: new URL(path, audience).href,
    document: {
      resource: audience,
      authorization_servers: [issuer],
      scopes_supported: scopes,
      bearer_methods_supported: ['header'],
    },
  }
}
