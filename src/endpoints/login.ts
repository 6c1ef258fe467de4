/** `GET /bff/login`: begins a sign-in. Starts only what this origin or the person began (ASVS 7.6.2). */
import type { Context, Handler } from 'hono'
import { CoatcheckError } from '../errors.ts'
import {
  authorizationUrl,
  newAuthorizationSecrets,
  type PassedOnParameters,
  passedOnParameters,
} from '../oauth/authorization-request.ts'
import { ownCookies } from '../own-cookies.ts'
import { isNavigation, mayStartLogin } from '../protection/fetch-metadata.ts'
import { parseReturnTo } from '../protection/return-to.ts'
import type { BffEnv, Services } from '../services.ts'
import { loginCookies, newTransactionId } from '../session/login-transaction.ts'
import { withLoginError } from './login-error.ts'

/** Longer than any real one; it goes into a URL. */
const maxParameterLength = 512

export function login(services: Services): Handler<BffEnv> {
  const { config, runtime, routes, reply } = services
  const isReserved = (path: string) =>
    path === config.basePath || path.startsWith(`${config.basePath}/`) || routes.has(path)

  return async (c) => {
    const headers = runtime.requestHeaders(c)
    const query = new URLSearchParams(c.get('target').query)
    const may = mayStartLogin(headers)
    // OpenID Connect Core §4: another site may begin it where the operator said so, and chooses nothing. Only by a
    // navigation: an image or a frame is no sign-in that anyone sees.
    const isThirdParty = config.thirdPartyInitiatedLogin && single(query, 'iss') === config.provider.issuer
    if (isThirdParty && (may === 'start' || (may === 'return' && isNavigation(headers)))) {
      return start(services, c, '/', {})
    }
    const returnTo = parseReturnTo(single(query, 'return_to'), isReserved)
    switch (may) {
      case 'start':
        return start(services, c, returnTo, passedOn(query))
      case 'prefetch':
        return reply({ status: 204 })
      case 'return':
        return reply({ status: 303, location: config.origin + returnTo })
    }
  }
}

async function start(
  services: Services,
  c: Context,
  returnTo: string,
  passedOn: PassedOnParameters,
): Promise<Response> {
  const { config, runtime, server, loginSealer, report, reply } = services
  const { clock } = runtime
  const id = newTransactionId(clock)
  const secrets = newAuthorizationSecrets(id)
  const maxAge = strictestMaxAge(passedOn.max_age, config.provider.authorizationParameters.max_age)
  let url: URL
  try {
    url = await authorizationUrl(server, secrets, { ...passedOn, ...(maxAge !== undefined && { max_age: maxAge }) })
  } catch (cause) {
    if (!(cause instanceof CoatcheckError)) throw cause
    report({ event: 'login_failed', code: 'temporarily_unavailable', cause })
    return reply({ status: 303, location: config.origin + withLoginError(returnTo, 'temporarily_unavailable') })
  }
  const transaction = {
    id,
    ...secrets,
    returnTo,
    ...(maxAge !== undefined && { maxAgeSeconds: Number(maxAge) }),
    startedAt: Math.floor(clock.now() / 1000),
  }
  const cookies = await loginCookies(loginSealer, transaction, ownCookies(runtime.requestHeaders(c).cookie))
  return reply({ status: 302, location: url.href, cookies })
}

function passedOn(query: URLSearchParams): PassedOnParameters {
  const chosen: PassedOnParameters = {}
  for (const name of passedOnParameters) {
    const value = single(query, name)
    if (value === undefined) continue
    if (value.length > maxParameterLength || (name === 'max_age' && !/^\d{1,9}$/.test(value))) throw invalid(name)
    chosen[name] = value
  }
  return chosen
}

/** The configured one is a bound, which the page may lower. Whichever is sent, the ID token's `auth_time` is held to. */
function strictestMaxAge(chosen: string | undefined, configured: string | undefined): string | undefined {
  const isBound = configured !== undefined && /^\d{1,9}$/.test(configured)
  if (!isBound) return chosen
  return chosen === undefined || Number(chosen) > Number(configured) ? configured : chosen
}

/** A parameter that is there twice means two things to two readers. */
function single(query: URLSearchParams, name: string): string | undefined {
  const values = query.getAll(name)
  if (values.length > 1) throw invalid(name)
  return values[0]
}

function invalid(parameter: string): CoatcheckError {
  return new CoatcheckError('invalid_request', { members: { parameter } })
}
