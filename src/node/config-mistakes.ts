/** What Node cannot use of a configuration that is right in itself: for the start, and for `coatcheck check`. */
import cluster from 'node:cluster'
import { createSecureContext } from 'node:tls'
import type { ConfigIssue } from '../config/config-error.ts'
import type { Config, UpstreamSettings } from '../config/types.ts'

export function nodeMistakes({ routes, upstreams, session }: Config): ConfigIssue[] {
  return [
    ...routes.flatMap(({ upstream }, index) => (upstream.binding ? [bindingMistake(`routes[${index}].upstream`)] : [])),
    ...upstreams.flatMap((settings, index) => tlsMistake(settings, `upstreams[${index}].tls`)),
    ...memoryMistake(session),
  ]
}

function bindingMistake(path: string): ConfigIssue {
  return {
    path,
    problem: 'is a service binding, which Workers have',
    cure: 'write a URL such as https://orders.internal/v1',
  }
}

/** A key that is another certificate's would show with the first call only. */
function tlsMistake({ tls }: UpstreamSettings, path: string): ConfigIssue[] {
  if (tls === undefined) return []
  try {
    createSecureContext({
      ...(tls.ca && { ca: [...tls.ca] }),
      ...(tls.cert && { cert: tls.cert }),
      ...(tls.key && { key: tls.key }),
    })
    return []
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : ''
    return [
      { path, problem: `cannot be used${code}`, cure: 'write PEM texts, and the key that the certificate is for' },
    ]
  }
}

/** One of several processes, as it knows by `node:cluster`, shares nothing by its memory (protocol.md E5). */
function memoryMistake({ store }: Config['session']): ConfigIssue[] {
  if (!cluster.isWorker || store?.coordinator.isInProcess === false) return []
  return [
    {
      path: 'session.store',
      problem: 'is memory, and this is one of several processes (node:cluster): each would refresh and sign out alone',
      cure: 'name one that they share, such as cookieStore({ coordinator: sqliteCoordinator({ file }) })',
    },
  ]
}
