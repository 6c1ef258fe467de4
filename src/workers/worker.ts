/** A Worker made of a configuration: a handler for each listener. */
import { ConfigError } from '../config/config-error.ts'
import { refuseNodeOnly } from '../config/node-only.ts'
import { resolveConfig } from '../config/resolve.ts'
import type { Config } from '../config/types.ts'
import type { ConfigSource } from '../config/user-config.ts'
import { CoatcheckError } from '../errors.ts'
import type { Report } from '../observability/events.ts'
import { problemResponse } from '../problem.ts'
import { endpointHeaders } from '../protection/security-headers.ts'
import type { Clock } from '../runtime.ts'
import { type TokenHandler, tokenHandler } from '../token-handler.ts'
import { appPages } from './app-pages.ts'
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
    const runtime = workersRuntime(options.clock === undefined ? {} : { clock: options.clock })
    const pages = appPages(config, runtime, env, { report, ...(options.assets && { assets: options.assets }) })
    const handler = tokenHandler(config, { runtime, report, ...(pages === undefined ? {} : { pages }) })
    const fetchOf = (app: TokenHandler['routes']): Fetch => {
      return (request, env, context) => app.fetch(request, env, context)
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
