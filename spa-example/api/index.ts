/**
 * The demo's API: a small coffee roastery's orders, for bearer tokens alone. It stands for any API behind
 * Coatcheck, so it imports nothing of it but the guard for APIs.
 */
import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import type { Refusal } from '../../src/resource-server/index.ts'
import { basePath, createApp } from './app.ts'
import { createBookStore } from './books.ts'
import { eventRoutes } from './events.ts'
import { createApiGuard } from './guard.ts'
import { createRequestLog, type LoggedRequest } from './request-log.ts'
import { resourceMetadata } from './resource-metadata.ts'

export type { LoggedRequest } from './request-log.ts'

export interface ApiOptions {
  /** Issuer of the access tokens. */
  readonly issuer: string
  /** `aud` of the access tokens: this API's resource indicator. */
  readonly audience: string
  /** Default: as the issuer's metadata says. Asked for at the first call, so the API starts without it. */
  readonly jwksUri?: string
  /** Default `127.0.0.1`. */
  readonly host?: string
  /** Default 0: any free port. */
  readonly port?: number
  /** How often the feed speaks when nothing happens. Default 1000. */
  readonly eventIntervalMs?: number
  /** Of all uploads together. Default 64 MiB. */
  readonly fileLimitBytes?: number
}

export interface RunningApi {
  /** `http://127.0.0.1:4001`. */
  readonly url: string
  /** With the path that everything is under: `http://127.0.0.1:4001/v1`. */
  readonly baseUrl: string
  readonly port: number
  /** What came, oldest first (the last thousand): neither tokens nor cookies. */
  readonly requests: readonly LoggedRequest[]
  /** What the guard refused, oldest first (the last thousand), with the reason that the caller is not told. */
  readonly refusals: readonly Refusal[]
  /** Requests that brought a cookie, which none should. */
  readonly cookieLeaks: number
  /** Event streams that are open. */
  readonly openStreams: number
  forgetRequests(): void
  /** Refuses the tokens shown so far with `invalid_token`; a refreshed one works. */
  revokeSeenTokens(): void
  /** Ends the event streams that are open, as a restart would. */
  closeStreams(): void
  /** Closes the port and all connections, keeping what is stored, until `comeBack()`. */
  goDown(): Promise<void>
  comeBack(): Promise<void>
  stop(): Promise<void>
}

const mebibyte = 1024 * 1024
const keptRefusals = 1000

export async function startApi(options: ApiOptions): Promise<RunningApi> {
  const host = options.host ?? '127.0.0.1'
  const log = createRequestLog()
  const { issuer, audience, jwksUri } = options
  const refusals: Refusal[] = []
  const onRefused = (refusal: Refusal): void => {
    refusals.push(refusal)
    if (refusals.length > keptRefusals) refusals.shift()
  }
  const metadata = resourceMetadata({ issuer, audience })
  const guardOptions = { issuer, audience, jwksUri, resourceMetadata: metadata.url, onRefused }
  const { guard, revokeSeenTokens } = createApiGuard(guardOptions)
  const events = eventRoutes(options.eventIntervalMs ?? 1000)
  const app = createApp({
    guard,
    metadata,
    bookStore: createBookStore(),
    eventRoutes: events.routes,
    log,
    fileLimitBytes: options.fileLimitBytes ?? 64 * mebibyte,
  })

  const server = createAdaptorServer({ fetch: app.fetch, overrideGlobalObjects: false }) as Server
  // An upload may take its time.
  server.requestTimeout = 0
  const listen = async (port: number): Promise<number> => {
    server.listen(port, host)
    await once(server, 'listening')
    return (server.address() as AddressInfo).port
  }
  const close = async (): Promise<void> => {
    if (!server.listening) return
    events.streams.closeAll()
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  }
  const port = await listen(options.port ?? 0)
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${port}`

  return {
    url,
    baseUrl: url + basePath,
    port,
    requests: log.requests,
    refusals,
    get cookieLeaks() {
      return log.cookieLeaks
    },
    get openStreams() {
      return events.streams.open
    },
    forgetRequests: () => log.clear(),
    revokeSeenTokens,
    closeStreams: () => events.streams.closeAll(),
    goDown: close,
    comeBack: async () => {
      await listen(port)
    },
    stop: close,
  }
}
