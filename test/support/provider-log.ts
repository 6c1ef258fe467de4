/**
 * What reached the provider, from its own mouth: every HTTP request to its port, and what it read from those to the
 * token endpoint. The provider runs in the test's process on either runtime.
 */
import { channel } from 'node:diagnostics_channel'
import type { IncomingMessage } from 'node:http'
import type { KoaContextWithOIDC } from 'oidc-provider'
import type { RunningProvider } from '../../spa-example/provider/index.ts'

export interface ProviderLog {
  /** `GET /auth`, without query, oldest first. */
  readonly requests: readonly string[]
  /** Parameters of authorization requests as they came, oldest first. */
  readonly authorizations: readonly URLSearchParams[]
  /** Parameters of grants that succeeded, oldest first. */
  readonly grants: ReadonlyArray<Readonly<Record<string, unknown>>>
  /** What those were answered with. */
  readonly answers: ReadonlyArray<Readonly<Record<string, unknown>>>
  clear(): void
  stop(): void
}

export function watchProvider({ provider, port }: RunningProvider): ProviderLog {
  const requests: string[] = []
  const authorizations: URLSearchParams[] = []
  const grants: Record<string, unknown>[] = []
  const answers: Record<string, unknown>[] = []

  const onRequest = (message: unknown) => {
    const { request } = message as { request: IncomingMessage }
    if (request.socket.localPort !== port) return
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://provider.invalid')
    requests.push(`${request.method} ${pathname}`)
    if (searchParams.has('response_type')) authorizations.push(searchParams)
  }
  const onGrant = (ctx: KoaContextWithOIDC) => {
    grants.push({ ...ctx.oidc.params })
    answers.push({ ...(ctx.body as Record<string, unknown>) })
  }
  const started = channel('http.server.request.start')
  started.subscribe(onRequest)
  provider.on('grant.success', onGrant)
  return {
    requests,
    authorizations,
    grants,
    answers,
    clear() {
      for (const list of [requests, authorizations, grants, answers]) list.length = 0
    },
    stop() {
      started.unsubscribe(onRequest)
      provider.off('grant.success', onGrant)
    },
  }
}
