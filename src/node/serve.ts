/** The two ways to listen: a user's own Hono app, or everything that a configuration says. */
import type { HttpBindings } from '@hono/node-server'
import { ConfigError } from '../config/config-error.ts'
import type { Address, Config } from '../config/types.ts'
import type { Coordinator, SessionStore } from '../coordinator.ts'
import { type Report, reportToConsole } from '../observability/events.ts'
import { cookieStore } from '../session/stores/cookie-store.ts'
import { tokenHandler } from '../token-handler.ts'
import { appPages } from './app-pages.ts'
import { listenError, type Said } from './listen-error.ts'
import { type NodeRuntime, type NodeRuntimeOptions, nodeRuntime } from './runtime.ts'
import { createServer, type RunningServer, type ServerLimits, type ServerOptions } from './server.ts'
import { sqliteCoordinator } from './sqlite-coordinator.ts'

/** A Hono app, whatever its types. */
export interface FetchApp {
  fetch(request: Request, env: HttpBindings): Response | Promise<Response>
}

export interface ServeOptions extends Omit<ServerOptions, 'fetch'> {
  /**
   * The runtime that the app's token handler was given, before: the server takes `maxRequests` of its configuration, and
   * closes it at the end, once its work is done.
   */
  runtime?: NodeRuntime
}

/**
 * Serves a Hono app that has a token handler mounted. Use it instead of `serve` of `@hono/node-server`: there each answer
 * of an API goes through a web stream, and `ServerLimits`, WebSockets and a clean end are missing (docs/node.md).
 *
 * @example
 * ```ts
 * const runtime = nodeRuntime()
 * const bff = tokenHandler(config, { runtime })
 * app.route('/', bff.routes)
 * const server = await serve(app, { port: 3000, runtime })
 * process.once('SIGTERM', () => server.close())
 * ```
 * @throws Error with the system's `code` (`EADDRINUSE`), and what to do, for an address that it may not listen on
 */
export async function serve(app: FetchApp, options: ServeOptions = {}): Promise<RunningServer> {
  return serveAt(app, options, { host: 'the option host', port: 'the option port' })
}

async function serveAt(app: FetchApp, options: ServeOptions, said: Said): Promise<RunningServer> {
  const { runtime, ...serverOptions } = options
  const limits = { ...limitsOf(runtime), ...options.limits }
  const fetch: ServerOptions['fetch'] = (request, env) => app.fetch(request, env)
  const server = await createServer({ ...serverOptions, limits, fetch }).catch((error: unknown) => {
    throw listenError(error, options, said)
  })
  if (runtime === undefined) return server
  return { ...server, close: () => closeAll(server, runtime, options.closeTimeoutMs ?? 10_000) }
}

/** What is not said is the server's to know. */
function limitsOf(said: { maxRequests: number | undefined } | undefined): Partial<ServerLimits> {
  return said?.maxRequests === undefined ? {} : { maxRequests: said.maxRequests }
}

export interface StartOptions extends Omit<ServerOptions, 'fetch'> {
  runtime?: NodeRuntimeOptions
  /** Gets what happens. Default: lines of JSON on standard error. */
  report?: Report
}

export interface StartedServer extends RunningServer {
  /** Those that the configuration names. */
  readonly internal: RunningServer | undefined
  readonly management: RunningServer | undefined
}

/**
 * Runs what the configuration says: the endpoints, the routes, and the app's pages, on every listener.
 *
 * @throws ConfigError for what Node cannot serve of it; Error with the system's `code` (`EADDRINUSE`), and what to do,
 * for an address that it may not listen on
 */
export async function startServer(config: Config, options: StartOptions = {}): Promise<StartedServer> {
  const { runtime: runtimeOptions, report = reportToConsole, ...others } = options
  const serverOptions = { ...others, limits: { ...limitsOf(config), ...others.limits } }
  const onError = (cause: unknown) => report({ event: 'request_failed', code: 'internal_error', cause })
  const runtime = nodeRuntime({ onError, ...runtimeOptions })
  const pages = await appPages(config, runtime, report)
  const { store, ownStore } = storeOf(config)
  await refuseProblem(store, report)
  const handler = tokenHandler({ ...config, session: { ...config.session, store } }, { runtime, report, pages })
  // Plain HTTP: a certificate is for names outside.
  const listenInside = (app: FetchApp, name: 'internal' | 'management', address: Address) =>
    serveAt(app, { onError, ...serverOptions, ...address, tls: undefined }, listenerSaid(name))
  const { listeners } = config
  let internal: RunningServer | undefined
  let management: RunningServer | undefined
  const close = async () => {
    await Promise.all([internal?.close(), management?.close()])
    await ownStore?.coordinator.close()
  }
  try {
    if (listeners.internal) internal = await listenInside(handler.internal, 'internal', listeners.internal)
    if (listeners.management) management = await listenInside(handler.management, 'management', listeners.management)
    const publicOptions = { ...listeners.public, onError, ...serverOptions, runtime }
    const server = await serveAt(handler.routes, publicOptions, listenerSaid('public'))
    return { ...server, internal, management, close: () => server.close().finally(close) }
  } catch (error) {
    await close()
    throw error
  }
}

function listenerSaid(name: keyof Config['listeners']): Said {
  return { host: `listeners.${name}`, port: `listeners.${name}` }
}

/** What is set up so that it would lose sessions is refused. A store that is out is not: it may be back with the first call. */
async function refuseProblem({ coordinator }: SessionStore, report: Report): Promise<void> {
  const problem = await coordinator.problem?.().catch((cause) => {
    report({ event: 'store_unavailable', during: 'start', cause })
    return undefined
  })
  if (problem === undefined) return
  throw new ConfigError([{ path: 'session.store', ...problem }])
}

/** On one machine nothing has to be set up: what processes share is in a file beside them (protocol.md, "What there is"). */
const defaultLedgerFile = 'coatcheck.sqlite'

/** `ownStore`: the one that was made here, and is closed here. */
function storeOf({ session }: Config): { store: SessionStore; ownStore?: SessionStore } {
  if (session.store !== undefined) return { store: session.store }
  const ownStore = cookieStore({ coordinator: defaultCoordinator() })
  return { store: ownStore, ownStore }
}

function defaultCoordinator(): Coordinator {
  try {
    return sqliteCoordinator({ file: defaultLedgerFile })
  } catch (error) {
    const reason = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error)
    const problem = `is not set, and ${defaultLedgerFile} in the working directory cannot be used: ${reason}`
    const cure =
      'start in a folder that can be written, or write cookieStore({ coordinator: sqliteCoordinator({ file }) })'
    throw new ConfigError([{ path: 'session.store', problem, cure }])
  }
}

/** Answers first, then what they left to do, then the connections behind. */
async function closeAll(server: RunningServer, runtime: NodeRuntime, timeoutMs: number): Promise<void> {
  await server.close()
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, timeoutMs)
  })
  await Promise.race([runtime.settled(), limit])
  clearTimeout(timer)
  await runtime.close()
}
