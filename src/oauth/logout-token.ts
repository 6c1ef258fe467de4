/** Logout tokens of the authorization server (OpenID Connect Back-Channel Logout 1.0 §2.4, §2.6). */
import type { JWTPayload } from 'jose'
import { decodeProtectedHeader } from 'jose/decode/protected_header'
import * as errors from 'jose/errors'
import { createRemoteJWKSet } from 'jose/jwks/remote'
import { decodeJwt } from 'jose/jwt/decode'
import { jwtVerify } from 'jose/jwt/verify'
import { CoatcheckError } from '../errors.ts'
import type { Clock } from '../runtime.ts'
import type { AuthorizationServer } from './authorization-server.ts'

export interface LogoutToken {
  /** Unique, against replays. */
  readonly jti: string
  readonly sid: string | undefined
  readonly sub: string | undefined
  /** The server's clock, epoch seconds. */
  readonly issuedAt: number
  /** Until when the same token could come again. Epoch seconds. */
  readonly expiresAt: number
}

/** Rejects with `invalid_request` for what is no logout token for us, `provider_unavailable` without its keys. */
export type VerifyLogoutToken = (token: string) => Promise<LogoutToken>

const eventName = 'http://schemas.openid.net/event/backchannel-logout'
const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519']
const types = ['logout+jwt', 'jwt', 'application/logout+jwt']
const clockToleranceSeconds = 60
/**
 * A token is taken for so long after it was issued, whatever its end. One without `exp` too: §2.4 requires it, earlier drafts
 * did not, and a sign-out that is refused for it would leave a session open.
 */
const longestLifeSeconds = 10 * 60
/** Unknown keys are asked for once in so long, whoever names them. */
const keyCooldownMs = 30_000

export function logoutTokenVerifier(server: AuthorizationServer, clock: Clock): VerifyLogoutToken {
  const { clientId } = server.provider
  let keys: { uri: string; find: ReturnType<typeof createRemoteJWKSet> } | undefined

  async function keysOf(jwksUri: string | undefined) {
    if (jwksUri === undefined) throw new CoatcheckError('provider_unavailable', { cause: new Error('no jwks_uri') })
    if (keys?.uri !== jwksUri) {
      keys = { uri: jwksUri, find: createRemoteJWKSet(new URL(jwksUri), { cooldownDuration: keyCooldownMs }) }
    }
    return keys.find
  }

  return async (token) => {
    const metadata = (await server.configuration()).serverMetadata()
    // Looked at before a key is fetched, so that noise costs the server nothing.
    checkUnverified(token, { issuer: metadata.issuer, clientId, nowSeconds: Math.floor(clock.now() / 1000) })
    const find = await keysOf(metadata.jwks_uri)
    try {
      const { payload } = await jwtVerify(token, find, {
        issuer: metadata.issuer,
        audience: clientId,
        algorithms,
        clockTolerance: clockToleranceSeconds,
        currentDate: new Date(clock.now()),
        requiredClaims: ['iat', 'jti'],
      })
      return readClaims(payload, clock)
    } catch (cause) {
      if (cause instanceof CoatcheckError) throw cause
      if (isOfKeys(cause)) throw new CoatcheckError('provider_unavailable', { headers: { 'Retry-After': '5' }, cause })
      throw refused('signature or times', cause)
    }
  }
}

function checkUnverified(
  token: string,
  { issuer, clientId, nowSeconds }: { issuer: string; clientId: string; nowSeconds: number },
): void {
  let payload: JWTPayload
  let header: ReturnType<typeof decodeProtectedHeader>
  try {
    payload = decodeJwt(token)
    header = decodeProtectedHeader(token)
  } catch (cause) {
    throw refused('form', cause)
  }
  if (!algorithms.includes(header.alg ?? '')) throw refused('alg')
  if (header.typ !== undefined && !types.includes(header.typ.toLowerCase())) throw refused('typ')
  if (payload.iss !== issuer) throw refused('iss')
  if (![payload.aud].flat().includes(clientId)) throw refused('aud')
  // An ID token is none: this tells them apart where `typ` does not.
  if (payload.nonce !== undefined) throw refused('nonce')
  const events: unknown = payload.events
  if (typeof events !== 'object' || events === null || !isObject((events as Record<string, unknown>)[eventName])) {
    throw refused('events')
  }
  if (!isText(payload.sid) && !isText(payload.sub)) throw refused('sid or sub')
  if (!isText(payload.jti)) throw refused('jti')
  if (typeof payload.exp === 'number' && payload.exp + clockToleranceSeconds <= nowSeconds) throw refused('exp')
}

function readClaims(payload: JWTPayload, clock: Clock): LogoutToken {
  const nowSeconds = Math.floor(clock.now() / 1000)
  const issuedAt = payload.iat ?? 0
  const oldest = nowSeconds - longestLifeSeconds - clockToleranceSeconds
  if (issuedAt < oldest || issuedAt > nowSeconds + clockToleranceSeconds) throw refused('iat')
  return {
    jti: String(payload.jti),
    sid: isText(payload.sid) ? payload.sid : undefined,
    sub: isText(payload.sub) ? payload.sub : undefined,
    issuedAt,
    expiresAt: issuedAt + longestLifeSeconds + 2 * clockToleranceSeconds,
  }
}

/** The keys could not be had: not the token's fault. An unknown `kid` is. */
function isOfKeys(cause: unknown): boolean {
  return (
    !(cause instanceof errors.JOSEError) || cause instanceof errors.JWKSTimeout || cause.code === 'ERR_JOSE_GENERIC'
  )
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= 1024
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function refused(check: string, cause?: unknown): CoatcheckError {
  return new CoatcheckError('invalid_request', { members: { parameter: 'logout_token', check }, cause })
}
