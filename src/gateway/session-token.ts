/** The access token that an upstream gets on a session's behalf: the session's own, or one that is made of it. */
import type { Route } from '../config/types.ts'
import { CoatcheckError } from '../errors.ts'
import type { Services } from '../services.ts'
import type { KeepAlive, OpenSession } from '../session/sessions.ts'

/**
 * @throws CoatcheckError `login_required` where the server does not know the session's token any more, `token_refused`,
 *   `provider_unavailable`
 */
export function sessionTokenFor(
  services: Services,
  open: OpenSession,
  route: Route,
  keepAlive: KeepAlive,
): string | Promise<string> {
  const { upstreamToken } = route
  switch (upstreamToken.from) {
    case 'introspection':
      return phantomToken(services, open, route, keepAlive)
    case 'exchange': {
      const { id, version, tokens } = open.session
      // What was exchanged for is asked for anew with every version: the token's own end, by another clock, says no more.
      const subject = { token: tokens.accessToken, key: `${id}.${version}`, expiresAt: undefined }
      return services.exchangeToken(subject, upstreamToken, 'any', keepAlive)
    }
    case 'refresh':
      return services.sessions.tokenFor(open, upstreamToken, keepAlive)
    default:
      return open.session.tokens.accessToken
  }
}

async function phantomToken(
  { introspect, sessions }: Services,
  open: OpenSession,
  route: Route,
  keepAlive: KeepAlive,
): Promise<string> {
  const ask = () => introspect(open.session.tokens.accessToken, 'jwt', keepAlive)
  const token = await ask().catch(async (error) => {
    if (!(error instanceof CoatcheckError) || error.code !== 'invalid_token') throw error
    // As after an API's 401: the server says that this token is over (R11).
    const hasNewTokens = await sessions.refreshAfterRejection(open, open.session, route.upstream.origin, keepAlive)
    if (!hasNewTokens) throw new CoatcheckError('login_required', { members: { silent: true }, cause: error })
    return ask()
  })
  if (token.jwt === undefined || route.audience === undefined || !token.audience.includes(route.audience)) {
    throw new CoatcheckError('token_refused', { reason: 'aud' })
  }
  return token.jwt
}
