/** `auth: 'jwt'`: a client inside the network that holds an access token itself. It is verified, and passed on as it is. */
import { longestJwt } from '../../oauth/access-tokens.ts'
import type { Services } from '../../services.ts'
import type { Admission, Call } from './admission.ts'
import { admitWith, requireFor, tokenOf, withChallenge } from './bearer.ts'

export async function admitJwt(services: Services, { route, headers, keepAlive }: Call): Promise<Admission> {
  const { config, verifyAccessToken } = services
  const jwt = tokenOf(headers, config, route, longestJwt)
  try {
    const token = await verifyAccessToken(jwt, keepAlive)
    requireFor(route, token)
    return admitWith(config, route, jwt, token)
  } catch (error) {
    throw withChallenge(error, config, route)
  }
}
