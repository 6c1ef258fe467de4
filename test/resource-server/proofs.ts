/** DPoP proofs (RFC 9449 §4.2), good ones and others, for calls of one URL. */
import { createHash, randomBytes } from 'node:crypto'
import { type CryptoKey, calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import { audience, requestWith, seconds } from './issuer.ts'

export const url = `${audience}/orders/1`

export interface Key {
  readonly privateKey: CryptoKey
  readonly jwk: JWK
  readonly jkt: string
  readonly alg: string
}

export async function proofKey(alg = 'ES256'): Promise<Key> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  const jwk = await exportJWK(publicKey)
  return { privateKey, jwk, jkt: await calculateJwkThumbprint(jwk), alg }
}

interface ProofParts {
  readonly claims?: Record<string, unknown>
  readonly header?: Record<string, unknown>
  readonly signedBy?: CryptoKey
}

/** A proof of a GET of `url` with this token, but for what is given. A member that is undefined is left out. */
export async function proofOf(key: Key, token: string, { claims = {}, header = {}, signedBy }: ProofParts = {}) {
  const all = {
    jti: randomBytes(12).toString('base64url'),
    htm: 'GET',
    htu: url,
    iat: seconds(),
    ath: createHash('sha256').update(token).digest('base64url'),
    ...claims,
  }
  const given = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
  return new SignJWT(given)
    .setProtectedHeader({ alg: key.alg, typ: 'dpop+jwt', jwk: key.jwk, ...header })
    .sign(signedBy ?? key.privateKey)
}

export function dpopRequest(
  token: string,
  proof: string | undefined,
  init: RequestInit & { url?: string } = {},
): Request {
  const request = requestWith(undefined, { url, ...init })
  request.headers.set('Authorization', `DPoP ${token}`)
  if (proof !== undefined) request.headers.set('DPoP', proof)
  return request
}
