/**
 * A browser's cookie jar (RFC 6265bis), for tests: hosts without ports, paths, expiry, `Secure`, `SameSite`
 * and the name prefixes.
 */

export interface Cookie {
  readonly name: string
  readonly value: string
  /** The host, or the domain that the cookie named. */
  readonly domain: string
  /** Sent to this very host only. */
  readonly isHostOnly: boolean
  readonly path: string
  readonly isSecure: boolean
  readonly isHttpOnly: boolean
  readonly sameSite: 'strict' | 'lax' | 'none'
  /** Milliseconds since the epoch; undefined for a cookie that ends with the browser. */
  readonly expiresAt: number | undefined
}

/** How a request came about, as far as `SameSite` asks. */
export interface CookieContext {
  readonly isSameSite: boolean
  /** A top-level navigation with a safe method: takes Lax cookies along from other sites. */
  readonly isSafeNavigation: boolean
}

const sameSiteContext: CookieContext = { isSameSite: true, isSafeNavigation: true }

export class CookieJar {
  #cookies: Cookie[] = []
  /** Set-Cookie lines that were refused, and why: a test that wonders where its cookie is looks here. */
  readonly refused: { readonly line: string; readonly reason: string }[] = []

  /** Takes one `Set-Cookie` line of an answer. */
  set(url: string | URL, line: string): void {
    const target = new URL(url)
    const cookie = parse(line, target)
    const reason = typeof cookie === 'string' ? cookie : undefined
    if (typeof cookie === 'string') {
      this.refused.push({ line: line.slice(0, 200), reason: reason ?? '' })
      return
    }
    const index = this.#cookies.findIndex((other) => isSameCookie(other, cookie))
    const hasEnded = cookie.expiresAt !== undefined && cookie.expiresAt <= Date.now()
    if (hasEnded) {
      if (index >= 0) this.#cookies.splice(index, 1)
    } else if (index >= 0) this.#cookies[index] = cookie
    else this.#cookies.push(cookie)
  }

  /** The cookies that a request to `url` takes along, in the order of the `Cookie` header. */
  match(url: string | URL, context: CookieContext = sameSiteContext): Cookie[] {
    const target = new URL(url)
    const now = Date.now()
    this.#cookies = this.#cookies.filter((cookie) => cookie.expiresAt === undefined || cookie.expiresAt > now)
    return this.#cookies
      .filter((cookie) => goesTo(cookie, target) && isAllowed(cookie, context))
      .sort((a, b) => b.path.length - a.path.length)
  }

  /** The `Cookie` header, or undefined if there is nothing to send. */
  header(url: string | URL, context?: CookieContext): string | undefined {
    const cookies = this.match(url, context)
    return cookies.length === 0 ? undefined : cookies.map(({ name, value }) => `${name}=${value}`).join('; ')
  }

  /** What script on a page of `url` sees. */
  documentCookie(url: string | URL): string {
    const visible = this.match(url).filter((cookie) => !cookie.isHttpOnly)
    return visible.map(({ name, value }) => `${name}=${value}`).join('; ')
  }

  get(url: string | URL, name: string): Cookie | undefined {
    return this.match(url).find((cookie) => cookie.name === name)
  }

  delete(url: string | URL, name: string): void {
    const gone = this.match(url).filter((cookie) => cookie.name === name)
    this.#cookies = this.#cookies.filter((cookie) => !gone.includes(cookie))
  }

