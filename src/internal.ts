/** The internal listener: what is for the network inside, and never for a browser (design.md, "Listeners"). */
import { type Context, type ErrorHandler, Hono } from 'hono'
import type { Config, ForwardAuth } from './config/types.ts'
import { splitTokensEndpoint } from './endpoints/split-tokens.ts'
import { CoatcheckError, methodNotAllowed } from './errors.ts'
import { dispatch } from './gateway/dispatch.ts'
import { type AskedCall, askedCall, isVerifyPath, verify } from './gateway/forward-auth.ts'
import { checkTarget, type Target } from './gateway/target.ts'
import { toCoatcheckError } from './problem.ts'
import { isInternalHost } from './protection/host.ts'
import { endpointHeaders } from './protection/security-headers.ts'
import type { IncomingHeaders } from './runtime.ts'
import type { BffEnv, Services } from './services.ts'

export function internalApp(services: Services, onError: ErrorHandler<BffEnv>): Hono<BffEnv> {
  const { runtime, config } = services
  const { forwardAuth } = config
  const app = new Hono<BffEnv>()
  app.onError(onError)
  app.use(async (c, next) => {
    runtime.checkMessage?.(c)
    const target = checkTarget(runtime.requestTarget(c))
    // The one path that a browser's fields come to, by way of a proxy; it looks itself at who asks.
    if (forwardAuth && isVerifyPath(forwardAuth, target)) return answerProxy(services, forwardAuth, c, target)
    refuseBrowsers(runtime.requestHeaders(c), config.internalHosts)
    c.set('target', target)
    await next()
    return undefined
  })
  if (config.splitTokens) {
    const path = `${config.basePath}/split-tokens`
    app.post(path, splitTokensEndpoint(services))
    app.all(path, () => {
      throw methodNotAllowed(['POST'])
    })
  }
  app.all(
    '*',
    dispatch(
      services,
      services.internalRoutes,
      (c) => c.get('target'),
      () => {
        throw new CoatcheckError('no_route')
      },
    ),
  )
  return app
}

/**
 * Proxies understand 200, 401 and 403, and take the rest for a failure of ours: the code says what it was. nginx shows
 * nobody our document, so the code is in a field too.
 */
async function answerProxy(services: Services, settings: ForwardAuth, c: Context, target: Target): Promise<Response> {
  const common = endpointHeaders(services.config)
  let asked: AskedCall | undefined
  try {
    asked = askedCall(services, settings, c, target)
    const fields = await verify(services, settings, c, asked)
    return new Response(null, { status: 200, headers: [...common, ...fields] as [string, string][] })
  } catch (thrown) {
    const error = toCoatcheckError(thrown)
    services.tellFailure(error, { method: asked?.method ?? c.req.method, route: asked?.route })
    const status = error.status < 500 && error.status !== 401 ? 403 : error.status
    const problem = new CoatcheckError(error.code, { members: { ...error.members, status }, headers: error.headers })
    const { body, headers } = problem.getResponse([...common, ['x-coatcheck-code', error.code]])
    return new Response(body, { status, headers })
  }
}

/**
 * A page in a browser that runs inside the network, or on this machine, can send requests here too, and by a name that it
 * rebinds read the answers. Browsers say of a page's request where it is from, who is inside has no reason to; but not of
 * a GET by a name in plain HTTP.
 *
 * @throws CoatcheckError `browser_refused`, `misdirected_request`
 */
function refuseBrowsers(headers: IncomingHeaders, hosts: Config['internalHosts']): void {
  // Not `Sec-Fetch-Mode`: Node's `fetch` sends it, and browsers never without the other.
  if (headers.origin !== undefined || headers['sec-fetch-site'] !== undefined) {
    throw new CoatcheckError('browser_refused')
  }
  if (!isInternalHost(headers.host, hosts)) throw new CoatcheckError('misdirected_request')
}
