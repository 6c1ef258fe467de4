/**
 * Access tokens of our own (client credentials, RFC 6749 §4.4), one for each API and its scopes: kept, renewed early
 * behind the calls, asked for once however many need it, and not asked for while the server is out.
 */
import * as client from 'openid-client'
import type { TokenRequest } from '../config/types.ts'
import { CoatcheckError } from '../errors.ts'
import type { Clock } from '../runtime.ts'
import type { AuthorizationServer } from './authorization-server.ts'
import { tokenFailure } from './failures.ts'
import { tokenSet } from './token-response.ts'

export interface ClientTokens {
  /** @throws CoatcheckError `token_refused`, `provider_unavailable` */
  get(target: TokenRequest, keepAlive: (work: Promise<unknown>) => void): Promise<string>
  /** After an API's 401: true if another token may do, because this one was not just issued. */
  reject(target: TokenRequest, accessToken: string): boolean
}

interface Kept {
  readonly accessToken: string
  readonly issuedAt: number
  readonly renewAt: number
  readonly expiresAt: number
}

/** Of tokens that do not say how long they live. */
const unknownLifeMs = 60_000
const firstBackOffMs = 1000
const longestBackOffMs = 30_000
const justIssuedMs = 60_000

export function clientTokens(server: AuthorizationServer, clock: Clock): ClientTokens {
  const kept = new Map<string, Kept>()
  const running = new Map<string, Promise<Kept>>()
  const failed = new Map<string, { error: CoatcheckError; until: number; delayMs: number }>()

  async function ask({ resource, scopes }: TokenRequest): Promise<Kept> {
    const parameters = {
      ...(resource !== undefined && { resource }),
      ...(scopes.length > 0 && { scope: scopes.join(' ') }),
    }
    const response = await client.clientCredentialsGrant(await server.configuration(), parameters)
    const now = clock.now()
    const { accessToken, scope, expiresAt } = tokenSet(response, Math.floor(now / 1000), { scope: scopes.join(' ') })
    const granted = scope.split(' ')
    if (scopes.some((one) => !granted.includes(one)))
      throw new CoatcheckError('token_refused', { reason: 'fewer_scopes' })
    const lifeMs = expiresAt === undefined ? unknownLifeMs : expiresAt * 1000 - now
    // Processes that started together do not renew together (as R2 has it for sessions).
    const renewAt = now + lifeMs * (0.75 + Math.random() * 0.1)
    return { accessToken, issuedAt: now, renewAt, expiresAt: now + lifeMs }
  }

  function renew(key: string, target: TokenRequest): Promise<Kept> {
    const known = running.get(key)
    if (known) return known
    const work = ask(target)
      .then((token) => {
        failed.delete(key)
        kept.set(key, token)
        return token
      })
      .catch((cause) => {
        const error = tokenFailure(cause)
        const delayMs = delayAfter(failed.get(key)?.delayMs, error)
        failed.set(key, { error, until: clock.now() + delayMs, delayMs })
        throw error
      })
      .finally(() => running.delete(key))
    running.set(key, work)
    return work
  }

  return {
    async get(target, keepAlive) {
      const key = keyOf(target)
      const now = clock.now()
      const known = kept.get(key)
      const isAlive = known !== undefined && known.expiresAt > now
      if (isAlive && known.renewAt > now) return known.accessToken
      const failure = failed.get(key)
      const isBackingOff = failure !== undefined && failure.until > now
      if (isBackingOff) {
        if (isAlive) return known.accessToken
        throw failure.error
      }
      const renewed = renew(key, target)
      // Others wait for it too, and on Workers what a caller began may end when that caller leaves.
      keepAlive(renewed.catch(() => undefined))
      return isAlive ? known.accessToken : (await renewed).accessToken
    },

    reject(target, accessToken) {
      const key = keyOf(target)
      const known = kept.get(key)
      if (known?.accessToken !== accessToken) return true
      if (clock.now() - known.issuedAt < justIssuedMs) return false
      kept.delete(key)
      return true
    },
  }
}

function keyOf({ resource, scopes }: TokenRequest): string {
  return JSON.stringify([resource, scopes])
}

function delayAfter(last: number | undefined, error: CoatcheckError): number {
  const doubled = Math.min((last ?? firstBackOffMs / 2) * 2, longestBackOffMs)
  const asked = Number(error.headers['Retry-After'] ?? 0) * 1000
  return Math.max(doubled, Math.min(asked, longestBackOffMs))
}
