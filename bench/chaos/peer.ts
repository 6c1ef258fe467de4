/** express-openid-connect as a peer under the same burst, with the refresh code of its documentation. */
import express from 'express'
import { auth } from 'express-openid-connect'
import { request } from 'undici'
import type { AppOptions } from './app.ts'

const app = JSON.parse(process.env.CHAOS_APP ?? '') as AppOptions
const { issuer, clientId, clientSecret, scope } = app.provider
const server = express()
server.use(
  auth({
    authRequired: false,
    issuerBaseURL: issuer,
    baseURL: app.baseUrl,
    clientID: clientId,
    clientSecret,
    clientAuthMethod: 'client_secret_basic',
    idTokenSigningAlg: 'ES256',
    secret: app.secrets[0] ?? '',
    authorizationParams: { response_type: 'code', scope },
  }),
)
server.get('/api/*rest', async (incoming, outgoing) => {
  let accessToken = incoming.oidc.accessToken
  if (accessToken === undefined) {
    outgoing.sendStatus(401)
    return
  }
  if (accessToken.isExpired()) accessToken = await accessToken.refresh()
  const answer = await request(app.upstream + incoming.path.replace('/api', ''), {
    headers: { authorization: `Bearer ${accessToken.access_token}` },
  })
  outgoing.status(answer.statusCode)
  answer.body.pipe(outgoing)
})
// What a refresh fails with is the caller's 500, and no line on standard error for each.
server.use(((_error, _incoming, outgoing, _next) => {
  outgoing.sendStatus(500)
}) satisfies express.ErrorRequestHandler)
server.listen(app.port, '127.0.0.1', () => process.stdout.write('ready'))
process.once('SIGTERM', () => process.exit(0))
process.once('disconnect', () => process.exit(0))
