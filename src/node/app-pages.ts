/** What serves the app's pages from where the configuration's `spa` has them. */
import type { Config } from '../config/types.ts'
import { type Report, reportToConsole } from '../observability/events.ts'
import { originPages } from '../origin-pages.ts'
import { pageHeaders } from '../protection/security-headers.ts'
import type { TokenHandlerOptions } from '../token-handler.ts'
import { devProxy } from './dev-proxy.ts'
import type { NodeRuntime } from './runtime.ts'
import { staticApp } from './static.ts'

/**
 * The `pages` of a token handler in an app of your own: a folder's, a CDN's or a development server's, with the security
 * headers that `spa.csp` adds to. Undefined without `spa`. `startServer` does this by itself.
 *
 * @example
 * ```ts
 * const bff = tokenHandler(config, { runtime, pages: await appPages(config, runtime) })
 * ```
 * @throws ConfigError for a folder that is not there or has no `index.html`
 */
export async function appPages(
  config: Config,
  runtime: NodeRuntime,
  report: Report = reportToConsole,
): Promise<TokenHandlerOptions['pages']> {
  if (config.spa === undefined) return undefined
  if ('dir' in config.spa) return staticApp(config.spa.dir, pageHeaders(config))
  if ('origin' in config.spa) {
    const { transport, clock } = runtime
    const codings = ['br', 'gzip']
    return originPages({ base: config.spa.origin, transport, clock, report, codings, pageHeaders: pageHeaders(config) })
  }
  return devProxy({
    target: config.spa.proxy,
    origin: config.origin,
    runtime,
    pageHeaders: pageHeaders(config, { isDevelopment: true }),
  })
}
