/** `POST /bff/backchannel-logout`: the authorization server ends sessions (OpenID Connect Back-Channel Logout 1.0 §2.5). */
import type { Handler } from 'hono'
import { CoatcheckError } from '../errors.ts'
import type { BffEnv, Services } from '../services.ts'
import { readText } from './read-text.ts'

export function backchannelLogout(services: Services): Handler<BffEnv> {
  const { config, runtime, reply, sessions, logoutMarks, verifyLogoutToken, report } = services
  return async (c) => {
    const type = runtime.requestHeaders(c)['content-type'] ?? ''
    if (!/^application\/x-www-form-urlencoded(\s*;|\s*$)/i.test(type)) throw malformed('Content-Type')
    const form = new URLSearchParams(await readText(runtime.requestBody(c)))
    const [token, ...more] = form.getAll('logout_token')
    if (token === undefined || more.length > 0) throw malformed('logout_token')
    const { jti, sid, sub, issuedAt, expiresAt } = await verifyLogoutToken(token)
    const ended = { issuer: config.provider.issuer, sid, sub, issuedAt, jti, expiresAt }
    await logoutMarks.add(ended)
    // The mark has ended them; that their tokens go at once is tidiness.
    await sessions.own?.endByServer(ended).catch((cause) => {
      report({ event: 'store_unavailable', during: 'backchannel_logout', cause })
    })
    report({ event: 'logout_token_accepted', by: sid === undefined ? 'sub' : 'sid' })
    return reply({ status: 200 })
  }
}

function malformed(parameter: string): CoatcheckError {
  return new CoatcheckError('invalid_request', { members: { parameter } })
}
