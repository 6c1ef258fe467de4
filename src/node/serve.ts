/** The two ways to listen: a user's own Hono app, or everything that a configuration says. */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Context, Hono } from 'hono'
import type { Config } from '../config/types.ts'
import { CoatcheckError } from '../errors.ts'
import { devProxy } from './dev-proxy.ts'
import { type NodeRuntime, type NodeRuntimeOptions, nodeRuntime } from './runtime.ts'
import { createServer, type RunningServer, type ServerOptions } from './server.ts'
import { staticApp } from './static.ts'

export interface ServeOptions extends Omit<ServerOptions, 'fetch'> {
  /** The runtime that the app's token handler was given: closed with the server, once its work is done. */
  runtime?: NodeRuntime
}

/**
 * Serves a Hono app that has a token handler mounted. Use it instead of `serve` of `@hono/node-server`, under
 * which everything works too, but each answer of an API goes through a web stream.
 *
 * @example
 * ```ts
 * const runtime = nodeRuntime()
 * const bff = tokenHandler(config, { runtime })
 * app.route('/', bff.routes)
 * const server = await serve(app, { port: 3000, runtime })
 * process.once('SIGTERM', () => server.close())
 * ```
 */
export async function serve(app: Pick<Hono, 'fetch'>, options: ServeOptions = {}): Promise<RunningServer> {
  const { runtime, ...serverOptions } = options
  const server = await createServer({ ...serverOptions, fetch: (request, env) => app.fetch(request, env) })
  if (runtime === undefined) return server
  return { ...server, close: () => closeAll(server, runtime, options.closeTimeoutMs ?? 10_000) }
}

export interface StartOptions extends Omit<ServerOptions, 'fetch' | 'onWebSocket'> {
  runtime?: NodeRuntimeOptions
}

/** Runs what the configuration says: the endpoints, the routes, and the app's pages. */
export async function startServer(config: Config, options: StartOptions = {}): Promise<RunningServer> {
  const { runtime: runtimeOptions, ...serverOptions } = options
  const { tokenHandler } = await import('../token-handler.ts')
  const runtime = nodeRuntime(runtimeOptions)
  const pages = await pagesOf(config, runtime)
  const handler = tokenHandler(config, { runtime, ...(pages.app === undefined ? {} : { app: pages.app }) })
  return serve(handler.routes, {
    host: config.listeners.public.host,
    port: config.listeners.public.port,
    ...serverOptions,
    onWebSocket: pages.onWebSocket,
    runtime,
  })
}

interface Pages {
  app?: (c: Context) => Promise<Response>
  onWebSocket?: (incoming: IncomingMessage, socket: Duplex, head: Buffer) => void
}

async function pagesOf(config: Config, runtime: NodeRuntime): Promise<Pages> {
  if (config.spa === undefined) return {}
  const { pageHeaders: headersFor } = await import('../protection/security-headers.ts')
  const pageHeaders = headersFor(config)
  if ('proxy' in config.spa) {
    const proxy = devProxy({ target: config.spa.proxy, origin: config.origin, runtime, pageHeaders })
    return { app: proxy.serve, onWebSocket: proxy.onWebSocket }
  }
  const files = await staticApp(config.spa.dir, pageHeaders)
  return {
    app: async (c) => {
      const response = await files(c)
      if (response === undefined) throw new CoatcheckError('no_route')
      return response
    },
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
