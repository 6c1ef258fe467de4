/**
 * `auth: 'split'`: a client outside that holds the signature of a JWT. Head and payload were delivered here by the
 * authorization server; the whole is verified as any JWT is, and passed on.
 */
import { CoatcheckError } from '../../errors.ts'
import { looksLikeJwt } from '../../protection/bearer.ts'
import type { Services } from '../../services.ts'
import type { Admission, Call } from './admission.ts'
import { admitWith, requireFor, tokenOf, withChallenge } from './bearer.ts'

/** RSA with 8192 bits. */
const longestSignature = 1366

export async function admitSplit(services: Services, { route, headers, keepAlive }: Call): Promise<Admission> {
  const { config, joinToken, runtime } = services
  const signature = tokenOf(headers, config, route, longestSignature)
  try {
    if (looksLikeJwt(signature)) throw new CoatcheckError('invalid_token', { reason: 'a_jwt' })
    const { jwt, token } = await joinToken(await runtime.sha256(signature), signature, keepAlive)
    requireFor(route, token)
    return admitWith(config, route, jwt, token)
  } catch (error) {
    throw withChallenge(error, config, route)
  }
}
