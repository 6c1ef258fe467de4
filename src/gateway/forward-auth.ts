/**
 * Forward auth: a proxy asks whether a request may pass, and gets the token that it passes with (nginx `auth_request`,
 * Traefik ForwardAuth, Envoy ext_authz). The request that it asks for has to be told whole, and is checked as if it had
 * come here itself.
 *
 * What is read is said by the configuration: a caller could send the header of another kind of proxy, which ours lets
 * through.
 */
import type { Context } from 'hono'
import type { Config, ForwardAuth, Route } from '../config/types.ts'
import { CoatcheckError } from '../errors.ts'
import { checkAddress } from '../protection/address-policy.ts'
import { checkHost, isInternalHost } from '../protection/host.ts'
import type { HeaderList, IncomingHeaders } from '../runtime.ts'
import type { Services } from '../services.ts'
import type { KeepAlive } from '../session/sessions.ts'
import { admit } from './admission/admit.ts'
import { checkTarget, type Target } from './target.ts'

const verifyPath = '/verify'
const secretHeader = 'x-coatcheck-secret'
/** `nobody`, and behind it the address of who has answered the request already. */
const answeredBy = 'x-original-answered-by'

/** The request that is asked for. */
interface Original {
  readonly method: string
  readonly scheme: string
  readonly host: string
  /** As it came to the proxy. */
  readonly target: string
}

/** Whether a path of the internal listener is asked for by a proxy of this kind. */
export function isVerifyPath({ proxy }: ForwardAuth, { path }: Target): boolean {
  return proxy === 'envoy' ? path.startsWith(`${verifyPath}/`) : path === verifyPath
}

/** What is asked for, as far as it can be told without looking at who calls. */
export interface AskedCall {
  readonly method: string
  readonly route: Route
  readonly headers: IncomingHeaders
  readonly target: Target
}

/** @throws CoatcheckError if who asks is not the proxy, does not say all, or asks for what is no route of its */
export function askedCall(services: Services, settings: ForwardAuth, c: Context, asked: Target): AskedCall {
  const { config, runtime } = services
  const headers = runtime.requestHeaders(c)
  checkAsker(settings, headers, config.internalHosts)
  checkAddress(services.clientAddress(c), config.addresses)
  const original = readers[settings.proxy](headers, c.req.method, asked)
  if (original.scheme !== new URL(config.origin).protocol.slice(0, -1)) throw incomplete('scheme')
  checkHost({ host: original.host }, config)
  checkBrowserFields(headers, original.method)
  const target = checkTarget(original.target)
  const match = services.routes.match(target.path, original.method)
  if (match.kind === 'method_not_allowed') throw new CoatcheckError('method_not_allowed')
  if (match.kind === 'none' || !match.route.forwardAuth) throw new CoatcheckError('no_route')
  return { method: original.method, route: match.route, headers, target }
}

/** The fields that the proxy passes on: `Authorization` to the upstream, cookies to the browser. @throws CoatcheckError */
export async function verify(
  services: Services,
  settings: ForwardAuth,
  c: Context,
  { target, ...asked }: AskedCall,
): Promise<HeaderList> {
  const keepAlive: KeepAlive = (work) => services.runtime.waitUntil(c, work)
  const admission = await admit(services, { c, ...asked, keepAlive }, target)
  // A link to a download: whether to send the person to sign in is the proxy's to say.
  if (admission instanceof Response) throw new CoatcheckError('login_required')
  const cookies = (await admission.finish({ status: 200, headers: [], body: null })).filter(isCookie)
  const authorization = ['authorization', admission.authorization() ?? ''] as const
  return [authorization, ...(settings.proxy === 'nginx' ? numbered(cookies) : cookies)]
}

/**
 * A page in a browser could ask too, by a name that it rebinds to this address. It does not know the secret, and cannot
 * send an IP address as `Host` unless it was loaded from there. Envoy sends the original `Host`, which is looked at later.
 *
 * @throws CoatcheckError `browser_refused`
 */
function checkAsker({ proxy, secret }: ForwardAuth, headers: IncomingHeaders, hosts: Config['internalHosts']): void {
  if (secret !== undefined) {
    if (isEqual(headers[secretHeader] ?? '', secret)) return
  } else if (proxy === 'envoy' || isInternalHost(headers.host, hosts)) {
    return
  }
  throw new CoatcheckError('browser_refused')
}

type Reader = (headers: IncomingHeaders, method: string, asked: Target) => Original

const readers: Readonly<Record<ForwardAuth['proxy'], Reader>> = {
  nginx(headers) {
    // nginx would come here for an answer's `X-Accel-Redirect` too, and hand that API, or the browser, the token.
    if (required(headers, answeredBy) !== 'nobody') throw incomplete(answeredBy)
    const url = required(headers, 'x-original-url')
    const [, scheme, host, target] = /^(https?):\/\/([^/?#\s,]+)(\/\S*)$/.exec(url) ?? []
    if (scheme === undefined || host === undefined || target === undefined) throw incomplete('x-original-url')
    return { method: requiredMethod(headers, 'x-original-method'), scheme, host, target }
  },
  traefik: (headers) => ({
    method: requiredMethod(headers, 'x-forwarded-method'),
    scheme: required(headers, 'x-forwarded-proto'),
    host: required(headers, 'x-forwarded-host'),
    target: required(headers, 'x-forwarded-uri'),
  }),
  envoy: (headers, method, { path, query }) => ({
    method,
    scheme: required(headers, 'x-forwarded-proto'),
    host: required(headers, 'host'),
    target: path.slice(verifyPath.length) + query,
  }),
}

/**
 * What every browser sends with a page's request. A proxy that leaves it out would have us check less than a call that
 * comes here itself (design.md, "The HTTP contract").
 */
function checkBrowserFields(headers: IncomingHeaders, method: string): void {
  for (const name of ['sec-fetch-site', 'sec-fetch-mode', 'sec-fetch-dest']) required(headers, name)
  if (method !== 'GET' && method !== 'HEAD') required(headers, 'origin')
}

function required(headers: IncomingHeaders, name: string): string {
  const value = headers[name]
  if (value === undefined || value === '') throw incomplete(name)
  return value
}

function requiredMethod(headers: IncomingHeaders, name: string): string {
  const method = required(headers, name)
  if (!/^[A-Z]{1,20}$/.test(method)) throw incomplete(name)
  return method
}

function incomplete(missing: string): CoatcheckError {
  return new CoatcheckError('forward_auth_incomplete', { members: { missing } })
}

function isCookie([name]: HeaderList[number]): boolean {
  return name === 'set-cookie'
}

/** nginx can pass on the first of several fields with one name only. There are at most three cookies. */
function numbered(cookies: HeaderList): HeaderList {
  return cookies.map(([, value], index) => [`x-coatcheck-set-cookie-${index + 1}`, value])
}

/** In the same time wherever they differ. */
function isEqual(one: string, other: string): boolean {
  let difference = one.length ^ other.length
  for (let index = 0; index < one.length; index++) {
    difference |= one.charCodeAt(index) ^ other.charCodeAt(index % other.length)
  }
  return difference === 0
}
