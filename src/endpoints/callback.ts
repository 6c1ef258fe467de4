/** `GET /bff/callback`: the authorization response. Ends in a redirect, always to a path of this origin. */
import type { Handler } from 'hono'
import { callHook } from '../config/hooks.ts'
import { CoatcheckError } from '../errors.ts'
import { LoginError, type LoginErrorCode, redeemCode } from '../oauth/code-grant.ts'
import { ownCookies } from '../own-cookies.ts'
import type { BffEnv, Services } from '../services.ts'
import { loginCookiePrefix, type RequestCookies } from '../session/cookie-names.ts'
import { deviceOf } from '../session/device.ts'
import {
  clearedLoginCookie,
  type LoginTransaction,
  openLoginTransaction,
  transactionIdOf,
  transactionIds,
} from '../session/login-transaction.ts'
import { type SessionStart, shortId } from '../session/session.ts'
import { cookieMissingPage, isCookieMissing } from './cookie-missing-page.ts'
import { withLoginError } from './login-error.ts'

export function callback(services: Services): Handler<BffEnv> {
  const { config, runtime, sessions, loginSealer, report, reply } = services

  const fail = (returnTo: string, code: LoginErrorCode, cause: unknown, id?: string) => {
    report({ event: 'login_failed', code, cause })
    const cookies = id === undefined ? [] : [clearedLoginCookie(id)]
    return reply({ status: 303, location: config.origin + withLoginError(returnTo, code), cookies })
  }

  return async (c) => {
    const { query } = c.get('target')
    const cookies = ownCookies(runtime.requestHeaders(c).cookie)
    const id = transactionIdOf(new URLSearchParams(query).get('state') ?? '')
    const transaction = id && (await openLoginTransaction(loginSealer, id, cookies, runtime.clock))
    if (!transaction) {
      if (isCookieMissing(config, id, cookies, runtime.clock))
        return reply({ status: 200, html: cookieMissingPage(config.origin) })
      // A sign-in that is over, or was never begun here: its code is not redeemed (SEC-3).
      const leftOver = id && cookies.has(loginCookiePrefix + id) ? id : undefined
      return fail('/', 'login_expired', undefined, leftOver)
    }
    try {
      const rivals = await otherTransactions(services, transaction, cookies)
      const arrival = {
        key: onceKey(transaction.id),
        secret: transaction.codeVerifier,
        rivals: rivals.map(onceKey),
        device: deviceOf(runtime.requestHeaders(c)['user-agent']),
      }
      const session = await sessions.begin(arrival, cookies, () => signIn(services, query, transaction))
      const changes = await sessions.firstCookies(session)
      report({ event: 'login_succeeded', session: shortId(session) })
      return reply({
        status: 303,
        location: config.origin + transaction.returnTo,
        cookies: [...changes, clearedLoginCookie(transaction.id)],
      })
    } catch (error) {
      if (error instanceof LoginError) return fail(transaction.returnTo, error.code, error.cause, transaction.id)
      if (error instanceof CoatcheckError && error.code === 'session_too_large') {
        return fail(transaction.returnTo, 'session_too_large', error, transaction.id)
      }
      throw error
    }
  }
}

/** Ids of sign-ins of this browser besides this one. A cookie's name is anybody's to choose: only what opens counts. */
async function otherTransactions(
  { loginSealer, runtime }: Services,
  { id }: LoginTransaction,
  cookies: RequestCookies,
): Promise<string[]> {
  const others = transactionIds(cookies).filter((other) => other !== id)
  const opened = await Promise.all(
    others.map((other) => openLoginTransaction(loginSealer, other, cookies, runtime.clock)),
  )
  return opened.flatMap((transaction) => transaction?.id ?? [])
}

async function signIn(services: Services, query: string, transaction: LoginTransaction): Promise<SessionStart> {
  const { config, runtime, server } = services
  const { tokens, claims, idToken } = await redeemCode(
    server,
    query,
    transaction,
    transaction.maxAgeSeconds,
    runtime.clock,
  )
  try {
    await config.hooks.onLogin?.({ claims })
  } catch (cause) {
    throw new LoginError('login_refused', cause)
  }
  const allowed = Object.fromEntries(
    config.session.claims.filter((name) => name in claims).map((name) => [name, claims[name]]),
  )
  const shownClaims = callHook('claims', () => config.hooks.claims?.(allowed)) ?? allowed
  return {
    issuer: config.provider.issuer,
    tokens,
    idToken,
    idTokenClaims: claims,
    shownClaims,
  }
}

function onceKey(transactionId: string): string {
  return `login.${transactionId}`
}
