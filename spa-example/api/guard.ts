/**
 * Who calls, by the access token alone (RFC 6750, RFC 9068): Coatcheck's guard for APIs. This API knows nothing of
 * cookies, and a request that carries one is answered 400, because it shows that somebody in front has let it through.
 */
import { type Guard, jwtGuard, type Refusal } from '../../src/resource-server/index.ts'
import type { ApiClaims } from './policies.ts'

export interface ApiGuardOptions {
  readonly issuer: string
  /** Default: as the issuer's metadata says, asked for at the first call. */
  readonly jwksUri: string | undefined
  readonly audience: string
  /** Where the metadata of this resource is (RFC 9728). */
  readonly resourceMetadata: string
  readonly onRefused: (refusal: Refusal) => void
}

export interface ApiGuard {
  readonly guard: Guard<ApiClaims>
  /** Refuses from now on the tokens that were shown so far, as if they had been revoked. */
  revokeSeenTokens(): void
}

const rememberedTokens = 10_000

export function createApiGuard({ issuer, jwksUri, audience, resourceMetadata, onRefused }: ApiGuardOptions): ApiGuard {
  const seen = new Set<string>()
  const revoked = new Set<string>()
  const guard = jwtGuard<ApiClaims>({
    issuer,
    ...(jwksUri !== undefined && { jwksUri }),
    audience,
    realm: 'roastery',
    resourceMetadata,
    problemType: 'urn:roastery:problem:',
    isRevoked({ jti }) {
      if (revoked.has(jti)) return true
      addBounded(seen, jti)
      return false
    },
    onRefused,
  })
  return {
    guard,
    revokeSeenTokens() {
      for (const tokenId of seen) addBounded(revoked, tokenId)
      seen.clear()
    },
  }
}

function addBounded(set: Set<string>, value: string): void {
  set.delete(value)
  set.add(value)
  for (const oldest of set) {
    if (set.size <= rememberedTokens) return
    set.delete(oldest)
  }
}
