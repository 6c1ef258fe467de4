/** Checks the configuration, and lists what it opens. Asks nobody on the network. */
import { spokenDuration } from '../../config/durations.ts'
import type { Address, Config, Route } from '../../config/types.ts'
import type { SessionStore } from '../../coordinator.ts'
import { loadConfig } from '../load-config.ts'
import type { Values } from './commands.ts'
import { environment } from './environment.ts'
import { type Io, print } from './io.ts'
import { table } from './table.ts'

export async function check(values: Values, io: Io): Promise<number> {
  const file = typeof values.config === 'string' ? values.config : undefined
  const config = await loadConfig(file, environment(values['env-file'], io), { directory: io.directory })
  print(report(config))
  return 0
}

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
  ]
  if (config.notices.length > 0)
    sections.push(['To look at:', ...config.notices.map((notice) => `  - ${notice}`)].join('\n'))
  return sections.join('\n\n')
}

function summary({ origin, basePath, provider, session, spa, listeners }: Config): string[][] {
  const count = session.secrets.length
  return [
    ['Origin', origin],
    [
      'Endpoints',
      ['login', 'callback', 'session', 'logout', ...(session.store?.cookie === 'ticket' ? ['sessions'] : [])]
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
