/**
 * `POST /bff/split-tokens` on the internal listener: the authorization server delivers head and payload of an access token
 * whose signature it gives to the client. Delivered twice it is kept once.
 */
import type { Context } from 'hono'
import { decodeProtectedHeader } from 'jose/decode/protected_header'
import { decodeJwt } from 'jose/jwt/decode'
import { CoatcheckError } from '../errors.ts'
import { longestJwt } from '../oauth/access-tokens.ts'
import { bearerOf, bearerRealm } from '../protection/bearer.ts'
import type { Runtime } from '../runtime.ts'
import type { BffEnv, Services } from '../services.ts'
import { readText } from './read-text.ts'

const longestSecret = 128
/** What is kept must end some day, whatever a payload says. */
const longestLifeSeconds = 24 * 60 * 60
/** SHA-256, base64url. */
const hashForm = /^[\w-]{42}[AEIMQUYcgkosw048]$/
const partsForm = /^[\w-]+\.[\w-]+$/

export function splitTokensEndpoint(services: Services): (c: Context<BffEnv>) => Promise<Response> {
  const { runtime, config, splitTokens, reply } = services
  const { issuer } = config.provider
  return async (c) => {
    const headers = runtime.requestHeaders(c)
    const credential = bearerOf(headers, longestSecret)
    if (
      credential.kind !== 'token' ||
      !(await isSecret(runtime, credential.token, config.splitTokens?.secrets ?? []))
    ) {
      const challenge = `Bearer realm="${bearerRealm}"`
      throw new CoatcheckError('invalid_delivery_secret', { headers: { 'WWW-Authenticate': challenge } })
    }
    if (!/^application\/json(\s*;|\s*$)/i.test(headers['content-type'] ?? '')) throw invalid('Content-Type')
    const delivery = parse(await readText(runtime.requestBody(c)))
    const { signatureHash, headAndPayload } = readDelivery(delivery)
    const expiresAt = endOf(headAndPayload, issuer, runtime.clock.now() / 1000)
    await splitTokens.keep(signatureHash, headAndPayload, expiresAt)
    return reply({ status: 204 })
  }
}

/** By their hashes, so that how long a comparison takes says nothing of a secret. */
async function isSecret({ sha256 }: Runtime, given: string, secrets: readonly string[]): Promise<boolean> {
  const givenHash = await sha256(given)
  const hashes = await Promise.all(secrets.map(sha256))
  return hashes.includes(givenHash)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw invalid('body', cause)
  }
}

function readDelivery(body: unknown): { signatureHash: string; headAndPayload: string } {
  const { signature_hash: signatureHash, token: headAndPayload } = (body ?? {}) as Record<string, unknown>
  if (typeof signatureHash !== 'string' || !hashForm.test(signatureHash)) throw invalid('signature_hash')
  if (typeof headAndPayload !== 'string' || headAndPayload.length > longestJwt || !partsForm.test(headAndPayload)) {
    throw invalid('token')
  }
  return { signatureHash, headAndPayload }
}

/**
 * Whether it is one of this server's tokens, as far as that can be seen without its signature; epoch seconds. What it is
 * worth is found out with each token that is joined of it.
 */
function endOf(headAndPayload: string, issuer: string, nowSeconds: number): number {
  try {
    const { exp, iss } = decodeJwt(`${headAndPayload}.`)
    const { typ = '' } = decodeProtectedHeader(`${headAndPayload}.`)
    if (!/^(?:application\/)?at\+jwt$/i.test(typ)) throw invalid('typ')
    if (withoutSlash(iss ?? '') !== withoutSlash(issuer)) throw invalid('iss')
    if (typeof exp !== 'number' || !(exp > nowSeconds)) throw invalid('exp')
    return Math.min(exp, nowSeconds + longestLifeSeconds)
  } catch (error) {
    throw error instanceof CoatcheckError ? error : invalid('token', error)
  }
}

function withoutSlash(issuer: string): string {
  return issuer.endsWith('/') ? issuer.slice(0, -1) : issuer
}

function invalid(parameter: string, cause?: unknown): CoatcheckError {
  return new CoatcheckError('invalid_request', { members: { parameter }, cause })
}
