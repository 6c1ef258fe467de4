/** The table of contents: what answers which path, in order. */
import { type Context, type ErrorHandler, Hono, type MiddlewareHandler } from 'hono'
import { ConfigError } from './config/config-error.ts'
import { byStage } from './config/rate-limits.ts'
import { coordinatorMistake } from './config/session.ts'
import type { Config } from './config/types.ts'
import type { Hooks } from './config/user-config.ts'
import { backchannelLogout } from './endpoints/backchannel-logout.ts'
import { callback } from './endpoints/callback.ts'
import { login } from './endpoints/login.ts'
import { logout } from './endpoints/logout.ts'
import { logoutContinue } from './endpoints/logout-continue.ts'
import { replyWith } from './endpoints/reply.ts'
import { session } from './endpoints/session.ts'
import { endOtherSessions, endSession, listSessions } from './endpoints/sessions.ts'
import { CoatcheckError, methodNotAllowed } from './errors.ts'
import { dispatch } from './gateway/dispatch.ts'
import { liveStreams } from './gateway/live-streams.ts'
import { buildRouteTable, type RouteTable } from './gateway/match.ts'
import { protectedResources } from './gateway/protected-resource.ts'
import { addressCaller, rateLimiter } from './gateway/rate-limits.ts'
import { type SessionEnv, sessionMiddleware } from './gateway/session-middleware.ts'
import { checkTarget, type Target } from './gateway/target.ts'
import { internalApp } from './internal.ts'
import { managementApp } from './management.ts'
import { accessTokens, audiencesOf } from './oauth/access-tokens.ts'
import { authorizationServer } from './oauth/authorization-server.ts'
import { clientTokens } from './oauth/client-token.ts'
import { introspection } from './oauth/introspection.ts'
import { joinedTokens } from './oauth/joined-tokens.ts'
import { logoutTokenVerifier } from './oauth/logout-token.ts'
import { refreshGrant } from './oauth/refresh-grant.ts'
import { revokeTokens } from './oauth/revocation.ts'
import { tokenExchange } from './oauth/token-exchange.ts'
import { type Report, reportToConsole } from './observability/events.ts'
import { failedCalls } from './observability/failed-calls.ts'
import { problemResponse, toCoatcheckError } from './problem.ts'
import { checkAddress } from './protection/address-policy.ts'
import { clientAddresses } from './protection/client-address.ts'
import { checkHost } from './protection/host.ts'
import { endpointHeaders } from './protection/security-headers.ts'
import type { Runtime } from './runtime.ts'
import type { BffEnv, Services } from './services.ts'
import { keyedHash } from './session/keyed-hash.ts'
import { logoutMarks, noLogoutMarks } from './session/logout-marks.ts'
import { sealer } from './session/seal.ts'
import { sessions } from './session/sessions.ts'
import { splitTokens } from './session/split-tokens.ts'
import { storeWatch } from './session/store-watch.ts'
import { cookieStore } from './session/stores/cookie-store.ts'
import { webRuntime } from './web-runtime.ts'

export interface TokenHandlerOptions {
  /**
   * Default: `webRuntime()`, for any server that speaks web standards. `coatcheck/node` has Node's, and `coatcheck/workers`
   * that of Workers, which alone refuses a store that one isolate keeps to itself.
   */
  runtime?: Runtime
  /** Serves the app's pages: gets GET and HEAD that no route and no endpoint takes; undefined is 404. */
  pages?: ((c: Context) => Response | undefined | Promise<Response | undefined>) | undefined
  /** Leaves unknown paths to the app that `routes` is mounted in, instead of answering 404. */
  fallthrough?: boolean
  /** Gets what happens: sign-ins, refreshes, failures. Default: lines of JSON on standard error. */
  report?: Report
}

export interface TokenHandler {
  /** Every endpoint and route. Mount it last, and at the root, where paths are as browsers see them: `app.route('/', bff.routes)`. */
  readonly routes: Hono<BffEnv>
  /** What is for the network inside, on a listener of its own: never mount it where browsers come. */
  readonly internal: Hono<BffEnv>
  /** `/healthz` and `/readyz`, on a listener of their own. */
  readonly management: Hono<BffEnv>
  /** Requires a session, by the gateway's own checks, and gives `c.var.session`. */
  session<Claims = Record<string, unknown>>(): MiddlewareHandler<SessionEnv<Claims>>
}

/** nginx's 499: for logs alone, nobody is left to read it. */
const clientClosedRequest = 499
/** Most that one refresh request takes, in the provider's timeouts (R4). */
const refreshTimeoutFactor = 3

