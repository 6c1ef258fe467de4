/**
 * `auth: 'client'`: calls with no user, with a token of this server's own. Whoever reaches the route acts as this server:
 * who that may be is the listener's to say.
 */
import type { Route } from '../../config/types.ts'
import { CoatcheckError } from '../../errors.ts'
import { isTokenScheme } from '../../protection/bearer.ts'
import type { IncomingHeaders } from '../../runtime.ts'
import type { Services } from '../../services.ts'
import type { Admission, Call } from './admission.ts'

/** @throws CoatcheckError `wrong_credential`, and what `clientTokens` throws */
export async function admitClient(services: Services, { method, route, headers, keepAlive }: Call): Promise<Admission> {
  const { clientTokens, report } = services
  const { upstreamToken: target } = route
  if (target.from !== 'client') throw new TypeError(`the route ${route.path} has no token of its own`)
  if (bringsCredential(headers, route)) {
    throw new CoatcheckError('wrong_credential', { members: { accepts: 'no credential' } })
  }
  if (route.listener === 'public') report({ event: 'client_token_used', route: route.path, method })
  let accessToken = await clientTokens.get(target, keepAlive)
  return {
    authorization: () => `Bearer ${accessToken}`,
    caller: {},
    claims: undefined,
    async resend(rejected, send, isReplayable) {
      // One that cannot be sent again has still shown the next call that it needs another token.
      if (!clientTokens.reject(target, accessToken) || !isReplayable) return rejected
      // Before the answer is given up: where there is no other token, it is what there is to say.
      const another = await clientTokens.get(target, keepAlive).catch(() => undefined)
      if (another === undefined || another === accessToken) return rejected
      rejected.body?.cancel()
      accessToken = another
      return send()
    },
    finish: () => [],
  }
}

/**
 * Who brings one means to be somebody, and must not be served as this server instead (API-8). Not what browsers add by
 * themselves outside: cookies, and a name and password for a proxy in front of us.
 */
function bringsCredential({ authorization }: IncomingHeaders, { listener }: Route): boolean {
  return listener === 'public' ? isTokenScheme(authorization) : authorization !== undefined
}
