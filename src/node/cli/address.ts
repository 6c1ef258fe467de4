/** What `--port` and `--https` change. On a development machine `baseUrl` follows: nothing stands in front there. */

import { isLoopbackHost, parseHttp } from '../../config/urls.ts'
import type { UserConfig } from '../../config/user-config.ts'
import { UsageError } from './io.ts'

export interface AddressOptions {
  readonly port: number | undefined
  readonly isHttps: boolean
}

/** @throws {UsageError} for a `baseUrl` of another machine with `--https`. */
export function adjustAddress(config: UserConfig, { port, isHttps }: AddressOptions): UserConfig {
  const url = typeof config.baseUrl === 'string' ? parseHttp(config.baseUrl) : undefined
  // Validation says what is wrong with it.
  if (!url) return config
  const isLocal = isLoopbackHost(url.hostname)
  if (isHttps && !isLocal) {
    throw new UsageError(
      `--https makes a certificate for this machine, and baseUrl is ${url.origin}. Leave --https out, and have TLS end in front.`,
    )
  }
  const listeners = port === undefined ? config.listeners : { ...config.listeners, public: withPort(config, port) }
  return {
    ...config,
    ...(listeners && { listeners }),
    ...(isLocal && { baseUrl: localUrl(config.baseUrl ?? '', url, port, isHttps, config.listeners?.public) }),
  }
}

/** The host that was configured stays. */
function withPort({ listeners, baseUrl }: UserConfig, port: number): number | string {
  const host = /^(.+):\d+$/.exec(String(listeners?.public ?? ''))?.[1]
  if (host) return `${host}:${port}`
  const hostname = new URL(baseUrl ?? '').hostname
  if (listeners?.public !== undefined || !isLoopbackHost(hostname)) return port
  return `${hostname.startsWith('[') ? hostname : '127.0.0.1'}:${port}`
}

/** Only its scheme and port are changed, so that a mistake in the rest is still seen. */
function localUrl(
  written: string,
  url: URL,
  port: number | undefined,
  isHttps: boolean,
  listener: number | string | undefined,
): string {
  const ownPort = url.port || (url.protocol === 'https:' ? '443' : '80')
  const listenerPort = listener === undefined ? ownPort : (/(\d+)$/.exec(String(listener))?.[1] ?? '')
  // Something else that listens there, such as a proxy, stays where it is.
  const newPort = port !== undefined && listenerPort === ownPort ? String(port) : ownPort
  const scheme = isHttps ? 'https:' : url.protocol
  const isDefaultPort = newPort === (scheme === 'https:' ? '443' : '80')
  return written.replace(
    /^https?:\/\/[^/?#@]*(?=$|[/?#])/i,
    `${scheme}//${url.hostname}${isDefaultPort ? '' : `:${newPort}`}`,
  )
}
