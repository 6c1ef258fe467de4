/** Header fields of our own answers: the app's pages, and the endpoints under `/bff`. ASVS 5.0 §3.4. */
import type { Config } from '../config/types.ts'
import type { CspConfig } from '../config/user-config.ts'
import type { HeaderList } from '../runtime.ts'

/** What is needed of the configuration. */
export type PageHeadersConfig = Pick<Config, 'origin' | 'isSecureOrigin' | 'spa'>

/**
 * Header fields of the app's pages and files; worked out once, at start.
 *
 * Scripts and styles come from the assets' path alone. `'self'` would do for an attacker who can upload a file to an
 * API behind us: it would run as a script of the page (tried). Images may be `data:`, since bundlers inline small ones.
 *
 * In development Vite puts inline script and style into the page and serves modules from any path.
 *
 * @throws Error if an added source or the report address would end its directive
 */
export function pageHeaders(config: PageHeadersConfig, options: { isDevelopment?: boolean } = {}): HeaderList {
  const added = config.spa?.csp ?? {}
  const isDevelopment = options.isDevelopment ?? false
  const headers: Array<readonly [string, string]> = [
    ['content-security-policy', contentSecurityPolicy(config.origin, added, isDevelopment)],
    ['cross-origin-opener-policy', 'same-origin'],
    ['referrer-policy', 'same-origin'],
    ['x-content-type-options', 'nosniff'],
    ['x-frame-options', 'DENY'],
  ]
  if (added.reportUri !== undefined) headers.push(['reporting-endpoints', `csp="${reportAddress(added.reportUri)}"`])
  headers.push(...strictTransportSecurity(config))
  return headers
}

/** Header fields of every answer under `/bff` and of problem documents: read by scripts of ours, never shown, never kept. */
export function endpointHeaders(config: Pick<Config, 'origin' | 'isSecureOrigin'>): HeaderList {
  return [
    ['cache-control', 'no-store'],
    ['content-security-policy', "default-src 'none'; frame-ancestors 'none'"],
    ['cross-origin-resource-policy', 'same-origin'],
    ['referrer-policy', 'no-referrer'],
    ['x-content-type-options', 'nosniff'],
    ...strictTransportSecurity(config),
  ]
}

/**
 * HSTS where the origin is `https:`. Not on this machine: it would cover every port of `localhost`, and with it whatever
 * else is developed there over plain HTTP.
 */
function strictTransportSecurity(config: Pick<Config, 'origin' | 'isSecureOrigin'>): HeaderList {
  if (!config.isSecureOrigin || !config.origin.startsWith('https:')) return []
  if (isLoopback(new URL(config.origin).hostname)) return []
  return [['strict-transport-security', 'max-age=31536000; includeSubDomains']]
}

function isLoopback(hostname: string): boolean {
  if (hostname === 'localhost' || hostname.endsWith('.localhost')) return true
  return hostname === '[::1]' || hostname.startsWith('127.')
}

/** Where a build puts what it has hashed. */
const assetsPath = '/assets/'

function contentSecurityPolicy(origin: string, added: CspConfig, isDevelopment: boolean): string {
  const assets = origin + assetsPath
  const code = isDevelopment ? ["'self'", "'unsafe-inline'"] : [assets]
  // Hot reload is a WebSocket on this host; not every browser counts it as 'self'.
  const connect = isDevelopment ? ["'self'", origin.replace(/^http/, 'ws')] : ["'self'"]
  const directives: ReadonlyArray<
    readonly [name: string, sources: readonly string[], more?: readonly string[] | undefined]
  > = [
    ['default-src', ["'none'"]],
    ['script-src', code, added.scriptSrc],
    ['style-src', code, added.styleSrc],
    ['connect-src', connect, added.connectSrc],
    ['img-src', ["'self'", 'data:'], added.imgSrc],
    ['font-src', isDevelopment ? ["'self'", 'data:'] : [assets], added.fontSrc],
    ['media-src', ["'self'"], added.mediaSrc],
    ['frame-src', added.frameSrc?.length ? [] : ["'none'"], added.frameSrc],
    ['worker-src', isDevelopment ? ["'self'", 'blob:'] : [assets], added.workerSrc],
    ['manifest-src', ["'self'"]],
    ['object-src', ["'none'"]],
    ['base-uri', ["'none'"]],
    ['form-action', ["'self'"]],
    ['frame-ancestors', ["'none'"]],
  ]
  const policy = directives.map(([name, sources, more = []]) => [name, ...sources, ...more.map(source)].join(' '))
  if (added.reportUri !== undefined) policy.push(`report-uri ${reportAddress(added.reportUri)}`, 'report-to csp')
  return policy.join('; ')
}

/** One source expression: printable ASCII without what separates sources, directives and policies. */
function source(text: string): string {
  if (!/^[!-+\--:<-~]+$/.test(text)) throw new Error(`${JSON.stringify(text)} is not a CSP source`)
  return text
}

function reportAddress(address: string): string {
  if (!/^(?:\/|https:\/\/|http:\/\/)[!#-+\--:<-[\]-~]*$/.test(address)) {
    throw new Error(`${JSON.stringify(address)} is not an address for CSP reports`)
  }
  return address
}