export function tokenHandler(config: Config, options: TokenHandlerOptions = {}): TokenHandler {
  const services = makeServices(config, options)
  const { runtime, report } = services
  const { basePath } = config
  // The app that we are mounted in may have them: no mistake, but worth a word.
  if (config.spa && !options.pages && !options.fallthrough) {
    report({
      event: 'pages_not_served',
      setting: 'spa',
      add: 'pages, as appPages of coatcheck/node or coatcheck/workers makes them',
    })
  }
  const common = endpointHeaders(config)
  const problem = (thrown: unknown, c: Context, routes?: RouteTable) => {
    const error = toCoatcheckError(thrown)
    services.tellFailure(error, { method: c.req.method, route: routes && routeOf(c, routes) })
    return problemResponse(error, common)
  }
  /** By the target itself: what was refused may never have got to its route. */
  const routeOf = (c: Context, routes: RouteTable) => {
    try {
      const match = routes.match(checkTarget(runtime.requestTarget(c)).path, c.req.method)
      return match.kind === 'route' ? match.route : undefined
    } catch (error) {
      // It may have been refused for its target.
      if (error instanceof CoatcheckError) return undefined
      throw error
    }
  }

  const app = new Hono<BffEnv>()
  // A client that went away gets nothing, and is nothing to report.
  const onErrorOf =
    (routes?: RouteTable): ErrorHandler<BffEnv> =>
    (error, c) =>
      runtime.clientSignal(c).aborted ? new Response(null, { status: clientClosedRequest }) : problem(error, c, routes)
  app.onError(onErrorOf(services.routes))

  /**
   * What every call has to pass, whatever it is for. No middleware: a handler that is alone on its path Hono calls
   * directly, in half the time.
   */
  const checkCall = (c: Context<BffEnv>): Target => {
    runtime.checkMessage?.(c)
    checkHost(runtime.requestHeaders(c), config)
    checkAddress(services.clientAddress(c), config.addresses)
    services.watchStore()
    return checkTarget(runtime.requestTarget(c))
  }

  // Mounted below a prefix we would be where no redirect and no cookie leads: then nothing is here, rather than half of it.
  app.use(`${basePath}/*`, async (c, next) => {
    const target = checkCall(c)
    if (!target.path.startsWith(`${basePath}/`)) throw new CoatcheckError('no_route')
    c.set('target', target)
    await next()
  })

  // Whoever tries out cookies, codes or logout tokens is counted with the calls of their address.
  const { byAddress } = byStage(config.rateLimits)
  app.use(`${basePath}/*`, async (c, next) => {
    const left = await services.rateLimiter.take(byAddress, addressCaller(services.clientAddress(c)))
    await next()
    for (const [name, value] of left) c.header(name, value)
  })

  // Hono answers HEAD by GET; these two begin or finish something, and HEAD must not.
  for (const path of ['/login', '/callback'] as const) {
    app.use(basePath + path, async (c, next) => {
      if (c.req.method !== 'GET') throw methodNotAllowed(['GET'])
      await next()
    })
  }
  app.get(`${basePath}/login`, login(services))
  app.get(`${basePath}/callback`, callback(services))
  app.get(`${basePath}/session`, session(services))
  app.post(`${basePath}/logout`, logout(services))
  app.get(`${basePath}/logout/continue`, logoutContinue(services))
  if (config.backChannelLogout) {
    app.post(`${basePath}/backchannel-logout`, backchannelLogout(services))
    app.all(`${basePath}/backchannel-logout`, () => refuse(methodNotAllowed(['POST'])))
  }
  const { own } = services.sessions
  if (own) {
    app.get(`${basePath}/sessions`, listSessions(services, own))
    app.delete(`${basePath}/sessions`, endOtherSessions(services, own))
    app.delete(`${basePath}/sessions/:id`, endSession(services, own))
    app.all(`${basePath}/sessions`, () => refuse(methodNotAllowed(['GET', 'HEAD', 'DELETE'])))
    app.all(`${basePath}/sessions/:id`, () => refuse(methodNotAllowed(['DELETE'])))
  }
  app.all(`${basePath}/session`, () => refuse(methodNotAllowed(['GET', 'HEAD'])))
  app.all(`${basePath}/logout`, () => refuse(methodNotAllowed(['POST'])))
  app.all(`${basePath}/logout/continue`, () => refuse(methodNotAllowed(['GET', 'HEAD'])))
  app.all(`${basePath}/*`, () => refuse(new CoatcheckError('no_route')))

  const resources = protectedResources(config)
  app.get('/.well-known/*', async (c, next) => {
    const resource = resources.get(checkCall(c).path)
    return resource ? services.reply({ status: 200, json: resource }) : next()
  })

  app.all(
    '*',
    dispatch(services, services.routes, checkCall, async (c, next) => {
      const page = c.req.method === 'GET' || c.req.method === 'HEAD' ? await options.pages?.(c) : undefined
      if (page) return page
      if (!options.fallthrough) throw new CoatcheckError('no_route')
      return next()
    }),
  )

  return {
    routes: app,
    internal: internalApp(services, onErrorOf(services.internalRoutes)),
    management: managementApp(services, onErrorOf()),
    session: <Claims>() => sessionMiddleware<Claims>(services, problem),
  }
}

