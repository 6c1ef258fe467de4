/** An authorization server as far as an API sees one: metadata and keys over HTTP, tokens that are signed, bad days. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'

export const audience = 'https://api.example.com'

export interface SigningKey {
  readonly alg: string
  readonly privateKey: CryptoKey
  /** As it is published. */
  readonly jwk: JWK
}

export interface TestIssuer {
  readonly url: string
  /** What is published. Change it to rotate. */
  keys: SigningKey[]
  /** How often the keys were asked for. */
  keyFetches: number
  metadataFetches: number
  /** Answers instead of the issuer's own. */
  answer: ((request: IncomingMessage, response: ServerResponse) => void) | undefined
  sign(claims?: Record<string, unknown>, options?: SignOptions): Promise<string>
  goDown(): Promise<void>
  comeBack(): Promise<void>
  stop(): Promise<void>
}

export interface SignOptions {
  readonly key?: SigningKey
  /** Over the header; a member that is undefined is left out. */
  readonly header?: Record<string, unknown>
}

export async function signingKey(alg = 'ES256', kid: string | undefined = randomBytes(6).toString('hex')) {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
  const jwk = { ...(await exportJWK(publicKey)), use: 'sig', alg, ...(kid !== undefined && { kid }) }
  return { alg, privateKey, jwk } satisfies SigningKey
}

export function seconds(): number {
  return Math.floor(Date.now() / 1000)
}

export function claimsOf(issuer: string, claims: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    iss: issuer,
    aud: audience,
    sub: 'ada',
    client_id: 'app',
    jti: randomBytes(12).toString('base64url'),
    scope: 'orders:read orders:write',
    iat: seconds(),
    exp: seconds() + 60,
    ...claims,
  }
}

/** Signs what it is given, whatever that is. */
export function signClaims(claims: Record<string, unknown>, key: SigningKey, header: Record<string, unknown> = {}) {
  const all = { alg: key.alg, kid: key.jwk.kid, typ: 'at+jwt', ...header }
  const given = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
  return new SignJWT(claims).setProtectedHeader(given as { alg: string }).sign(key.privateKey)
}

/** @param path of the issuer, `/tenants/one` */
export async function startIssuer(options: { path?: string; metadata?: 'openid' | 'oauth' } = {}): Promise<TestIssuer> {
  const { path = '', metadata = 'openid' } = options
  const metadataPath =
    metadata === 'openid'
      ? `${path}/.well-known/openid-configuration`
      : `/.well-known/oauth-authorization-server${path}`
  const server = createServer((request, response) => {
    const isKeys = request.url === '/jwks'
    const isMetadata = request.url === metadataPath
    if (isKeys) issuer.keyFetches += 1
    if (isMetadata) issuer.metadataFetches += 1
    if (issuer.answer) return issuer.answer(request, response)
    response.statusCode = isKeys || isMetadata ? 200 : 404
    response.setHeader('Content-Type', 'application/json')
    const keys = issuer.keys.map(({ jwk }) => jwk)
    response.end(JSON.stringify(isKeys ? { keys } : { issuer: url, jwks_uri: `${origin}/jwks` }))
  })
  const open = async (port: number) => {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  }
  const close = async () => {
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  }
  await open(0)
  const { port } = server.address() as AddressInfo
  const origin = `http://127.0.0.1:${port}`
  const url = origin + path
  const issuer: TestIssuer = {
    url,
    keys: [await signingKey()],
    keyFetches: 0,
    metadataFetches: 0,
    answer: undefined,
    sign(claims = {}, { key = issuer.keys[0] as SigningKey, header = {} } = {}) {
      const all = Object.entries(claimsOf(url, claims)).filter(([, value]) => value !== undefined)
      return signClaims(Object.fromEntries(all), key, header)
    },
    goDown: close,
    comeBack: () => open(port),
    stop: async () => {
      if (server.listening) await close()
    },
  }
  return issuer
}

/** The call of a client that has this token. */
export function requestWith(token: string | undefined, init: RequestInit & { url?: string } = {}): Request {
  const { url = `${audience}/orders/1`, ...rest } = init
  const headers = new Headers(init.headers)
  if (token !== undefined) headers.set('Authorization', `Bearer ${token}`)
  return new Request(url, { ...rest, headers })
}
