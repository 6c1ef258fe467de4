/** Somebody whose keys nobody trusts, and who has them ready wherever a token may say that they are (RFC 7515 §4.1.2 to §4.1.6). */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { importPKCS8 } from 'jose'
import { certificateFor } from '../node/certificates.ts'
import { type SigningKey, signingKey } from './issuer.ts'

export interface Stranger {
  /** Says that it is the published one. */
  readonly key: SigningKey
  /** `kid` of the key at `jku`. */
  readonly kid: string
  readonly jku: string
  /** Has the key in its certificate, which is at `x5u` and in `x5c`. */
  readonly certifiedKey: SigningKey
  readonly x5u: string
  readonly x5c: readonly string[]
  /** What was fetched from there. */
  readonly asked: readonly string[]
  stop(): Promise<void>
}

/** @param publishedKid that of a key that is trusted */
export async function startStranger(publishedKid: string | undefined): Promise<Stranger> {
  const key = await signingKey('ES256', publishedKid)
  const kid = 'mine'
  const pem = certificateFor('127.0.0.1')
  const privateKey = await importPKCS8(pem.key, 'ES256')
  const asked: string[] = []
  const server = createServer(({ url = '' }, response) => {
    asked.push(url)
    response.setHeader('Content-Type', url === '/jwks' ? 'application/json' : 'application/pem-certificate-chain')
    response.end(url === '/jwks' ? JSON.stringify({ keys: [{ ...key.jwk, kid }] }) : pem.cert)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    key,
    kid,
    jku: `${origin}/jwks`,
    certifiedKey: { alg: 'ES256', privateKey, jwk: {} },
    x5u: `${origin}/certificate`,
    x5c: [pem.cert.replace(/-----[A-Z ]+-----|\s/g, '')],
    asked,
    async stop() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}