function makeServices(config: Config, options: TokenHandlerOptions): Services {
  const runtime = options.runtime ?? webRuntime()
  const report = options.report ?? reportToConsole
  const { clock } = runtime
  runtime.prepare(config, report)
  const { secrets, idleSeconds, absoluteSeconds, maxSessions } = config.session
  const { issuer, clientId, timeoutSeconds } = config.provider
  const context = { origin: config.origin, issuer, clientId }
  const { coordinator, cookie } = config.session.store ?? cookieStore()
  // What the configuration left open has been filled in by now.
  const unshared = coordinatorMistake(config.backChannelLogout, coordinator)
  if (unshared) throw new ConfigError([unshared])
  const marks = config.backChannelLogout
    ? logoutMarks(coordinator, clock, absoluteSeconds, keyedHash(secrets, 'logout-mark', { ...context, origin: '' }))
    : noLogoutMarks
  const server = authorizationServer(config, clock)
  const addresses = clientAddresses(config.trustedProxies)
  const opened = sessions({
    secrets,
    context,
    coordinator,
    cookie,
    maxSessions,
    rawDeflate: runtime.rawDeflate,
    logoutMarks: marks,
    clock,
    report,
    grant: {
      refresh: (held, target) => refreshGrant(server, held, clock, target),
      revoke: (tokens) => revokeTokens(server, tokens),
      requestLimitMs: timeoutSeconds * 1000 * refreshTimeoutFactor,
    },
    idleSeconds,
    absoluteSeconds,
    callerLimitMs: timeoutSeconds * 1000,
    onEnd: ({ id, sub }, reason) => {
      live.ended(id)
      void tellOfEnd(config, { reason, sub }, report)
    },
    onSeen: (id, idleEndsAt) => live.seen(id, idleEndsAt),
  })
  const live = liveStreams({ sessions: opened, runtime, clock, report, ...config.streams })
  const split = splitTokens(coordinator, sealer(secrets, 'split', context), clock)
  const { verify: verifyAccessToken, verifyOnce } = accessTokens(server, audiencesOf(config.routes), clock)
  return {
    config,
    runtime,
    server,
    report,
    tellFailure: failedCalls(runtime, report),
    reply: replyWith(endpointHeaders(config)),
    clientAddress: (c) => addresses.of(runtime.peerAddress(c), () => runtime.requestHeaders(c)['x-forwarded-for']),
    rateLimiter: rateLimiter(coordinator, clock, report),
    watchStore: storeWatch(coordinator, clock, report),
    askStore: async () => coordinator.read('readiness'),
    routes: buildRouteTable(config.routes.filter(({ listener }) => listener === 'public')),
    internalRoutes: buildRouteTable(config.routes.filter(({ listener }) => listener === 'internal')),
    loginSealer: sealer(secrets, 'login', context),
    logoutSealer: sealer(secrets, 'logout', context),
    logoutMarks: marks,
    verifyLogoutToken: logoutTokenVerifier(server, clock),
    sessions: opened,
    live,
    verifyAccessToken,
    introspect: introspection(server, verifyOnce, runtime),
    exchangeToken: tokenExchange(server, verifyOnce, clock),
    clientTokens: clientTokens(server, clock),
    splitTokens: split,
    joinToken: joinedTokens((hash) => split.find(hash), verifyOnce, clock),
  }
}

/** Nobody waits for the operator's function, and what it throws changes nothing: the session has ended. */
async function tellOfEnd(
  { hooks }: Config,
  event: Parameters<NonNullable<Hooks['onSessionEnd']>>[0],
  report: Report,
): Promise<void> {
  try {
    await hooks.onSessionEnd?.(event)
  } catch (cause) {
    report({ event: 'hook_failed', hook: 'onSessionEnd', cause })
  }
}

function refuse(error: CoatcheckError): never {
  throw error
}
