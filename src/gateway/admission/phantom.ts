/** `auth: 'phantom'`: a client outside that holds an opaque access token; the upstream gets a JWT in its place, or none. */
import { CoatcheckError } from '../../errors.ts'
import { type IntrospectedToken, longestOpaqueToken } from '../../oauth/introspection.ts'
import { looksLikeJwt } from '../../protection/bearer.ts'
import type { Services } from '../../services.ts'
import type { Admission, Call } from './admission.ts'
import { admitWith, requireFor, tokenOf, withChallenge } from './bearer.ts'

export async function admitPhantom(services: Services, call: Call): Promise<Admission> {
  const { config, introspect } = services
  const { route, headers, keepAlive } = call
  const opaque = tokenOf(headers, config, route, longestOpaqueToken)
  try {
    // Outside, tokens are opaque (API-3): one that its holder can read left the network, or was never ours.
    if (looksLikeJwt(opaque)) throw new CoatcheckError('invalid_token', { reason: 'a_jwt' })
    const form = route.upstreamToken.from === 'introspection' ? 'jwt' : 'facts'
    const token = await introspect(opaque, form, keepAlive)
    requireFor(route, token)
    return admitWith(config, route, await forUpstream(services, call, opaque, token), token)
  } catch (error) {
    throw withChallenge(error, config, route)
  }
}

async function forUpstream(
  { exchangeToken }: Services,
  { route: { upstreamToken }, keepAlive }: Call,
  opaque: string,
  token: IntrospectedToken,
): Promise<string | undefined> {
  if (upstreamToken.from !== 'exchange') return token.jwt
  const subject = { token: opaque, key: token.hash, expiresAt: token.expiresAt }
  return exchangeToken(subject, upstreamToken, 'jwt', keepAlive)
}
