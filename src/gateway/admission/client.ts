/**
 * `auth: 'client'`: calls with no user, with a token of this server's own. Whoever reaches the route acts as this server:
 * who that may be is the listener's to say.
 */
import type { Services } from '../../services.ts'
import type { Admission, Call } from './admission.ts'

export async function admitClient(services: Services, { method, route, keepAlive }: Call): Promise<Admission> {
  const { clientTokens, report } = services
  const { upstreamToken: target } = route
  if (target.from !== 'client') throw new TypeError(`the route ${route.path} has no token of its own`)
  if (route.listener === 'public') report({ event: 'client_token_used', route: route.path, method })
  let accessToken = await clientTokens.get(target, keepAlive)
  return {
    authorization: () => `Bearer ${accessToken}`,
    caller: {},
    claims: undefined,
    mayReplay: true,
    async send(once, isReplayable) {
      const answer = await once()
      if (answer.status !== 401 || !isReplayable || !clientTokens.reject(target, accessToken)) return answer
      // Before the answer is given up: where there is no other token, it is what there is to say.
      const another = await clientTokens.get(target, keepAlive).catch(() => undefined)
      if (another === undefined || another === accessToken) return answer
      answer.body?.cancel()
      accessToken = another
      return once()
    },
    finish: () => [],
  }
}
