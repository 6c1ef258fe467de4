/** What serves the app's pages from where the configuration's `spa` has them. */
import { ConfigError } from '../config/config-error.ts'
import type { Config } from '../config/types.ts'
import type { FetchBinding } from '../config/user-routes.ts'
import type { Report } from '../observability/events.ts'
import { originPages } from '../origin-pages.ts'
import { pageHeaders } from '../protection/security-headers.ts'
import type { Runtime } from '../runtime.ts'
import type { TokenHandlerOptions } from '../token-handler.ts'
import { assetPages } from './assets.ts'
import { reportToLog } from './report.ts'

export interface AppPagesOptions {
  /** Name of the static assets binding that holds the app's pages. Default `ASSETS`. */
  assets?: string
  /** Gets what happens. Default: lines of JSON in the Worker's log. */
  report?: Report
}

/**
 * The `pages` of a token handler in an app of your own: those of a static assets binding or of a CDN, with the security
 * headers that `spa.csp` adds to. Undefined without `spa`. `worker` does this by itself.
 *
 * @example
 * ```ts
 * const bff = tokenHandler(config, { runtime, pages: appPages(config, runtime, env) })
 * ```
 * @param env the Worker's bindings
 * @throws ConfigError for a development server (`spa.proxy`), and where there is no such binding
 */
export function appPages(
  config: Config,
  runtime: Runtime,
  env: object,
  { assets = 'ASSETS', report = reportToLog }: AppPagesOptions = {},
): TokenHandlerOptions['pages'] {
  const { spa } = config
  if (spa === undefined) return undefined
  if ('proxy' in spa) {
    throw new ConfigError([
      {
        path: 'spa.proxy',
        problem: 'is for Node only',
        cure: "write { dir: 'dist' }, and name that folder in wrangler.toml under [assets]",
      },
    ])
  }
  const headers = pageHeaders(config)
  if ('origin' in spa) {
    const { transport, clock } = runtime
    // What goes out is compressed by Cloudflare, and what comes in is decoded where it is read.
    return originPages({ base: spa.origin, transport, clock, report, codings: [], pageHeaders: headers })
  }
  const binding = (env as Record<string, unknown>)[assets] as FetchBinding | undefined
  if (typeof binding?.fetch !== 'function') {
    throw new ConfigError([
      {
        path: 'spa.dir',
        problem: `needs a static assets binding, and there is no ${assets}`,
        cure: `write in wrangler.toml: [assets] directory = "${spa.dir}", binding = "${assets}", run_worker_first = true`,
      },
    ])
  }
  return assetPages(binding, headers)
}