  all(): readonly Cookie[] {
    return [...this.#cookies]
  }

  clear(): void {
    this.#cookies = []
  }

  /** What is in the jar now; `restore` brings it back, for "an old cookie comes back". */
  snapshot(): readonly Cookie[] {
    return this.all()
  }

  restore(snapshot: readonly Cookie[]): void {
    this.#cookies = [...snapshot]
  }
}

/** Loopback counts as secure, as in Chromium and Firefox. */
export function isTrustworthy(url: URL): boolean {
  const host = url.hostname
  if (url.protocol === 'https:' || url.protocol === 'wss:') return true
  return host === 'localhost' || host.endsWith('.localhost') || host === '[::1]' || /^127(\.\d+){3}$/.test(host)
}

/** The cookie, or why it is refused. */
function parse(line: string, target: URL): Cookie | string {
  const [pair = '', ...attributeParts] = line.split(';')
  const equals = pair.indexOf('=')
  const name = equals < 0 ? '' : pair.slice(0, equals).trim()
  const value = (equals < 0 ? pair : pair.slice(equals + 1)).trim()
  if (name === '' && value === '') return 'empty'
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (/[\x00-\x08\x0a-\x1f\x7f]/.test(line)) return 'control character'
  if (name.length + value.length > 4096) return 'larger than 4096 bytes'

  const attributes = new Map<string, string>()
  for (const part of attributeParts) {
    const [key = '', ...rest] = part.split('=')
    const attributeValue = rest.join('=').trim()
    if (attributeValue.length <= 1024) attributes.set(key.trim().toLowerCase(), attributeValue)
  }

  const isSecure = attributes.has('secure')
  const isHttpOnly = attributes.has('httponly')
  if (isSecure && !isTrustworthy(target)) return 'Secure, but the connection is not'

  const host = target.hostname
  const domain = (attributes.get('domain') ?? '').replace(/^\./, '').toLowerCase()
  if (domain !== '' && !domainMatches(host, domain)) return 'Domain of another host'
  if (domain !== '' && !domain.includes('.') && domain !== host) return 'Domain is a public suffix'

  const pathAttribute = attributes.get('path') ?? ''
  const path = pathAttribute.startsWith('/') ? pathAttribute : defaultPath(target.pathname)

  const sameSite = readSameSite(attributes.get('samesite'))
  if (sameSite === 'none' && !isSecure) return 'SameSite=None without Secure'
  const prefixProblem = checkPrefix(name, { isSecure, isHttpOnly, hasDomain: domain !== '', path: pathAttribute })
  if (prefixProblem !== undefined) return prefixProblem

  return {
    name,
    value,
    domain: domain === '' ? host : domain,
    isHostOnly: domain === '',
    path,
    isSecure,
    isHttpOnly,
    sameSite,
    expiresAt: readExpiry(attributes),
  }
}

function checkPrefix(
  name: string,
  cookie: { isSecure: boolean; isHttpOnly: boolean; hasDomain: boolean; path: string },
): string | undefined {
  const lower = name.toLowerCase()
  const isHost = lower.startsWith('__host-')
  const isHttp = lower.startsWith('__http-') || lower.startsWith('__host-http-')
  if ((isHost || isHttp || lower.startsWith('__secure-')) && !cookie.isSecure) return 'prefix without Secure'
  if (isHttp && !cookie.isHttpOnly) return 'prefix without HttpOnly'
  if (isHost && (cookie.hasDomain || cookie.path !== '/')) return '__Host- with a Domain or without Path=/'
  return undefined
}

function readSameSite(value: string | undefined): Cookie['sameSite'] {
  const lower = value?.toLowerCase()
  return lower === 'strict' || lower === 'none' ? lower : 'lax'
}

/** `Max-Age` goes before `Expires`. */
function readExpiry(attributes: ReadonlyMap<string, string>): number | undefined {
  const maxAge = attributes.get('max-age')
  if (maxAge !== undefined && /^-?\d+$/.test(maxAge)) {
    const seconds = Number(maxAge)
    return seconds <= 0 ? 0 : Date.now() + Math.min(seconds, 400 * 86_400) * 1000
  }
  const expires = Date.parse(attributes.get('expires') ?? '')
  return Number.isNaN(expires) ? undefined : expires
}

function defaultPath(pathname: string): string {
  const lastSlash = pathname.lastIndexOf('/')
  return lastSlash <= 0 ? '/' : pathname.slice(0, lastSlash)
}

function domainMatches(host: string, domain: string): boolean {
  if (host === domain) return true
  const isAddress = /^[\d.]+$/.test(host) || host.startsWith('[')
  return !isAddress && host.endsWith(`.${domain}`)
}

function goesTo(cookie: Cookie, target: URL): boolean {
  if (cookie.isSecure && !isTrustworthy(target)) return false
  if (cookie.isHostOnly ? target.hostname !== cookie.domain : !domainMatches(target.hostname, cookie.domain))
    return false
  const { path } = cookie
  if (target.pathname === path) return true
  return target.pathname.startsWith(path.endsWith('/') ? path : `${path}/`)
}

function isAllowed(cookie: Cookie, context: CookieContext): boolean {
  if (context.isSameSite || cookie.sameSite === 'none') return true
  return cookie.sameSite === 'lax' && context.isSafeNavigation
}

function isSameCookie(a: Cookie, b: Cookie): boolean {
  return a.name === b.name && a.domain === b.domain && a.path === b.path && a.isHostOnly === b.isHostOnly
}
