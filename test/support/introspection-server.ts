/**
 * An authorization server that answers introspection with an access token that is a JWT (`application/jwt`), as Curity's
 * does, and exchanges tokens for what it should not give. oidc-provider has no such answers, so this stands in for it:
 * HTTP, keys and signatures are real, and it gives whatever a test tells it to.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { UserConfig } from '../../src/config/user-config.ts'
import { claimsOf, type SigningKey, signClaims, signingKey } from '../resource-server/issuer.ts'

export interface IntrospectionAnswer {
  readonly status?: number
  readonly type?: string
  readonly body?: string
}

export interface IntrospectionServer {
  readonly issuer: string
  /** What Coatcheck is told of it. */
  readonly provider: Partial<UserConfig['provider']>
  readonly key: SigningKey
  /** Tokens that were asked about, oldest first, with what was asked. */
  readonly asked: { readonly token: string; readonly accept: string; readonly authorization: string }[]
  /** What is said of a token; what is not told is not active. May be a promise. */
  tell(token: string, answer: IntrospectionAnswer | Promise<IntrospectionAnswer>): void
  /** Tokens that were brought to be exchanged (RFC 8693), oldest first. */
  readonly exchanged: string[]
  /** What is given for a token at the token endpoint. */
  tellExchange(token: string, answer: IntrospectionAnswer): void
  /** A JWT for this token, of these claims. */
  jwtFor(
    claims?: Record<string, unknown>,
    options?: { key?: SigningKey; header?: Record<string, unknown> },
  ): Promise<string>
  stop(): Promise<void>
}

/** The phantom token in the form in which servers give it. */
export function asJwt(jwt: string): IntrospectionAnswer {
  return { type: 'application/jwt', body: jwt }
}

export async function startIntrospectionServer(): Promise<IntrospectionServer> {
  const key = await signingKey()
  const asked: { token: string; accept: string; authorization: string }[] = []
  const answers = new Map<string, IntrospectionAnswer | Promise<IntrospectionAnswer>>()
  const exchanged: string[] = []
  const exchanges = new Map<string, IntrospectionAnswer>()
  const server = createServer(async (request, response) => {
    if (request.url === '/jwks') {
      response.setHeader('Content-Type', 'application/json')
      response.end(JSON.stringify({ keys: [key.jwk] }))
      return
    }
    let text = ''
    for await (const chunk of request) text += String(chunk)
    const form = new URLSearchParams(text)
    const subject = form.get('subject_token')
    if (request.url === '/token' && subject !== null) {
      exchanged.push(subject)
      const refusal = { status: 400, body: '{"error":"invalid_grant"}' }
      const { status = 200, body = '' } = exchanges.get(subject) ?? refusal
      response.writeHead(status, { 'Content-Type': 'application/json' })
      response.end(body)
      return
    }
    const token = form.get('token') ?? ''
    const { accept = '', authorization = '' } = request.headers
    asked.push({ token, accept, authorization })
    const { status = 200, type = 'application/json', body = '' } = (await answers.get(token)) ?? { status: 204 }
    response.writeHead(status, { 'Content-Type': type })
    response.end(body)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    issuer,
    provider: {
      issuer,
      metadata: {
        authorizationEndpoint: `${issuer}/authorize`,
        tokenEndpoint: `${issuer}/token`,
        jwksUri: `${issuer}/jwks`,
        introspectionEndpoint: `${issuer}/introspect`,
      },
    },
    key,
    asked,
    tell: (token, answer) => void answers.set(token, answer),
    exchanged,
    tellExchange: (token, answer) => void exchanges.set(token, answer),
    jwtFor: (claims, options = {}) => signClaims(claimsOf(issuer, claims), options.key ?? key, options.header),
    async stop() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}
