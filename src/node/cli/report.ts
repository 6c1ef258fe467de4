/** What `coatcheck check` says of a configuration that is right. */
import { spokenDuration } from '../../config/durations.ts'
import type { Address, Config, RateLimit, Route, UpstreamSettings } from '../../config/types.ts'
import type { SessionStore } from '../../coordinator.ts'
import { table } from './table.ts'

/** Holds no secret, but for how many there are. */
export function report(config: Config): string {
  const sections = [
    'The configuration is right.',
    table(summary(config)),
    config.routes.length > 0
      ? table([
          ['PATH', 'METHODS', 'AUTH', 'LISTENER', 'KINDS', 'SCOPES', 'TOKEN', 'UPSTREAM'],
          ...config.routes.map(row),
        ])
      : 'There are no routes.',
    ...upstreamTable(config.upstreams),
    ...limitTable(config),
  ]
  if (config.notices.length > 0)
    sections.push(['To look at:', ...config.notices.map((notice) => `  - ${notice}`)].join('\n'))
  return sections.join('\n\n')
}

function summary({
  origin,
  basePath,
  provider,
  session,
  spa,
  listeners,
  backChannelLogout,
  forwardAuth,
}: Config): string[][] {
  const count = session.secrets.length
  return [
    ['Origin', origin],
    [
      'Endpoints',
      [
        ...['login', 'callback', 'session', 'logout'],
        ...(session.store?.cookie === 'ticket' ? ['sessions'] : []),
        ...(backChannelLogout ? ['backchannel-logout'] : []),
      ]
        .map((name) => `${basePath}/${name}`)
        .join(', '),
    ],
    ['Redirect URI', `${origin}${basePath}/callback`],
    ['Provider', `${provider.issuer}, as ${provider.clientId} by ${provider.clientAuthentication}`],
    ['Scope', provider.scope],
    ['Sessions', `idle ${spokenDuration(session.idleSeconds)}, at most ${spokenDuration(session.absoluteSeconds)}`],
    ['Secrets', `${count}${count > 1 ? ' (the first one seals)' : ''}`],
    ['Store', session.store ? storeName(session.store) : 'cookie, coordinator sqlite in coatcheck.sqlite (default)'],
    ['Pages', pagesOf(spa)],
    ['Listens on', spoken(listeners.public)],
    ['Internal', listeners.internal ? spoken(listeners.internal) : 'none'],
    ['Management', listeners.management ? spoken(listeners.management) : 'none'],
    ...(forwardAuth ? [['Forward auth', `/verify of the internal listener, as ${forwardAuth.proxy} asks`]] : []),
  ]
}

function spoken({ host, port }: Address): string {
  return `${host === undefined ? 'every address' : host}, port ${port}`
}

function storeName({ name, cookie, coordinator }: SessionStore): string {
  return cookie === 'ticket' ? `${name}, with a ticket in the cookie` : `${name}, coordinator ${coordinator.name}`
}

function row(route: Route): string[] {
  const { upstream } = route
  const base = `${upstream.binding ? 'service binding ' : upstream.origin}${upstream.basePath}`
  return [
    route.path,
    [...route.methods].join(' '),
    route.auth,
    route.listener,
    route.auth === 'session' ? [...route.kinds].join(' ') : '-',
    route.scopes.join(' ') || '-',
    tokenOf(route),
    route.isExact ? base : `${base}/*`,
  ]
}

function pagesOf(spa: Config['spa']): string {
  if (spa === undefined) return 'none'
  if ('dir' in spa) return `the folder ${spa.dir}`
  return 'origin' in spa ? spa.origin : `the development server ${spa.proxy}`
}

/** What the upstream gets as access token. */
function tokenOf({ auth, audience, upstreamToken }: Route): string {
  switch (upstreamToken.from) {
    case 'caller':
      return auth === 'session' ? "the session's" : `the caller's for ${audience}`
    case 'introspection':
      return `a JWT for ${audience} by introspection`
    case 'exchange':
      return `for ${upstreamToken.resource ?? upstreamToken.audience} by exchange`
    case 'refresh':
      return `for ${upstreamToken.resource} by refresh`
    case 'client':
      return `our own${upstreamToken.resource === undefined ? '' : ` for ${upstreamToken.resource}`}`
    case 'none':
      return 'none'
  }
}

function upstreamTable(upstreams: readonly UpstreamSettings[]): string[] {
  if (upstreams.length === 0) return []
  const rows = upstreams.map(({ origin, targets, tls, http2, health, breaker }) => [
    origin,
    targets.join(' '),
    [tls?.ca ? 'own CA' : undefined, tls?.cert && 'client certificate', http2 && 'HTTP/2'].filter(Boolean).join(', ') ||
      '-',
    health ? `${health.path} every ${seconds(health.intervalMs)}` : '-',
    breaker ? `${breaker.failures} failures, ${seconds(breaker.pauseMs)}` : 'off',
  ])
  return [table([['UPSTREAM', 'TARGETS', 'TLS', 'HEALTH', 'BREAKER'], ...rows])]
}

function limitTable({ rateLimits, routes }: Config): string[] {
  const everywhere = new Set(rateLimits.map(({ name }) => name))
  const rows = [
    ...rateLimits.map((limit) => limitRow('every route', limit)),
    ...routes.flatMap(({ path, rateLimits: { byAddress, byCaller } }) =>
      [...byAddress, ...byCaller].filter(({ name }) => !everywhere.has(name)).map((limit) => limitRow(path, limit)),
    ),
  ]
  return rows.length === 0 ? [] : [table([['LIMIT OF', 'PER', 'REQUESTS'], ...rows])]
}

function limitRow(of: string, { per, requests, windowSeconds }: RateLimit): string[] {
  return [of, per, `${requests} in ${spokenDuration(windowSeconds)}`]
}

function seconds(ms: number): string {
  return spokenDuration(ms / 1000)
}
