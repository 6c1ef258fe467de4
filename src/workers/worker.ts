/** A Worker made of a configuration: a handler for each listener. */
import { ConfigError } from '../config/config-error.ts'
import { refuseNodeOnly } from '../config/node-only.ts'
import { resolveConfig } from '../config/resolve.ts'
import type { Config } from '../config/types.ts'
import { isLoopbackHost } from '../config/urls.ts'
import type { ConfigSource } from '../config/user-config.ts'
import type { FetchBinding } from '../config/user-routes.ts'
import { CoatcheckError } from '../errors.ts'
import type { Report } from '../observability/events.ts'
import { originPages } from '../origin-pages.ts'
import { problemResponse } from '../problem.ts'
import { endpointHeaders, pageHeaders } from '../protection/security-headers.ts'
import type { Clock, Runtime } from '../runtime.ts'
import { type TokenHandler, type TokenHandlerOptions, tokenHandler } from '../token-handler.ts'
import { assetPages } from './assets.ts'
import { reportToLog } from './report.ts'
import { workersRuntime } from './runtime.ts'
import type { WorkerContext, WorkerHandler, WorkerHandlers } from './types.ts'

export interface WorkerOptions {
  /** Name of the static assets binding that holds the app's pages. Default `ASSETS`. */
  assets?: string
  /** Gets what happens: sign-ins, refreshes, failures. Default: lines of JSON in the Worker's log. */
  report?: Report
  /** Default: the system's clock. */
  clock?: Clock
}

type Fetch = (request: Request, env: object, context: WorkerContext) => Response | Promise<Response>
type Handlers = Readonly<Record<'public' | 'internal' | 'management', Fetch>>

/**
 * Serves what the configuration says: the endpoints, the routes, and the app's pages.
 *
 * A configuration that is a plain object is checked at once, so that a mistake stops the upload. A function of the
 * environment is checked with the first request, because the bindings are only there then: a mistake is written to
 * the log, and every request is answered with 500.
 *
 * @example
 * ```ts
 * export default worker<Env>((env) => ({
 *   baseUrl: 'https://app.example.com',
 *   provider: { issuer: 'https://login.example.com', clientId: 'app', clientSecret: env.CLIENT_SECRET },
 *   session: { secrets: [env.SESSION_SECRET] },
 *   spa: { dir: 'dist' },
 *   routes: [{ path: '/api/*', upstream: env.ORDERS, auth: 'session' }],
 * }))
 * ```
 * @throws {ConfigError} for a plain object with mistakes
 */
export function worker<Env extends object = Record<string, string | undefined>>(
  source: ConfigSource<Env>,
  options: WorkerOptions = {},
): WorkerHandlers<Env> {
  const checked =
    typeof source === 'function' ? undefined : resolveConfig<object>(source, {}, { hasInternalListener: true })
  if (checked) refuseNodeOnly(checked)
  // One environment for each isolate. What is made of it keeps its ledger and caches as long as the isolate lives.
  const made = new WeakMap<Env, Handlers>()
  const handlerFor = (listener: keyof Handlers): WorkerHandler<Env> => ({
    async fetch(request, env, context) {
      let handlers = made.get(env)
      if (handlers === undefined) {
        handlers = makeHandlers(
          () => checked ?? resolveConfig(source, env, { hasInternalListener: true }),
          env,
          options,
        )
        made.set(env, handlers)
      }
      const answer = Promise.resolve(handlers[listener](request, env, context))
      // Requests share promises (discovery, keys, a refresh), and Workers let a promise die with the request that owns
      // it: a client that leaves at the wrong moment would leave the others waiting for ever.
      context.waitUntil(answer.catch(() => undefined))
      return answer
    },
  })
  return { ...handlerFor('public'), internal: handlerFor('internal'), management: handlerFor('management') }
}

function makeHandlers(resolve: () => Config, env: object, options: WorkerOptions): Handlers {
  const report = options.report ?? reportToLog
  try {
    const config = resolve()
    requireSharedStore(config)
    const runtime = workersRuntime(options.clock === undefined ? {} : { clock: options.clock })
    const pages = originPagesOf(config, runtime, report) ?? pagesOf(config, env, options.assets ?? 'ASSETS')
    const handler = tokenHandler(config, { runtime, report, ...(pages === undefined ? {} : { pages }) })
    const fetchOf = (app: TokenHandler['routes']): Fetch => {
      return (request, env, context) =>
        app.fetch(request, env, context as unknown as NonNullable<Parameters<typeof app.fetch>[2]>)
    }
    return {
      public: fetchOf(handler.routes),
      internal: fetchOf(handler.internal),
      management: fetchOf(handler.management),
    }
  } catch (error) {
    if (error instanceof ConfigError) console.error(error.message)
    else report({ event: 'request_failed', code: 'internal_error', cause: error })
    const headers = endpointHeaders({ origin: '', isSecureOrigin: false })
    const fail = () => problemResponse(new CoatcheckError('internal_error'), headers)
    return { public: fail, internal: fail, management: fail }
  }
}

function originPagesOf(config: Config, { transport, clock }: Runtime, report: Report): TokenHandlerOptions['pages'] {
  if (config.spa === undefined || !('origin' in config.spa)) return undefined
  // What goes out is compressed by Cloudflare, and what comes in is decoded where it is read.
  return originPages({
    base: config.spa.origin,
    transport,
    clock,
    report,
    codings: [],
    pageHeaders: pageHeaders(config),
  })
}

/** @throws {ConfigError} when the pages' place is not one that a Worker can read */
function pagesOf({ spa, ...config }: Config, env: object, name: string): TokenHandlerOptions['pages'] {
  if (spa === undefined || 'origin' in spa) return undefined
  if ('proxy' in spa) {
    throw new ConfigError([
      {
        path: 'spa.proxy',
        problem: 'is for Node only',
        cure: "write { dir: 'dist' }, and name that folder in wrangler.toml under [assets]",
      },
    ])
  }
  const binding = (env as Record<string, unknown>)[name] as FetchBinding | undefined
  if (typeof binding?.fetch !== 'function') {
    throw new ConfigError([
      {
        path: 'spa.dir',
        problem: `needs a static assets binding, and there is no ${name}`,
        cure: `write in wrangler.toml: [assets] directory = "${spa.dir}", binding = "${name}", run_worker_first = true`,
      },
    ])
  }
  return assetPages(binding, pageHeaders({ ...config, spa }))
}

/**
 * Isolates share nothing (sessions.md E5): a refresh token would be used twice and the session lost, and a session that was
 * signed out would go on. On loopback there is one isolate.
 */
function requireSharedStore({ origin, session }: Config): void {
  if (session.store !== undefined && !session.store.coordinator.isInProcess) return
  if (!isLoopbackHost(new URL(origin).hostname)) {
    throw new ConfigError([
      {
        path: 'session.store',
        problem: 'keeps what sessions share in the memory of an isolate, and the requests of one session reach many',
        cure: 'write durableObjectStore(env.SESSIONS), or cookieStore({ coordinator: durableObjectCoordinator(env.SESSIONS) })',
      },
    ])
  }
  console.warn(
    'coatcheck: refreshed tokens and signed-out sessions are remembered in the memory of this isolate only. That does ' +
      'for wrangler dev; deployed, Coatcheck does not start with it. docs/workers.md says how to use a Durable Object.',
  )
}
