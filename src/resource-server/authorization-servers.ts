/** Which authorization servers are trusted, as the operator says it: read once, mistakes thrown at start. */

/** Asymmetric ones only: who can check a token with a shared secret can make one. */
export const algorithms = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
] as const satisfies readonly string[] as readonly Algorithm[]

/**
 * A signature algorithm that the guard takes.
 *
 * @example
 * ```ts
 * const algorithms: Algorithm[] = ['ES256', 'EdDSA']
 * ```
 */
export type Algorithm =
  | 'RS256'
  | 'RS384'
  | 'RS512'
  | 'PS256'
  | 'PS384'
  | 'PS512'
  | 'ES256'
  | 'ES384'
  | 'ES512'
  | 'EdDSA'
  | 'Ed25519'

/**
 * One authorization server whose access tokens are taken.
 *
 * @example
 * ```ts
 * const partners: AuthorizationServer = {
 *   issuer: 'https://login.partner.example',
 *   audience: 'https://api.example.com/partners',
 *   algorithms: ['ES256'],
 * }
 * ```
 */
export interface AuthorizationServer {
  /** Exactly as tokens have it in `iss`. https, or http on a loopback address. */
  readonly issuer: string
  /** What `aud` has to name. Default: that of all. */
  readonly audience?: string | readonly string[]
  /** Default: as the server's metadata says (OpenID Connect Discovery, RFC 8414), asked for at the first call. */
  readonly jwksUri?: string
  /** Default: those of all. */
  readonly algorithms?: readonly Algorithm[]
}

export interface AuthorizationServerOptions {
  readonly issuer?: string
  readonly issuers?: readonly (string | AuthorizationServer)[]
  readonly audience?: string | readonly string[]
  readonly jwksUri?: string
  readonly algorithms?: readonly Algorithm[]
}

export interface TrustedServer {
  readonly issuer: string
  readonly audience: readonly string[]
  readonly jwksUri: string | undefined
  readonly algorithms: readonly Algorithm[]
}

/** @throws TypeError that says what to mend */
export function readServers(options: AuthorizationServerOptions): TrustedServer[] {
  const { issuer, issuers } = options
  if ((issuer === undefined) === (issuers === undefined)) throw new TypeError('Name either `issuer` or `issuers`')
  if (issuers !== undefined && !Array.isArray(issuers)) throw new TypeError('`issuers` is a list: write [ ] around it')
  const named: readonly (string | AuthorizationServer)[] =
    issuers ??
    (issuer === undefined ? [] : [{ issuer, ...(options.jwksUri !== undefined && { jwksUri: options.jwksUri }) }])
  if (named.length === 0) throw new TypeError('`issuers` is empty: no token could be taken')
  if (issuers && options.jwksUri !== undefined) {
    throw new TypeError('`jwksUri` goes with one issuer: write it in the entry of `issuers` that it belongs to')
  }
  const servers = named.map((server) => readServer(typeof server === 'string' ? { issuer: server } : server, options))
  const twice = servers.find((server, index) => servers.findIndex((other) => other.issuer === server.issuer) !== index)
  if (twice) throw new TypeError(`The issuer ${twice.issuer} is named twice`)
  return servers
}

function readServer(server: AuthorizationServer, common: AuthorizationServerOptions): TrustedServer {
  const { issuer, jwksUri } = Object(server) as AuthorizationServer
  // A URL object would be no token's `iss`.
  if (typeof issuer !== 'string') throw new TypeError(`\`issuer\` is not a string: ${issuer}`)
  assertTrustworthyUrl(issuer, 'issuer')
  // RFC 8414 §2.
  if (/[?#]/.test(issuer)) throw new TypeError(`The issuer ${issuer} has a query or a fragment`)
  if (jwksUri !== undefined) assertTrustworthyUrl(jwksUri, 'jwksUri')
  const audience = [server.audience ?? common.audience ?? []].flat()
  if (audience.length === 0 || audience.some((value) => typeof value !== 'string' || value === '')) {
    throw new TypeError(`\`audience\` is missing for ${issuer}: name this API as its tokens do (RFC 9068 §4)`)
  }
  return { issuer, audience, jwksUri, algorithms: readAlgorithms(server.algorithms ?? common.algorithms) }
}

/** @throws TypeError for HMAC, `none`, and what nobody knows */
export function readAlgorithms(named: readonly Algorithm[] = algorithms): readonly Algorithm[] {
  if (!Array.isArray(named)) throw new TypeError(`\`algorithms\` is a list: write ['${named}']`)
  const unknown = named.find((algorithm) => !algorithms.includes(algorithm))
  if (unknown !== undefined) throw new TypeError(`The algorithm ${unknown} is not one of ${algorithms.join(', ')}`)
  if (named.length === 0) throw new TypeError('`algorithms` is empty: no token could be taken')
  return [...named]
}

/** Keys that come over plain http are whoever's is on the way. */
export function assertTrustworthyUrl(text: string, name: string): URL {
  const url = URL.parse(text)
  if (!url) throw new TypeError(`\`${name}\` is not a URL: ${text}`)
  if (url.username !== '' || url.password !== '') throw new TypeError(`\`${name}\` has credentials in it`)
  const isLoopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(url.hostname)
  if (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback)) return url
  throw new TypeError(`\`${name}\` has to be https (http on loopback addresses only): ${text}`)
}
