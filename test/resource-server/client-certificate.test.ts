/** The certificate of a real connection (RFC 8705 §3): TLS of Node's, with Express, as docs/resource-server.md has it. */
import { createHash, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { createServer, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import express from 'express'
import { expect, it, onTestFinished } from 'vitest'
import { accessOf, anyCaller, type ClientCertificate, expressGuard } from '../../src/resource-server/index.ts'
import { certificateFor } from '../node/certificates.ts'
import { guardedApi } from './guarded-api.ts'

const { issuer, guard } = await guardedApi()

const clientCertificate: ClientCertificate = (call) =>
  (call.native as { socket: { getPeerCertificate(): { raw?: Uint8Array } } }).socket.getPeerCertificate().raw

type Credentials = ReturnType<typeof certificateFor>

async function startApi(tls: Credentials): Promise<number> {
  const app = express()
  const allow = expressGuard(app, guard({ clientCertificate }))
  app.get('/me', allow(anyCaller()), (req, res) => void res.json({ boundTo: accessOf(req).boundTo }))
  // The clients' certificates are their own authorities (RFC 8705 §2.2): the token says which one is meant.
  const server = createServer({ ...tls, requestCert: true, rejectUnauthorized: false }, app).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  return (server.address() as AddressInfo).port
}

it('a token that is bound to a certificate lets in over a connection that has shown it, and over no other', async () => {
  const tls = certificateFor('127.0.0.1')
  const [own, another] = [certificateFor('ada.example'), certificateFor('grace.example')]
  const thumbprint = createHash('sha256').update(new X509Certificate(own.cert).raw).digest('base64url')
  const token = await issuer.sign({ cnf: { 'x5t#S256': thumbprint } })
  const port = await startApi(tls)

  const ask = async (client: Partial<Credentials>) => {
    const headers = { Authorization: `Bearer ${token}` }
    const call = request({ host: '127.0.0.1', port, path: '/me', headers, ca: tls.cert, agent: false, ...client }).end()
    const [response] = await once(call, 'response')
    return [response.statusCode, await json(response)]
  }
  expect(await ask(own)).toEqual([200, { boundTo: ['mtls'] }])
  expect(await ask(another)).toMatchObject([401, { code: 'invalid_token' }])
  expect(await ask({})).toMatchObject([401, { code: 'invalid_token' }])
})
